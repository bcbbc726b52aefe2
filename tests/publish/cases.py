"""Every target of `publish`; a new one is one more function here."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from athena_lake import BUCKET as ATHENA_BUCKET
from readers import read_delta, read_dynamodb, read_iceberg, read_json_file, read_json_object, read_sqlite
from snowflake_cases import SnowflakeReader, write_connection
from warehouse import Warehouse

from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_storage
from cluster_assets.publish.target import TableDay
from cluster_assets.publish.targets import open_target
from cluster_assets.settings import load_settings
from cluster_assets.spec.publish import Publish
from cluster_assets.stages.snapshots import read_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from athena_lake import Lake
    from ministack_server import Ministack
    from readers import Rows
    from snowflake_cases import SnowflakeServer

    from cluster_assets.publish.target import Target
    from cluster_assets.spec.publish import Options

_NUMBERS = itertools.count()
BUCKET = "publications"


@dataclass(frozen=True)
class Case:
    """A target with its own reader.

    Attributes:
        publish: As in the YAML.
        read: Rows of a table of a day that readers find; None if there are none.
        shows_days: Whether it shows all days, or the newest one.
        endpoint: What the target calls, empty for a target on this machine.
        redirect: Lets the target call another address.
        lose_credentials: Until the end of the test.
        records_empty_days: Whether it knows the version of a day without rows.
    """

    publish: dict[str, Any]
    warehouse: Warehouse
    read: Callable[[str, str], Rows | None]
    shows_days: bool = True
    endpoint: str = ""
    redirect: Callable[[str], None] = lambda _: None
    lose_credentials: Callable[[], None] = lambda: None
    records_empty_days: bool = True

    @property
    def options(self) -> Options:
        (options,) = Publish.model_validate(self.publish).targets.values()
        return options

    def target(self) -> Target:
        return open_target(self.options, load_settings())

    def table_day(self, day: str, table: str = "clusters") -> TableDay:
        """A table of a day as it is now."""
        snapshot = read_snapshot(self.warehouse.ledger, table, parse_day(day))
        return TableDay("demo", parse_day(day), snapshot, self.warehouse.store)


@dataclass(frozen=True)
class Setting:
    """What the cases are made of."""

    home: Path
    ministack: Callable[[], Ministack]
    snowflake: Callable[[], SnowflakeServer]
    athena: Callable[[], Lake]
    patch: pytest.MonkeyPatch

    def local(self, publish: dict[str, Any], read: Any, *, shows_days: bool = True) -> Case:
        return Case(publish, Warehouse(*open_storage(load_settings())), read, shows_days)

    def remote(self, publish: dict[str, Any], read: Any, url: str, **more: Any) -> Case:
        def lose_credentials() -> None:
            self.patch.delenv("AWS_ACCESS_KEY_ID")
            self.patch.delenv("AWS_SECRET_ACCESS_KEY")

        warehouse = more.pop("warehouse", None) or Warehouse(*open_storage(load_settings()))
        redirect = partial(self.patch.setenv, "AWS_ENDPOINT_URL")
        return Case(
            publish,
            warehouse,
            read,
            **more,
            endpoint=url,
            redirect=redirect,
            lose_credentials=lose_credentials,
        )

    def aws(self) -> tuple[Ministack, Any, str]:
        """The emulator with its variables set, a client of S3, and a fresh prefix."""
        server = self.ministack()
        for name, value in server.environment.items():
            self.patch.setenv(name, value)
        s3 = server.client("s3")
        if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(
                Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name}
            )
        return server, s3, f"case/{next(_NUMBERS):04d}"


def json_in_a_folder(setting: Setting) -> Case:
    read = partial(read_json_file, setting.home / "published" / "json")
    return setting.local({"json": {"tables": ["clusters", "lineage"]}}, read)


def json_on_s3(setting: Setting) -> Case:
    server, s3, prefix = setting.aws()
    publish = {"json": {"tables": ["clusters", "lineage"], "address": f"s3://{BUCKET}/{prefix}"}}
    read = partial(read_json_object, s3, BUCKET, prefix)
    return setting.remote(publish, read, server.url)


def items_in_sqlite(setting: Setting) -> Case:
    read = partial(read_sqlite, setting.home / "published" / "serving.sqlite")
    return setting.local({"dynamodb": {}}, read, shows_days=False)


def new_dynamodb_table(setting: Setting) -> tuple[Ministack, Any, str]:
    """The emulator, a client of it, and the name of an empty table."""
    server, _, _ = setting.aws()
    dynamodb, name = server.client("dynamodb"), f"serving-{next(_NUMBERS):04d}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    return server, dynamodb, name


def items_in_dynamodb(setting: Setting) -> Case:
    server, dynamodb, name = new_dynamodb_table(setting)
    read = partial(read_dynamodb, dynamodb, name)
    publish = {"dynamodb": {"address": f"dynamodb://{name}"}}
    return setting.remote(publish, read, server.url, shows_days=False)


def delta_in_a_folder(setting: Setting) -> Case:
    folder = setting.home / "published" / "delta"

    def read(table: str, day: str) -> Rows | None:
        return read_delta(str(folder / f"demo_{table}"), None, table, day)

    return setting.local({"delta": {"tables": ["clusters", "lineage"]}}, read)


def delta_copied_to_s3(setting: Setting) -> Case:
    server, _, prefix = setting.aws()
    root = f"s3://{BUCKET}/{prefix}"
    publish = {"delta": {"tables": ["clusters", "lineage"], "address": root, "copy": True}}

    def read(table: str, day: str) -> Rows | None:
        return read_delta(f"{root}/demo_{table}", _options(server), table, day)

    return setting.remote(publish, read, server.url)


def delta_in_the_warehouse(setting: Setting) -> Case:
    server, s3, prefix = setting.aws()
    database = f"delta_of_{prefix.rpartition('/')[2]}"
    server.client("glue").create_database(DatabaseInput={"Name": database})
    for name, value in (("TARGET", "aws"), ("AWS_BUCKET", BUCKET), ("AWS_PREFIX", prefix)):
        setting.patch.setenv(f"CLUSTER_{name}", value)
    setting.patch.setenv("CLUSTER_AWS_DATABASE", database)
    warehouse = Warehouse(*open_storage(load_settings()), s3)

    def read(table: str, day: str) -> Rows | None:
        return read_delta(f"s3://{BUCKET}/{prefix}/demo/{table}", _options(server), table, day)

    return setting.remote(
        {"delta": {"tables": ["clusters", "lineage"]}}, read, server.url, warehouse=warehouse
    )


def iceberg_by_athena(setting: Setting) -> Case:
    lake, name = setting.athena(), f"iceberg_{next(_NUMBERS):04d}"
    names = {"DATABASE": f"{name}_warehouse", "SCRATCH_DATABASE": f"{name}_scratch"}
    for database in (name, *names.values()):
        lake.glue.create_database(DatabaseInput={"Name": database})
    variables = {f"CLUSTER_AWS_{key}": value for key, value in names.items()}
    variables |= {"CLUSTER_TARGET": "aws", "CLUSTER_AWS_BUCKET": ATHENA_BUCKET, "CLUSTER_AWS_PREFIX": name}
    for variable, value in (lake.environment | variables).items():
        setting.patch.setenv(variable, value)

    def lose_credentials() -> None:
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            setting.patch.delenv(variable)

    return Case(
        {"iceberg": {"database": name}},
        Warehouse(*open_storage(load_settings()), lake.s3),
        partial(read_iceberg, lake.glue, lake.s3, name),
        endpoint=lake.wire.url,
        redirect=partial(setting.patch.setenv, "AWS_ENDPOINT_URL_ATHENA"),
        lose_credentials=lose_credentials,
        records_empty_days=False,
    )


def copied_to_snowflake(setting: Setting) -> Case:
    server = setting.snowflake()
    schema = f"CASE_{next(_NUMBERS):04d}"
    file = setting.home.parent / "connections.toml"

    def redirect(url: str) -> None:
        write_connection(file, url, schema, setting.home.parent / "key.p8")

    redirect(server.url)
    setting.patch.setenv("CLUSTER_SNOWFLAKE_CONNECTIONS", str(file))
    return Case(
        {"snowflake": {"tables": ["clusters", "lineage"]}},
        Warehouse(*open_storage(load_settings())),
        SnowflakeReader(server.url, schema).read,
        endpoint=server.url,
        redirect=redirect,
        lose_credentials=(setting.home.parent / "key.p8").unlink,
    )


def _options(server: Ministack) -> dict[str, str]:
    """The reader's own way to the emulator, whatever the publisher's environment says."""
    names = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    own = {name: value for name, value in server.environment.items() if name in names}
    return own | {"AWS_ALLOW_HTTP": "true", "AWS_REGION": own["AWS_DEFAULT_REGION"]}


CASES = {
    case.__name__: case
    for case in (
        json_in_a_folder,
        json_on_s3,
        items_in_sqlite,
        items_in_dynamodb,
        delta_in_a_folder,
        delta_copied_to_s3,
        delta_in_the_warehouse,
        iceberg_by_athena,
        copied_to_snowflake,
    )
}
