"""Parts of AWS over moto and the wire servers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud import Cloud, open_workers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from athena_lake import Lake
    from lambda_wire import LambdaWire

    from cluster_assets.backends.athena.engine import AthenaEngine


@pytest.fixture
def engine(athena_lake: Lake) -> AthenaEngine:
    return athena_lake.shared_engine


@pytest.fixture(scope="session")
def aws_workers(athena_servers: Lake) -> Iterator[LambdaWire]:
    with open_workers(athena_servers) as wire:
        yield wire


@pytest.fixture
def cloud(athena_lake: Lake, aws_workers: LambdaWire, home: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """AWS as a whole; `enter` points the settings at it."""
    aws_workers.calm()
    return Cloud(athena_lake, aws_workers, monkeypatch)
