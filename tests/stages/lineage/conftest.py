"""Pipelines whose clusters are given, for tests of their lineage."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

sys.path.insert(0, str(Path(__file__).parent))  # the chains are a module beside their tests
from lineage_chains import Chain, spec_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster_assets.backends.ports import Backend

_NAMES = count()


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLUSTER_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("CLUSTER_SQL_THREADS", "1")
        with open_backend(load_settings()) as opened:
            yield opened


@pytest.fixture
def chain(backend: Backend) -> Callable[..., Chain]:
    """Makes a fresh pipeline; all of a module share a backend."""

    def make(**lineage: Any) -> Chain:
        return Chain(backend, spec_of(f"chain{next(_NAMES)}", **lineage))

    return make
