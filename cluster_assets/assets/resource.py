"""The Dagster resource that hands the outside parts to the assets."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from cluster_assets.backend import Backend
from cluster_assets.composition import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Generator


class BackendResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only at type-check time
    """SQL engine, object store, catalog and workers, as the `CLUSTER_*` settings say.

    Opened when a run starts, closed with its worker processes when it ends.
    """

    _parts: Backend = PrivateAttr()

    @property
    def parts(self) -> Backend:
        """The opened parts; only inside a run."""
        return self._parts

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[BackendResource, None, None]:
        """Keep the backend open for the time of a run."""
        with open_backend(load_settings()) as parts:
            self._parts = parts
            yield self
