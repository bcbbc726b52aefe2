"""CSV and JSON files as tables with types that hold for all values."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import duckdb
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.errors import file_error
from cluster_assets.backends.duckdb.files import PATH_COLUMN, hive_options, quoted_name, text_literal
from cluster_assets.backends.duckdb.reading.exact_casts import text_cast
from cluster_assets.backends.duckdb.reading.text_facts import KnownFacts
from cluster_assets.backends.duckdb.reading.text_readers import (
    FileFacts,
    csv_reader,
    declared_type,
    json_reader,
    number_text,
    use_of,
)
from cluster_assets.backends.duckdb.reading.text_refusals import refuse_values
from cluster_assets.backends.duckdb.reading.value_kinds import NO_VALUE, Kind, type_of
from cluster_assets.backends.duckdb.types import athena_type, duckdb_type
from cluster_assets.domain.column_types import ONLY_NULLS
from cluster_assets.domain.tables import Column
from cluster_assets.domain.text_files import NO_USE, Use

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cluster_assets.backends.ports import FileRelation

# Types that the JSON reader converts numbers to directly, with the same value as through a text.
_JSON_NUMBERS = ("bigint", "double")


def columns_of_query(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[Column, ...]:
    """Return the columns of a query with their Athena types."""
    found = cursor.execute(f"DESCRIBE {query}").fetchall()
    return tuple(Column(row[0], athena_type(row[1])) for row in found)


class TextFiles:
    """CSV and JSON files of an engine; each state of a file is scanned for types once."""

    def __init__(self) -> None:
        self._known = KnownFacts()

    def describe(
        self, cursor: duckdb.DuckDBPyConnection, relation: FileRelation
    ) -> dict[str, tuple[Column, ...]]:
        """Return the columns of each file with the types of its own values; none for a file without content.

        Raises:
            SourceUnreadableError: A file is not readable, or a value does not have its declared type.
            SourceSchemaError: No type that the pipeline can use holds the values of a column.
        """
        found = self._facts(cursor, relation)
        refuse_values(cursor, relation, found)
        merged = _Merged(relation, found.values())
        folder = () if relation.partition_column is None else (Column(relation.partition_column, "varchar"),)
        return {
            uri: (*(Column(name, merged.of_file(facts, name)) for name in facts.names), *folder)
            if facts.names
            else ()
            for uri, facts in found.items()
        }

    def item(self, cursor: duckdb.DuckDBPyConnection, relation: FileRelation, wanted: Collection[str]) -> str:
        """Return the files as a FROM item.

        Args:
            cursor: A cursor that may read the files.
            relation: The files.
            wanted: Columns that the statement reads, including `"$path"` if it does.

        Raises:
            SourceUnreadableError: As `describe`.
            SourceSchemaError: As `describe`.
        """
        found = self._facts(cursor, relation)
        refuse_values(cursor, relation, found)
        merged = _Merged(relation, found.values())
        groups: dict[tuple[tuple[str, ...], str, bool], dict[str, FileFacts]] = {}
        for uri, facts in found.items():
            if facts.names:
                groups.setdefault((facts.names, facts.delimiter, facts.is_array), {})[uri] = facts
        if not groups:
            nulls = [exp.alias_(exp.null(), name, quoted=True) for name in wanted]
            return exp.select(*(nulls or [exp.null()])).where(exp.false()).subquery().sql("duckdb")
        parts = [merged.query(files, wanted) for files in groups.values()]
        return f"({' UNION ALL BY NAME '.join(parts)})"

    def _facts(self, cursor: duckdb.DuckDBPyConnection, relation: FileRelation) -> dict[str, FileFacts]:
        found = {}
        for uri in relation.uris:
            try:
                found[uri] = self._known.of_file(cursor, relation, uri)
            except (duckdb.Error, csv.Error, UnicodeError, OSError, EOFError) as error:
                raise file_error(error, relation, uri) from error
        return found


class _Merged:
    """The types that hold for all files of a relation."""

    def __init__(self, relation: FileRelation, files: Collection[FileFacts]) -> None:
        self._relation = relation
        self._names: dict[str, str] = {}
        self._kinds: dict[str, Kind] = {}
        self._elements: dict[str, Kind] = {}
        for facts in files:
            for name in facts.names:
                self._names.setdefault(name.lower(), name)
            for name, kind in facts.kinds.items():
                self._kinds[name] = self._kinds.get(name, NO_VALUE) | kind
            for name, kind in facts.elements.items():
                self._elements[name] = self._elements.get(name, NO_VALUE) | kind

    def of_file(self, facts: FileFacts, name: str) -> str:
        """Return the type of a column from the values of one file.

        Lists have one type in all files; so have large whole numbers if another file has fractions.
        """
        low = name.lower()
        kinds, everywhere = facts.kinds.get(low, NO_VALUE), self._kinds.get(low, NO_VALUE)
        is_list = Kind.LIST in (kinds, everywhere)
        is_shared = is_list or (Kind.LARGE in everywhere and Kind.FRACTION in everywhere)
        return self._type(name, everywhere if is_shared else kinds)

    def query(self, files: Mapping[str, FileFacts], wanted: Collection[str]) -> str:
        """Return a query of files with the same columns."""
        relation, uris, facts = self._relation, tuple(files), next(iter(files.values()))
        here = {name.lower(): (number, name) for number, name in reversed(list(enumerate(facts.names)))}
        columns = {name: self._type(name, self._kinds.get(name.lower(), NO_VALUE)) for name in wanted}
        columns = {name: kind for name, kind in columns.items() if name.lower() in here}
        numbers = frozenset.intersection(*(facts.numbers for facts in files.values()))
        direct = {name for name, kind in columns.items() if name.lower() in numbers and kind in _JSON_NUMBERS}
        options = hive_options(relation)
        selected = []
        for name, kind in columns.items():
            number, spelled = here[name.lower()]
            column = f"c{number}" if relation.format == "csv" else quoted_name(spelled)
            value = column if name in direct else self._cast(column, name, kind)
            selected.append(f"{value} AS {quoted_name(self._names[name.lower()])}")
        if PATH_COLUMN in wanted:
            options += f", filename={text_literal(PATH_COLUMN)}"
            selected.append(quoted_name(PATH_COLUMN))
        if relation.partition_column in wanted:
            selected.append(quoted_name(str(relation.partition_column)))
        if relation.format == "csv":
            reader = csv_reader(relation, uris, facts, options=options)
        else:
            keys = {
                here[name.lower()][1]: kind if name in direct else _json_type(kind)
                for name, kind in columns.items()
            }
            reader = json_reader(
                uris, keys or {facts.names[0]: "VARCHAR"}, is_array=facts.is_array, options=options
            )
        return f"SELECT {', '.join(selected) or 'NULL'} FROM {reader}"

    def _type(self, name: str, kinds: Kind) -> str:
        if (declared := declared_type(self._relation, name)) is not None:
            return declared
        use = use_of(self._relation, name)
        if use is None:
            return "varchar"
        if kinds == Kind.LIST and self._kinds[name.lower()] == Kind.LIST:
            return _list_type(self._elements.get(name.lower(), NO_VALUE), use)
        return type_of(kinds, use) or "varchar"

    def _cast(self, column: str, name: str, kind: str) -> str:
        if kind == ONLY_NULLS:
            return "NULL"
        if kind.startswith("array("):
            return (
                column if kind == "array(varchar)" else f"CAST({column} AS {duckdb_type(kind).sql('duckdb')})"
            )
        value = column if kind == "varchar" else number_text(self._relation, column)
        return text_cast(value, kind, zoned=declared_type(self._relation, name) is not None)


def _list_type(elements: Kind, use: Use) -> str:
    kind = "varchar" if use & Use.TEXT else type_of(elements, NO_USE)
    return f"array({'double' if kind in (None, ONLY_NULLS) else kind})"


def _json_type(kind: str) -> str:
    """Return the type for the JSON reader: a list of texts, or a text that is cast afterwards."""
    return "VARCHAR[]" if kind.startswith("array(") else "VARCHAR"
