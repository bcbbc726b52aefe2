"""Open the targets of a pipeline: addresses from the YAML, or the defaults of the settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import SpecError
from cluster_assets.opening import aws_account, open_athena
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.publish.aws_faults import Calls
from cluster_assets.publish.bulk import BulkPuts
from cluster_assets.publish.delta.files import DeltaFiles, FolderFiles, S3Files, WarehouseFiles
from cluster_assets.publish.delta.target import DeltaTarget
from cluster_assets.publish.dynamodb import DynamoDbItems
from cluster_assets.publish.iceberg import IcebergTarget
from cluster_assets.publish.items import ItemsTarget, ItemStore
from cluster_assets.publish.json_lines import JsonLinesTarget
from cluster_assets.publish.places import FolderPlace, S3Place
from cluster_assets.publish.snowflake.copied import CopyTarget
from cluster_assets.publish.snowflake.direct import Access, DirectTarget
from cluster_assets.publish.snowflake.session import Snowflake as Connection
from cluster_assets.publish.sqlite_items import SqliteItems
from cluster_assets.spec.publish import Delta, Iceberg, JsonLines, KeyValue, Snowflake
from cluster_assets.stages.raw.files import expand

if TYPE_CHECKING:
    from cluster_assets.publish.places import Place
    from cluster_assets.publish.target import Target
    from cluster_assets.settings import Settings
    from cluster_assets.spec.publish import Options

FOLDER = "published"
"""Folder of the default addresses, below CLUSTER_HOME or in the bucket."""
_S3 = "s3://"
_DYNAMODB = "dynamodb://"
_S3_NEEDS = "s3:ListBucket, s3:GetObject and s3:PutObject there"
_DYNAMODB_NEEDS = (
    "dynamodb:GetItem, PutItem, BatchWriteItem, BatchGetItem, StartBulkPutItems and DescribeBulkOperation"
)


def open_target(options: Options, settings: Settings) -> Target:
    """Open a target.

    Raises:
        SpecError: The target has no address, or one that it cannot use.
        PublicationError: A package that the target needs is not installed.
    """
    match options:
        case JsonLines():
            return JsonLinesTarget(_place(_address(options.address, f"{FOLDER}/json", settings), settings))
        case KeyValue():
            return ItemsTarget(_items(options.address, settings), options.keep_days)
        case Delta():
            return _delta(options, settings)
        case Iceberg():
            return _iceberg(options, settings)
        case Snowflake():
            return _snowflake(options, settings)


def _address(written: str | None, default: str, settings: Settings) -> str:
    """Return an `s3://` address or an absolute path."""
    if written is None:
        if settings.target == "aws":
            return f"{_S3}{_bucket(settings)}/{default}"
        return str(settings.home_dir / default)
    address = expand(written, settings.source_variables).rstrip("/")
    if address.startswith((_S3, _DYNAMODB)):
        return address
    if "://" in address:
        raise SpecError(
            f"cannot publish to {address!r}", where="publish", remedy="write a path or an s3:// address"
        )
    return str(PROJECT_ROOT / Path(address).expanduser())


def _bucket(settings: Settings) -> str:
    if settings.aws_bucket is None:
        raise SpecError(
            "the default address needs a bucket",
            where="environment or .env",
            remedy="set CLUSTER_AWS_BUCKET, or write the address of the target",
        )
    return settings.aws_bucket


def _place(address: str, settings: Settings) -> Place:
    if not address.startswith(_S3):
        return FolderPlace(Path(address))
    bucket, _, prefix = address.removeprefix(_S3).partition("/")
    s3 = aws_account(settings).client("s3")
    return S3Place(s3, bucket, prefix, _s3_calls(address), _encryption(settings))


def _s3_calls(address: str) -> Calls:
    return Calls("S3", address, "create the bucket, or correct the address", _S3_NEEDS)


def _encryption(settings: Settings) -> dict[str, str]:
    if settings.aws_kms_key is None:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.aws_kms_key}


def _items(written: str | None, settings: Settings) -> ItemStore:
    if written is None and settings.target == "aws":
        if settings.aws_serving_table is None:
            raise SpecError(
                "the default address needs a DynamoDB table",
                where="environment or .env",
                remedy="set CLUSTER_AWS_SERVING_TABLE, or write publish.dynamodb.address: dynamodb://TABLE",
            )
        written = f"{_DYNAMODB}{settings.aws_serving_table}"
    address = _address(written, f"{FOLDER}/serving.sqlite", settings)
    if not address.startswith(_DYNAMODB):
        return SqliteItems(Path(address))
    table = address.removeprefix(_DYNAMODB)
    calls = Calls(
        "DynamoDB",
        address,
        f"create the table {table} with the partition key pk (S) and the TTL attribute expires",
        _DYNAMODB_NEEDS,
    )
    dynamodb = aws_account(settings).client("dynamodb")
    return DynamoDbItems(dynamodb, table, calls, _bulk(dynamodb, calls, settings))


def _bulk(dynamodb: Any, calls: Calls, settings: Settings) -> BulkPuts | None:
    """Return the loader of large publications, which needs a bucket for its input."""
    if settings.aws_bucket is None:
        return None
    place = _place(f"{_S3}{settings.aws_bucket}/{FOLDER}/bulk", settings)
    return BulkPuts(dynamodb, settings.aws_bucket, place, calls)


def _delta(options: Delta, settings: Settings) -> DeltaTarget:
    if options.address is None and settings.target == "aws" and not options.copies:
        return DeltaTarget(WarehouseFiles(), lambda: delta_options(settings))
    template = _address(options.address, f"{FOLDER}/delta/{{table}}", settings)
    if "{table}" not in template:
        template += "/{table}"
    if not template.startswith(_S3):
        return DeltaTarget(FolderFiles(template, copies=options.copies))
    if not options.copies:
        raise SpecError(
            "a Delta table on S3 outside the warehouse takes copies of the files",
            where="publish.delta",
            remedy="write copy: true, or leave the address out",
        )
    s3 = aws_account(settings).client("s3")
    files: DeltaFiles = S3Files(s3, template, _s3_calls(template), _encryption(settings))
    return DeltaTarget(files, lambda: delta_options(settings))


def _iceberg(options: Iceberg, settings: Settings) -> IcebergTarget:
    where = "publish.iceberg"
    if settings.target != "aws":
        raise SpecError(
            "Athena writes the Iceberg tables, and this is not target aws",
            where=where,
            remedy="remove the target, or run on target aws",
        )
    if options.database in (settings.aws_database, settings.aws_scratch_database):
        raise SpecError(
            f"tables of this project are in the database {options.database}",
            where=f"{where}.database",
            remedy="name another database",
        )
    location = _address(options.address, f"{FOLDER}/iceberg/{options.database}", settings)
    if not location.startswith(_S3):
        raise SpecError(
            f"Athena cannot write to {location}", where=f"{where}.address", remedy="write an s3:// address"
        )
    return IcebergTarget(lambda: open_athena(settings), options.database, location)


def _snowflake(options: Snowflake, settings: Settings) -> Target:
    connection = Connection(options.connection, settings.snowflake_connections)
    if options.mode == "copy":
        if options.stage is not None and settings.target != "aws":
            raise SpecError(
                "an external stage cannot reach the files of this machine",
                where="publish.snowflake.stage",
                remedy="leave the stage out: rows are then uploaded",
            )
        return CopyTarget(connection, options.stage)
    if settings.target != "aws":
        raise SpecError(
            "Snowflake cannot reach the files of this machine",
            where="publish.snowflake.mode",
            remedy="write mode: copy, or run on target aws",
        )
    delta = DeltaTarget(WarehouseFiles(), lambda: delta_options(settings))
    return DirectTarget(connection, delta, Access(options.external_volume, options.catalog))


def delta_options(settings: Settings) -> dict[str, str]:
    """Return deltalake's `storage_options` of the account, with the credentials that boto3 finds.

    Raises:
        SpecError: There are no credentials.
    """
    account = aws_account(settings)
    session = account.session
    found = session.get_credentials()
    if found is None:
        raise SpecError(
            "there are no AWS credentials", where="environment", remedy="set AWS_PROFILE, or give this a role"
        )
    keys = found.get_frozen_credentials()
    endpoint = account.client("s3").meta.endpoint_url
    return {
        "AWS_ACCESS_KEY_ID": keys.access_key,
        "AWS_SECRET_ACCESS_KEY": keys.secret_key,
        **({"AWS_SESSION_TOKEN": keys.token} if keys.token else {}),
        "AWS_REGION": session.region_name,
        "AWS_ENDPOINT_URL": endpoint,
        **({"AWS_ALLOW_HTTP": "true"} if endpoint.startswith("http://") else {}),
    }
