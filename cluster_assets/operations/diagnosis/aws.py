"""Checks of `cluster-assets doctor` on AWS: account, bucket, workgroup, databases and function."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from cluster_assets.backends.aws.faults import Cause, call_aws, cause_of_call
from cluster_assets.backends.aws.glue_tables import PARTITION, glue_type
from cluster_assets.backends.patience import Exhausted, Patience
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import (
    CatalogError,
    ClusterAssetsError,
    EngineError,
    IntegrityError,
    SpecError,
    WorkerUnavailableError,
)
from cluster_assets.opening import aws_account, open_storage
from cluster_assets.spec.pipeline import Limits
from cluster_assets.spec.yaml.files import scan_pipeline_files
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from cluster_assets.domain.manifests import TableData
    from cluster_assets.domain.tables import Column
    from cluster_assets.settings import Settings

_PATIENCE = Patience(attempts=3, seconds=20, first_wait_s=0.5, longest_wait_s=2)
_PROBE = b"cluster-assets doctor\n"
_ENGINE = "Athena engine version 3"


def aws_checks(settings: Settings) -> Mapping[str, Callable[[], str]]:
    """Return the checks by name; each returns its finding, or raises an error with a remedy."""
    return {
        "account": partial(_account, settings),
        f"bucket {settings.aws_bucket}": partial(_bucket, settings),
        f"Athena workgroup {settings.aws_workgroup}": partial(_workgroup, settings),
        f"Glue database {settings.aws_database}": partial(_database, settings, settings.aws_database),
        f"Glue database {settings.aws_scratch_database}": partial(
            _database, settings, settings.aws_scratch_database
        ),
        "published tables": partial(_tables, settings),
        f"Lambda function {settings.aws_function}": partial(_function, settings),
    }


def _account(settings: Settings) -> str:
    sts = aws_account(settings).client("sts")
    found = _asked(
        sts.get_caller_identity,
        SpecError,
        "AWS does not accept the credentials",
        "log in, or set AWS_PROFILE",
    )
    return f"{found['Arn']} in {found['Account']}, region {sts.meta.region_name}"


def _bucket(settings: Settings) -> str:
    store, _ = open_storage(settings)
    key = f"_doctor/{uuid4().hex}"
    try:
        if not store.put_if_absent(key, _PROBE) or store.put_if_absent(key, b"another"):
            raise IntegrityError(
                "the bucket lets two writers overwrite the same key",
                where=store.uri(key),
                remedy="use Amazon S3: a store that ignores If-None-Match loses days",
            )
        _check_probe(store.read(key), store.digest(key))
        list(store.list("_doctor/"))
    finally:
        store.delete([key])
    return f"lists, puts, gets and deletes{_region_of(settings)}"


def _region_of(settings: Settings) -> str:
    s3 = aws_account(settings).client("s3")
    head = _asked(
        partial(s3.head_bucket, Bucket=settings.aws_bucket),
        SpecError,
        "no bucket",
        "check CLUSTER_AWS_BUCKET",
    )
    region = head.get("BucketRegion")
    if region and region != s3.meta.region_name:
        raise SpecError(
            f"the bucket is in {region}, but this process uses {s3.meta.region_name}",
            remedy=f"set CLUSTER_AWS_REGION={region}: Athena and Lambda must run in the region of the data",
        )
    return f"; region {region}" if region else ""


def _check_probe(body: bytes, digest: str) -> None:
    if body != _PROBE or digest != hashlib.sha256(_PROBE).hexdigest():
        raise IntegrityError(
            "the bucket returned other bytes than were stored", remedy="check proxies in between"
        )


def _workgroup(settings: Settings) -> str:
    athena = aws_account(settings).client("athena")
    group = _asked(
        partial(athena.get_work_group, WorkGroup=settings.aws_workgroup),
        EngineError,
        "the workgroup cannot be read",
        "check CLUSTER_AWS_WORKGROUP, and allow athena:GetWorkGroup",
    )["WorkGroup"]
    if group["State"] != "ENABLED":
        raise EngineError("the workgroup is disabled", remedy="enable it")
    configuration = group.get("Configuration", {})
    engine = configuration.get("EngineVersion", {}).get("EffectiveEngineVersion", _ENGINE)
    if engine != _ENGINE:
        raise EngineError(
            f"the workgroup runs {engine}, but the statements need {_ENGINE}",
            remedy=f"select {_ENGINE} in the settings of the workgroup",
        )
    place = configuration.get("ResultConfiguration", {}).get("OutputLocation") or settings.aws_results_uri
    managed = configuration.get("ManagedQueryResultsConfiguration", {}).get("Enabled", False)
    if not place and not managed:
        raise EngineError(
            "the workgroup has no location for results",
            remedy="set one there, or set CLUSTER_AWS_RESULTS_URI=s3://bucket/folder/",
        )
    cutoff = configuration.get("BytesScannedCutoffPerQuery")
    limit = f"at most {counted(cutoff, 'byte')} per query" if cutoff else "no limit of bytes per query"
    return f"results go to {place or 'Athena itself'}; {limit}"


def _database(settings: Settings, name: str) -> str:
    glue = aws_account(settings).client("glue")
    _asked(
        partial(glue.get_database, Name=name),
        CatalogError,
        f"the Glue database {name} cannot be read",
        "deploy the stack or create the database, and allow glue:GetDatabase",
    )
    tables = _asked(
        partial(glue.get_tables, DatabaseName=name, MaxResults=1),
        CatalogError,
        f"the tables of {name} cannot be listed",
        "allow glue:GetTables; if Lake Formation governs the database, grant DESCRIBE on it",
    )
    return "exists, " + ("with tables" if tables["TableList"] else "without tables so far")


def _tables(settings: Settings) -> str:
    """Check that the pipelines' tables have the columns that were last published."""
    store, catalog = open_storage(settings)
    glue = aws_account(settings).client("glue")
    checked = 0
    for file in scan_pipeline_files(settings.defs_dirs).files:
        ledger = Ledger(store, catalog, file.name)
        for stage in STAGE_NAMES:
            for table, data in _latest_tables(ledger, stage).items():
                name = f"{file.name}_{table}"
                found = _asked(
                    partial(glue.get_table, DatabaseName=settings.aws_database, Name=name),
                    CatalogError,
                    f"the Glue table {name} cannot be read",
                    "allow glue:GetTable; if Lake Formation governs the table, grant DESCRIBE on it",
                )["Table"]
                _check_columns(found, data.columns, f"{settings.aws_database}.{name}")
                checked += 1
    return f"{counted(checked, 'table has', 'tables have')} the columns of their latest days"


