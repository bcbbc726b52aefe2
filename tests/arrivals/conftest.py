"""Fixtures of the tests of arrivals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec

sys.path.insert(0, str(Path(__file__).parent))  # what the tests share is a module beside them

from arrival_daemon import ATTRIBUTES, Daemon, Lake  # found by the line above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.backends.ports import Backend


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.fixture
def spec(lake: Lake) -> PipelineSpec:
    raw = {"files": f"{lake.folder}/day=*/*.parquet", "partition_column": "day"}
    return PipelineSpec.model_validate(ATTRIBUTES | {"raw": raw, "arrivals": {}})


@pytest.fixture
def backend(home: Path) -> Iterator[Backend]:
    with open_backend(load_settings()) as parts:
        yield parts


@pytest.fixture
def daemon(spec: PipelineSpec, backend: Backend) -> Daemon:
    return Daemon(spec, backend)
