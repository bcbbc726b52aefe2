"""The composition root: settings in, the outside parts out. Only this file knows local from AWS."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from cluster_assets.arrivals.announcements import MarkerFiles
from cluster_assets.arrivals.markers import marker_of
from cluster_assets.backend import Backend
from cluster_assets.catalogs.local import LocalCatalog
from cluster_assets.domain.errors import SpecError
from cluster_assets.engines.duckdb import DuckDbConfig, DuckDbEngine
from cluster_assets.invokers.local_lambda import LocalLambda, LocalLambdaConfig
from cluster_assets.settings import PROJECT_ROOT, Settings
from cluster_assets.stores.local import LocalStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator

    from cluster_assets.arrivals.announcements import Announcements
    from cluster_assets.aws.clients import AwsAccount
    from cluster_assets.engines.athena import AthenaEngine
    from cluster_assets.pipeline_spec import Limits, PipelineSpec
    from cluster_assets.ports import Catalog, Invoker, ObjectStore, SqlEngine

WORKER_HANDLER = "lambda_worker.handler.handler"


@contextmanager
def open_backend(settings: Settings) -> Iterator[Backend]:
    """The parts a pipeline runs on; worker processes and connections end with the context.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    with ExitStack() as stack:
        if settings.target == "aws":
            yield _open_aws(settings, stack)
            return
        store, catalog = open_storage(settings)
        yield Backend(
            engine=_open_engine(settings, stack),
            store=store,
            catalog=catalog,
            invoker_for=_Invokers(partial(_open_local_lambda, settings), stack),
            source_variables=settings.source_variables,
        )


def open_storage(settings: Settings) -> tuple[ObjectStore, Catalog]:
    """Where published days are, for those who only read.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    if settings.target == "aws":
        return _open_aws_storage(settings, aws_account(settings))
    return LocalStore(settings.warehouse_dir), LocalCatalog(settings.catalog_dir)


def sweep_scratch(settings: Settings, before: dt.datetime) -> int:
    """Drop what killed processes left in the SQL engine before a time; how many tables there were."""
    if settings.target != "aws":
        return 0
    with _open_athena(settings, aws_account(settings)) as engine:
        return engine.sweep(before)


def open_announcements(settings: Settings, spec: PipelineSpec) -> Announcements:
    """Where the arrivals of a pipeline are announced.

    Raises:
        SpecError: The queue that the target needs is not set, or the marker lies elsewhere than the target.
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


def aws_account(settings: Settings) -> AwsAccount:
    """Region and addresses of `target: aws`."""
    # Here, as all that is imported inside functions below, so that local users do not load boto3.
    from cluster_assets.aws.clients import AwsAccount

    return AwsAccount(settings.aws_region, settings.aws_endpoint_url, settings.aws_catalog_id)


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


def _open_local_lambda(settings: Settings, limits: Limits) -> Invoker:
    return LocalLambda(
        LocalLambdaConfig(
            task_root=PROJECT_ROOT,
            handler=WORKER_HANDLER,
            memory_mb=limits.memory_mb,
            timeout_s=limits.timeout_s,
            max_concurrency=min(limits.max_concurrency, settings.worker_slots),
        )
    )


def _open_aws(settings: Settings, stack: ExitStack) -> Backend:
    account = aws_account(settings)
    store, catalog = _open_aws_storage(settings, account)
    return Backend(
        engine=stack.enter_context(_open_athena(settings, account)),
        store=store,
        catalog=catalog,
        invoker_for=_Invokers(partial(_open_aws_lambda, settings, account, store), stack),
        source_variables=settings.source_variables,
    )


def _open_athena(settings: Settings, account: AwsAccount) -> AthenaEngine:
    from cluster_assets.engines.athena import AthenaConfig, AthenaEngine
    from cluster_assets.engines.athena_clients import open_clients

    config = AthenaConfig(
        work_group=settings.aws_workgroup,
        results_uri=settings.aws_results_uri,
        results_owner=settings.aws_bucket_owner,
        kms_key=settings.aws_kms_key,
        database=settings.aws_source_database,
        scratch_database=settings.aws_scratch_database,
        catalog=settings.aws_data_catalog,
    )
    return AthenaEngine(config, open_clients(config.work_group, parallel=config.parallel, account=account))


def _open_aws_storage(settings: Settings, account: AwsAccount) -> tuple[ObjectStore, Catalog]:
    from cluster_assets.catalogs.glue import GlueCatalog, GlueConfig
    from cluster_assets.stores.s3 import S3Config, S3Store

    if settings.aws_bucket is None:
        raise SpecError(
            "target aws needs a bucket",
            where="environment or .env",
            remedy="set CLUSTER_AWS_BUCKET; the deployed stack names it among its outputs",
        )
    config = S3Config(
        bucket=settings.aws_bucket,
        prefix=settings.aws_prefix,
        kms_key=settings.aws_kms_key,
        owner=settings.aws_bucket_owner,
    )
    store = S3Store(account.client("s3", parallel=16), config)
    return store, GlueCatalog(account.client("glue"), store, GlueConfig(settings.aws_database))


def _open_aws_lambda(settings: Settings, account: AwsAccount, store: ObjectStore, limits: Limits) -> Invoker:
    from cluster_assets.invokers.aws_lambda import AwsLambda, AwsLambdaConfig
    from cluster_assets.invokers.long_calls import LongCalls

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
    """One invoker per distinct limits, started when first asked for and kept warm."""

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
