"""The Dagster resource that gives the assets their backend."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import PrivateAttr

from cluster_assets.backends.ports import Backend
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Generator


class BackendResource(dg.ConfigurableResource):  # type: ignore[type-arg]  # generic only at type-check time
    """SQL engine, object store, catalog and workers, as configured by the `CLUSTER_*` settings.

    It opens when a run starts, and closes with its worker processes when the run ends.
    """

    _parts: Backend = PrivateAttr()

    @property
    def parts(self) -> Backend:
        """The opened backend; available only inside a run."""
        return self._parts

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[BackendResource, None, None]:
        """Keep the backend open for the duration of a run."""
        with open_backend(load_settings()) as parts:
            self._parts = parts
            yield self


RESOURCES = {"cluster_backend": BackendResource()}
"""The resources of the assets: one object for all pipelines, so that Dagster can merge their definitions."""
