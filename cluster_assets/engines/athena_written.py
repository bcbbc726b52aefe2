"""What an UNLOAD left: files with exact rows, told apart by partition, of the columns of the contract."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cluster_assets.domain.errors import EngineError
from cluster_assets.ports import WrittenFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cluster_assets.domain.tables import Column, TableContract
    from cluster_assets.engines.athena_footers import Footer

_INTEGER = re.compile(r"-?\d+", re.ASCII)


def written_files(name: str, table: TableContract, footers: Mapping[str, Footer]) -> tuple[WrittenFile, ...]:
    """The files that hold rows, by partition value and then by address.

    Args:
        name: The statement, for messages.
        table: The contract they must fill.
        footers: What each file says of itself.

    Raises:
        EngineError: The columns are not those of the contract, or a partition's value is no integer.
    """
    column = table.partitioned_by
    expected = tuple(one for one in table.columns if one.name != column)
    for footer in footers.values():
        if footer.columns != expected:
            raise not_the_contract(name, table.name, expected, footer.columns)
    files = [
        WrittenFile(uri, footer.rows, footer.bytes, None if column is None else _value(name, column, uri))
        for uri, footer in footers.items()
        if footer.rows
    ]
    return tuple(sorted(files, key=lambda file: (int(file.partition or 0), file.uri)))


def not_the_contract(
    name: str, table: str, expected: Iterable[Column], found: Iterable[Column]
) -> EngineError:
    """The error for columns that are not those of a table."""
    told, wanted = (", ".join(f"{one.name} {one.type}" for one in columns) for columns in (found, expected))
    return EngineError(f"{name} does not fill the table {table}: it gives {told}; expected {wanted}")


def _value(name: str, column: str, uri: str) -> str:
    prefix = f"{column}="
    folder = uri.split("/")[-2]
    value = unquote(folder.removeprefix(prefix))
    if not folder.startswith(prefix) or not _INTEGER.fullmatch(value):
        raise EngineError(
            f"{name} gives {value or 'nothing'} for {column}, by which its table is partitioned; "
            "expected an integer",
            where=uri,
        )
    return value
