"""The composition root: settings in, the outside parts out. Only this file knows local from AWS."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from cluster_assets.backend import Backend
from cluster_assets.catalogs.local import LocalCatalog
from cluster_assets.engines.duckdb import DuckDbConfig, DuckDbEngine
from cluster_assets.invokers.local_lambda import LocalLambda, LocalLambdaConfig
from cluster_assets.settings import PROJECT_ROOT, Settings
from cluster_assets.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cluster_assets.pipeline_spec import Limits
    from cluster_assets.ports import Catalog, Invoker, ObjectStore, SqlEngine

WORKER_HANDLER = "lambda_worker.handler.handler"


@contextmanager
def open_backend(settings: Settings) -> Iterator[Backend]:
    """The parts a pipeline runs on; worker processes and connections end with the context."""
    with ExitStack() as stack:
        store, catalog = open_storage(settings)
        yield Backend(
            engine=_open_engine(settings, stack),
            store=store,
            catalog=catalog,
            invoker_for=_Invokers(settings, stack),
            source_variables=settings.source_variables,
        )


def _open_engine(settings: Settings, stack: ExitStack) -> SqlEngine:
    duckdb = DuckDbEngine(
        DuckDbConfig(
            threads=settings.sql_threads,
            memory_limit_mb=settings.sql_memory_mb,
            temp_dir=settings.scratch_dir,
            database=settings.duckdb_database,
            allowed_dirs=(settings.warehouse_dir,),
        )
    )
    stack.callback(duckdb.close)
    return duckdb if settings.target == "local" else _open_trino(settings, duckdb)


def _open_trino(settings: Settings, footers: DuckDbEngine) -> SqlEngine:
    # Here, so that those without Trino do not wait for its client to load.
    from cluster_assets.engines.trino import TrinoConfig, TrinoEngine

    password = settings.trino_password
    return TrinoEngine(
        TrinoConfig(
            host=settings.trino_host,
            port=settings.trino_port,
            user=settings.trino_user,
            password=password.get_secret_value() if password else None,
            http_scheme=settings.trino_http_scheme,
            certificate=settings.trino_certificate,
            catalog=settings.trino_catalog,
            schema=settings.trino_schema,
            scratch_catalog=settings.trino_scratch_catalog,
            scratch_schema=settings.trino_scratch_schema,
            files_root=settings.trino_files_root,
        ),
        footers,
    )


def open_storage(settings: Settings) -> tuple[ObjectStore, Catalog]:
    """Where published days are, for those who only read."""
    return LocalStore(settings.warehouse_dir), LocalCatalog(settings.catalog_dir)


class _Invokers:
    """One invoker per distinct limits, started when first asked for and kept warm."""

    def __init__(self, settings: Settings, stack: ExitStack) -> None:
        self._settings = settings
        self._stack = stack
        self._open: dict[tuple[int, int, int], Invoker] = {}

    def __call__(self, limits: Limits) -> Invoker:
        slots = min(limits.max_concurrency, self._settings.worker_slots)
        key = (limits.memory_mb, limits.timeout_s, slots)
        if key not in self._open:
            invoker = LocalLambda(
                LocalLambdaConfig(
                    task_root=PROJECT_ROOT,
                    handler=WORKER_HANDLER,
                    memory_mb=limits.memory_mb,
                    timeout_s=limits.timeout_s,
                    max_concurrency=slots,
                )
            )
            self._stack.callback(invoker.close)
            self._open[key] = invoker
        return self._open[key]