def _latest_tables(ledger: Ledger, stage: str) -> Mapping[str, TableData]:
    days = ledger.days(stage)
    manifest = ledger.current(stage, days[-1]) if days else None
    return {} if manifest is None else manifest.tables


def _check_columns(found: Mapping[str, Any], columns: Iterable[Column], where: str) -> None:
    # Glue lists partition columns separately from the others, see backends/aws/glue_tables.py.
    shown = [*found["StorageDescriptor"]["Columns"], *found.get("PartitionKeys", ())]
    described = {one["Name"]: one["Type"] for one in shown}
    for column in columns:
        told = described.get(column.name.lower())
        if column.name != PARTITION and told != glue_type(column.type):
            raise CatalogError(
                f"the column {column.name} is {told or 'missing'}, but the data has {column.type}",
                where=where,
                remedy="publish a day again: cluster-assets run PIPELINE --day D --force repairs the table",
            )


def _function(settings: Settings) -> str:
    client = aws_account(settings).client("lambda")
    found = _asked(
        partial(
            client.get_function_configuration,
            FunctionName=settings.aws_function,
            Qualifier=settings.aws_function_qualifier,
        ),
        WorkerUnavailableError,
        "the function cannot be read",
        "check CLUSTER_AWS_FUNCTION, CLUSTER_AWS_FUNCTION_QUALIFIER, lambda:GetFunctionConfiguration",
    )
    state = found.get("State", "Active")
    if state not in ("Active", "Inactive"):
        raise WorkerUnavailableError(
            f"the function is {state}: {found.get('StateReason', '')}", remedy="wait, or deploy it again"
        )
    limits = Limits()
    for name, has, needs in (
        ("memory", found["MemorySize"], limits.memory_mb),
        ("timeout", found["Timeout"], limits.timeout_s),
    ):
        if has < needs:
            raise WorkerUnavailableError(
                f"its {name} is {has}; pipelines with default limits need {needs}",
                remedy="deploy it with more, or lower the limits of all pipelines",
            )
    pinned = "" if found["Version"] != "$LATEST" else "; not pinned: set CLUSTER_AWS_FUNCTION_QUALIFIER"
    return f"version {found['Version']}, {found['MemorySize']} MB, {found['Timeout']} s{pinned}"


def _asked(call: Callable[[], Any], kind: type[ClusterAssetsError], what: str, remedy: str) -> Any:
    """Call AWS, and translate a failure into an error with a remedy."""

    def translate(error: Exception) -> ClusterAssetsError:
        passing = isinstance(error, Exhausted)
        forbidden = cause_of_call(error) is Cause.FORBIDDEN
        hint = "try again later" if passing else f"{'check the permissions; ' if forbidden else ''}{remedy}"
        return kind(f"{what}: {error}", remedy=hint)

    return call_aws(call, _PATIENCE, translate)
