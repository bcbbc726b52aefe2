"""Columns of a table in the schema of Delta."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import PublicationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.domain.manifests import TableData

_TYPES = {
    "varchar": "string",
    "bigint": "long",
    "integer": "integer",
    "double": "double",
    "real": "float",
    "boolean": "boolean",
}


def table_fields(data: TableData, day: str) -> list[dict[str, Any]]:
    """Return the fields of a table, with the column `day` last if the table has none.

    >>> from cluster_assets.domain.manifests import TableData
    >>> from cluster_assets.domain.tables import Column
    >>> fields = table_fields(TableData("t", (Column("near", "array(varchar)"),), ()), "day")
    >>> [(field["name"], field["type"]) for field in fields]  # doctest: +NORMALIZE_WHITESPACE
    [('near', {'type': 'array', 'elementType': 'string', 'containsNull': True}), ('day', 'string')]
    """
    columns = [(column.name, column.type) for column in data.columns if column.name != day]
    return [_field(name, _type_of(kind)) for name, kind in [*columns, (day, "varchar")]]


def add_fields(known: Sequence[dict[str, Any]], wanted: Sequence[dict[str, Any]], where: str) -> list[Any]:
    """Return the fields of a Delta table and those that a day adds.

    Raises:
        PublicationError: A column of the day has another type than the table's.
    """
    types = {field["name"]: field["type"] for field in known}
    for field in wanted:
        if types.get(field["name"], field["type"]) != field["type"]:
            raise PublicationError(
                f"the column {field['name']} is {types[field['name']]} in the Delta table, "
                f"{field['type']} in the day",
                where=where,
                remedy="publish to another address: a Delta table has one type for each column",
            )
    return [*known, *(field for field in wanted if field["name"] not in types)]


def _field(name: str, kind: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": {}}


def _type_of(kind: str) -> Any:
    if kind.startswith("array(") and kind.endswith(")"):
        return {"type": "array", "elementType": _type_of(kind[6:-1]), "containsNull": True}
    return _TYPES[kind]
