"""Table functions that read CSV and JSON files as texts, and what a relation declares about a column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import file_list, text_literal
from cluster_assets.domain.text_files import NO_USE, Use

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.duckdb.reading.value_kinds import Kind
    from cluster_assets.backends.ports import FileRelation

NO_HIVE = ", hive_partitioning=false"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Facts of a file.

    Attributes:
        names: Its columns. For a JSON file, the needed columns, or all keys if one of them is missing.
        kinds: Kinds of the values of the scanned columns, by name in lower case.
        elements: Kinds of the elements of columns of JSON arrays.
        lost: Declared columns with a value that does not have the type.
        numbers: Keys of a JSON file with numbers only, none of them in quotes.
        delimiter: Delimiter of a CSV file.
        is_array: Whether a JSON file is one array.
    """

    names: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    elements: Mapping[str, Kind] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    delimiter: str = ","
    is_array: bool = False


def csv_reader(relation: FileRelation, uris: Sequence[str], facts: FileFacts, *, options: str = "") -> str:
    """Return the table function of CSV files with the same header; its columns are the texts `c0`, `c1`, ….

    Nothing is sniffed, because a sample does not show all values.
    """
    dialect = relation.dialect
    columns = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(facts.names)))
    nulls = ", ".join(text_literal(value) for value in ("", *dialect.null_values))
    quoting = (
        f"quote={text_literal(dialect.quote)}, escape={text_literal(dialect.escape if dialect.quote else '')}"
    )
    return (
        f"read_csv({file_list(uris)}, auto_detect=false, header={'false' if dialect.names else 'true'}, "
        f"delim={text_literal(facts.delimiter)}, {quoting}, comment='', strict_mode=true, "
        f"null_padding=false, encoding={text_literal(dialect.encoding)}, nullstr=[{nulls}], "
        f"columns={{{columns}}}{options})"
    )


def json_reader(uris: Sequence[str], columns: Mapping[str, str], *, is_array: bool, options: str = "") -> str:
    """Return the table function of JSON files; `columns` are the keys to read, with DuckDB types."""
    pairs = ", ".join(f"{text_literal(name)}: {text_literal(kind)}" for name, kind in columns.items())
    # Without `records`, one column would have all values of a file in which one is not an object.
    return (
        f"read_json({file_list(uris)}, format={json_format(is_array)}, records=true, "
        f"columns={{{pairs}}}{options})"
    )


def number_text(relation: FileRelation, value: str) -> str:
    """Return the text with a decimal point instead of the decimal separator of the files."""
    if relation.dialect.decimal == ".":
        return value
    return f"replace(replace({value}, '.', ';'), {text_literal(relation.dialect.decimal)}, '.')"


def use_of(relation: FileRelation, name: str) -> Use | None:
    """Return how a column is used; None if no statement reads it."""
    if not relation.uses:
        return NO_USE
    return next((use for one, use in relation.uses.items() if one.lower() == name.lower()), None)


def declared_type(relation: FileRelation, name: str) -> str | None:
    """Return the declared type of a column, ignoring the case of its name."""
    return next((kind for one, kind in relation.types.items() if one.lower() == name.lower()), None)


def json_format(array: bool) -> str:
    """Return the option `format` of the JSON readers."""
    return "'array'" if array else "'newline_delimited'"
