"""The composition root: builds the backend from the settings. Only this file distinguishes local and AWS."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cluster_assets.arrivals.announcements import MarkerFiles, marker_of
from cluster_assets.backends.duckdb.engine import DuckDbConfig, DuckDbEngine
from cluster_assets.backends.local.kernel import compile_kernel_once
from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.backends.ports import Backend
from cluster_assets.backends.row_counts import LocalRowCounter
from cluster_assets.backends.storage import aws_account, open_aws_storage, open_storage
from cluster_assets.domain.costs import MEGABYTE
from cluster_assets.domain.errors import SpecError
from cluster_assets.project import CODE_ROOT, PROJECT_ROOT

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from cluster_assets.arrivals.announcements import Announcements
    from cluster_assets.backends.athena.engine import AthenaEngine
    from cluster_assets.backends.aws.clients import AwsAccount
    from cluster_assets.backends.ports import Invoker, ObjectStore, SqlEngine
    from cluster_assets.settings import Settings
    from cluster_assets.spec.pipeline import Limits, PipelineSpec

__all__ = [
    "WORKER_HANDLER",
    "aws_account",
    "open_announcements",
    "open_athena",
    "open_backend",
    "open_storage",
    "sweep_scratch",
]

WORKER_HANDLER = "lambda_worker.handler.handler"


@contextmanager
def open_backend(settings: Settings) -> Iterator[Backend]:
    """Open the backend of a pipeline; worker processes and connections end with the context.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    with ExitStack() as stack:
        if settings.target == "aws":
            yield _open_aws(settings, stack)
            return
        settings.make_home()
        store, catalog = open_storage(settings)
        yield Backend(
            engine=_open_engine(settings, stack),
            store=store,
            catalog=catalog,
            invoker_for=_Invokers(partial(_open_local_lambda, settings), stack),
            source_variables=settings.source_variables,
            row_counter=LocalRowCounter(),
        )


def sweep_scratch(settings: Settings, before: dt.datetime) -> int:
    """Drop the tables that killed processes left in the SQL engine before a time; return their number."""
    if settings.target != "aws":
        return 0
    with open_athena(settings) as engine:
        return engine.sweep(before)


def open_announcements(settings: Settings, spec: PipelineSpec) -> Announcements:
    """Open the source of a pipeline's arrival announcements.

    Raises:
        SpecError: The queue that the target needs is not set, or the marker is not on the target.
    """
    marker = marker_of(spec, settings.source_variables, PROJECT_ROOT)
    on_s3 = marker.template.startswith("s3://")
    if on_s3 != (settings.target == "aws") or ("://" in marker.template and not on_s3):
        raise SpecError(
            f"target {settings.target} cannot see {marker.template}",
            where=f"{spec.name}: arrivals.marker",
            remedy="write an s3:// address for target aws, a path of this machine for the others",
        )
    if settings.target != "aws":
        return MarkerFiles(marker)
    from cluster_assets.arrivals.queue import MarkerQueue

    url = spec.arrivals.queue_url if spec.arrivals is not None else None
    if url is None and settings.aws_arrivals_queue_url is not None:
        url = settings.aws_arrivals_queue_url.replace("{pipeline}", spec.name)
    if url is None:
        raise SpecError(
            f"{spec.name} has no queue of arrivals",
            where="environment or .env",
            remedy="set CLUSTER_AWS_ARRIVALS_QUEUE_URL, or write arrivals.queue_url",
        )
    return MarkerQueue(aws_account(settings).client("sqs", read_timeout_s=20), url, marker)


def open_athena(settings: Settings, account: AwsAccount | None = None) -> AthenaEngine:
    """Open the SQL engine of `target: aws`; the caller closes it."""
    from cluster_assets.backends.athena.config import open_clients
    from cluster_assets.backends.athena.engine import AthenaConfig, AthenaEngine

    config = AthenaConfig(
        work_group=settings.aws_workgroup,
        query_seconds=settings.aws_query_seconds,
        small_read_bytes=int(settings.aws_small_read_mb * MEGABYTE),
        results_uri=settings.aws_results_uri,
        results_owner=settings.aws_bucket_owner,
        kms_key=settings.aws_kms_key,
        database=settings.aws_source_database,
        scratch_database=settings.aws_scratch_database,
        catalog=settings.aws_data_catalog,
    )
    return AthenaEngine(
        config,
        open_clients(config.work_group, parallel=config.parallel, account=account or aws_account(settings)),
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
    # Imported here, so that users without Trino do not wait for its client to load.
    from cluster_assets.backends.trino.engine import TrinoConfig, TrinoEngine

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


def _open_local_lambda(settings: Settings, limits: Limits) -> Invoker:
    compile_kernel_once()
    return LocalLambda(
        LocalLambdaConfig(
            task_root=CODE_ROOT,
            handler=WORKER_HANDLER,
            memory_mb=limits.memory_mb,
            timeout_s=limits.timeout_s,
            max_concurrency=min(limits.max_concurrency, settings.worker_slots),
            # Sandboxes inherit nothing but PATH.
            environment={"CLUSTER_WORKER_KERNEL": settings.worker_kernel},
        )
    )


def _open_aws(settings: Settings, stack: ExitStack) -> Backend:
    account = aws_account(settings)
    store, catalog = open_aws_storage(settings, account)
    return Backend(
        engine=stack.enter_context(open_athena(settings, account)),
        store=store,
        catalog=catalog,
        invoker_for=_Invokers(partial(_open_aws_lambda, settings, account, store), stack),
        source_variables=settings.source_variables,
    )


def _open_aws_lambda(settings: Settings, account: AwsAccount, store: ObjectStore, limits: Limits) -> Invoker:
    from cluster_assets.backends.aws.long_calls import LongCalls
    from cluster_assets.backends.aws.worker import AwsLambda, AwsLambdaConfig

    return AwsLambda(
        account,
        AwsLambdaConfig(
            function=settings.aws_function,
            qualifier=settings.aws_function_qualifier,
            memory_mb=limits.memory_mb,
            timeout_s=limits.timeout_s,
            max_concurrency=limits.max_concurrency,
            long_calls=LongCalls(store),
        ),
    )


class _Invokers:
    """One invoker per distinct limits, started on first use and kept warm."""

    def __init__(self, open_one: Callable[[Limits], Invoker], stack: ExitStack) -> None:
        self._open_one = open_one
        self._stack = stack
        self._open: dict[tuple[int, int, int], Invoker] = {}

    def __call__(self, limits: Limits) -> Invoker:
        key = (limits.memory_mb, limits.timeout_s, limits.max_concurrency)
        if key not in self._open:
            invoker = self._open_one(limits)
            self._stack.callback(invoker.close)
            self._open[key] = invoker
        return self._open[key]
