"""The four outside parts a pipeline runs on, bundled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.pipeline_spec import Limits
    from cluster_assets.ports import Catalog, Invoker, ObjectStore, SqlEngine


@dataclass(frozen=True, slots=True)
class Backend:
    """An engine for SQL, a store for objects, a catalog of published days, workers to invoke.

    Attributes:
        invoker_for: The invoker whose memory, timeout and concurrency follow a pipeline's limits.
        source_variables: What `${NAME}` in `raw.files` may stand for.
    """

    engine: SqlEngine
    store: ObjectStore
    catalog: Catalog
    invoker_for: Callable[[Limits], Invoker]
    source_variables: Mapping[str, str]
