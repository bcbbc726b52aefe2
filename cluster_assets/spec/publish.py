"""YAML model of `publish`: where a day's tables go besides the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from cluster_assets.spec.base import Part

Table = Literal[
    "points",
    "members",
    "scales",
    "candidates",
    "clusters",
    "dendrogram",
    "condensed_tree",
    "reachability",
    "lineage",
    "overlaps",
    "profiles",
    "cluster_features",
]
"""A table that can be published: one that `cluster-assets export` writes."""
KeyedTable = Literal["points", "members", "clusters", "lineage", "profiles"]
"""A table with a key of one column."""
TargetName = Literal["json", "dynamodb", "delta", "iceberg", "snowflake"]
"""Name of a target in the YAML; `asset_name` returns that of its asset."""


def _check_unique(tables: list[Table]) -> list[Table]:
    if len(set(tables)) < len(tables):
        raise ValueError("names a table twice")
    return tables


Tables = Annotated[
    list[Table],
    AfterValidator(_check_unique),
    Field(min_length=1, description="Tables to publish, each day by day"),
]
_CLUSTERS: list[Table] = ["clusters"]
Address = Annotated[str, Field(min_length=1, max_length=1024)]


class JsonLines(Part):
    """Gzipped JSON lines, one file for each table and day."""

    tables: Tables = _CLUSTERS
    address: Address | None = Field(
        None, description="Folder or s3:// address; ${NAME} as in raw.files. Left out, see docs/publishing.md"
    )


class KeyValue(Part):
    """The newest day as items that an application looks up by key."""

    table: KeyedTable = Field("clusters", description="Table whose rows become items")
    address: Address | None = Field(
        None,
        description="dynamodb://TABLE, or an SQLite file; ${NAME} as in raw.files. Left out, "
        "see docs/publishing.md",
    )
    keep_days: int = Field(
        7,
        ge=1,
        le=366,
        description="Days after which items and their pointer expire, from when they are written",
    )


class Delta(Part):
    """One Delta table for each table, partitioned by day."""

    tables: Tables = _CLUSTERS
    address: Address | None = Field(
        None,
        description="Folder or s3:// address of the Delta tables, {table} for the table; ${NAME} as in "
        "raw.files. Left out, see docs/publishing.md",
    )
    copies: bool = Field(
        False, alias="copy", description="Copy the Parquet files to the address instead of referring to them"
    )


class Iceberg(Part):
    """One Iceberg table for each table, written by Athena; only on target aws."""

    tables: Tables = _CLUSTERS
    database: str = Field(
        min_length=1,
        max_length=255,
        pattern=r"^[a-z0-9_]+$",
        description="Existing Glue database of the Iceberg tables, another one than those of the settings",
    )
    address: Address | None = Field(
        None, description="s3:// folder of new tables. Left out, see docs/publishing.md"
    )


_Name = Annotated[str, Field(max_length=255, pattern=r"^[A-Za-z_][A-Za-z0-9_$]*$")]


class Snowflake(Part):
    """A Snowflake table for each table, `<pipeline>_<table>`."""

    tables: Tables = _CLUSTERS
    mode: Literal["copy", "delta_direct"] = Field(
        "copy",
        description="copy: rows are loaded into Snowflake; delta_direct: Snowflake reads the Delta table of "
        "the warehouse on S3 in place",
    )
    connection: str = Field(
        "cluster_assets",
        min_length=1,
        max_length=255,
        description="Name of the connection in connections.toml, with account, key, warehouse and schema",
    )
    stage: str | None = Field(
        None,
        max_length=800,
        pattern=r"^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*){0,2}$",
        description="copy: an external stage whose URL is the folder of the warehouse on S3. Left out, rows "
        "are uploaded to the table's own stage",
    )
    external_volume: _Name = Field(
        "cluster_warehouse", description="delta_direct: external volume whose base is the warehouse's bucket"
    )
    catalog: _Name = Field("cluster_delta", description="delta_direct: catalog integration for Delta files")


Options = JsonLines | KeyValue | Delta | Iceberg | Snowflake
"""The options of one target."""


class Publish(Part):
    """The targets of a pipeline, one asset for each."""

    json_lines: JsonLines | None = Field(None, alias="json")
    dynamodb: KeyValue | None = None
    delta: Delta | None = None
    iceberg: Iceberg | None = None
    snowflake: Snowflake | None = None

    @property
    def targets(self) -> Mapping[TargetName, Options]:
        """The options of each target that the YAML names."""
        found: dict[TargetName, Options | None] = {
            "json": self.json_lines,
            "dynamodb": self.dynamodb,
            "delta": self.delta,
            "iceberg": self.iceberg,
            "snowflake": self.snowflake,
        }
        return {name: options for name, options in found.items() if options is not None}

    @model_serializer(mode="wrap")
    def _dump(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out targets that the YAML does not name: a target without a value has its default options."""
        return {name: options for name, options in dump(self).items() if options is not None}


def asset_name(target: TargetName) -> str:
    """Return the name of a target's asset."""
    return f"published_{target}"


def tables_of(options: Options) -> tuple[Table, ...]:
    """Return the tables that a target publishes."""
    return (options.table,) if isinstance(options, KeyValue) else tuple(options.tables)


_Listed = list[TargetName | Publish]


def _as_mapping(value: Any) -> Any:
    """Accept a list of names and of mappings, and a target without options."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, Mapping):
        return {name: {} if options is None else options for name, options in value.items()}
    if not isinstance(value, list):
        return value
    merged: dict[str, Any] = {}
    for one in value:
        for name, options in (_as_mapping(one) if isinstance(one, str | Mapping) else {str(one): {}}).items():
            if name in merged:
                raise ValueError(f"names the target {name} twice")
            merged[name] = options
    return merged


Published = Annotated[
    Publish, BeforeValidator(_as_mapping, json_schema_input_type=TargetName | Publish | _Listed)
]
"""`publish` in the YAML: a mapping of targets, or a list of their names and options."""
