"""Facts of JSON files: keys, kinds of values, and arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import file_list, quoted_name, text_literal
from cluster_assets.backends.duckdb.looks import Look, Seen
from cluster_assets.backends.duckdb.reading.text_readers import (
    NO_HIVE,
    FileFacts,
    declared_type,
    json_format,
    json_reader,
    use_of,
)
from cluster_assets.backends.duckdb.reading.value_kinds import NO_VALUE, Kind, kind_of
from cluster_assets.backends.text_files.faults import line_of, line_of_key, refuse_fault
from cluster_assets.backends.text_files.openers import is_array, is_empty
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.domain.text_files import NO_USE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import duckdb

    from cluster_assets.backends.ports import FileRelation

# A key of an object as DuckDB prints it.
_KEY = r'"((?:[^"\\]|\\.)*)":'


def json_facts(cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str) -> FileFacts:
    """Return the facts of a JSON file.

    Raises:
        duckdb.Error: The file is not readable.
        SourceUnreadableError: A line is null, or an object of a needed column has a key twice.
        SourceSchemaError: The objects have no keys, or a needed key in two spellings.
    """
    if is_empty(uri):
        return FileFacts()
    array = is_array(uri)
    keys = _keys(cursor, uri, array)
    if not keys:
        if _has_objects(cursor, uri, array):
            raise SourceSchemaError(
                "no object of the file has a key", where=uri, remedy="write the keys, or remove the file"
            )
        return FileFacts(is_array=array)
    wanted = _spelled(uri, keys, tuple(relation.uses) or keys)
    # Files with all needed keys have the same names, so that one reader reads all of them.
    names = wanted if len(wanted) == len(relation.uses) else keys
    seen = _look(cursor, relation, uri, wanted, array) if wanted else Seen()
    kinds, elements = dict(seen.kinds), {}
    for name in wanted:
        found = kinds.get(name.lower(), NO_VALUE)
        is_nested = found & (Kind.OBJECT | Kind.LIST) or declared_type(relation, name) == "varchar"
        if is_nested and _may_repeat_keys(cursor, uri, name, array):
            refuse_fault(uri, "json", relation.dialect)
        found &= ~Kind.OBJECT
        if found & Kind.LIST and _is_list(cursor, relation, uri, name, array):
            elements[name.lower()] = _element_kinds(cursor, uri, name, array)
            found = Kind.LIST
        elif found & Kind.LIST:
            found = found & ~Kind.LIST | Kind.TEXT
        if name.lower() in kinds:
            kinds[name.lower()] = found
    return FileFacts(names, kinds, elements, seen.lost, numbers=seen.numbers, is_array=array)


def _keys(cursor: duckdb.DuckDBPyConnection, uri: str, array: bool) -> tuple[str, ...]:
    """Return all keys of all objects of a file.

    Raises:
        SourceUnreadableError: A line or element is null; the reader of rows would read it as an empty object.
    """
    rows = cursor.execute(
        "SELECT DISTINCT unnest(CASE WHEN trim(CAST(json AS VARCHAR)) = 'null' THEN [NULL] "
        f"ELSE json_keys(json) END) AS key FROM {_objects(uri, array)} ORDER BY key"
    ).fetchall()
    if (None,) in rows:
        refuse_fault(uri, "json")
    return tuple(str(key) for (key,) in rows)


def _has_objects(cursor: duckdb.DuckDBPyConnection, uri: str, array: bool) -> bool:
    return bool(cursor.execute(f"SELECT json FROM {_objects(uri, array)} LIMIT 1").fetchall())


def _objects(uri: str, array: bool) -> str:
    return f"read_json_objects({file_list([uri])}, format={json_format(array)})"


def _spelled(uri: str, keys: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as spelled in the keys of a file, without those that are not keys.

    Raises:
        SourceSchemaError: Two keys differ in case only; the reader would leave out the values of one.
    """
    wanted = []
    for name in names:
        spelled = [key for key in keys if key.lower() == name.lower()]
        if len(spelled) > 1:
            raise SourceSchemaError(
                f"the file has the keys {' and '.join(spelled)}, which are one column to SQL",
                where=f"{uri}{line_of_key(uri, spelled)}",
                remedy="write the key the same way in all objects, or give one of them another name",
            )
        wanted += spelled
    return tuple(wanted)


def _look(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str, names: Sequence[str], array: bool
) -> Seen:
    def reader(bare: Collection[str]) -> str:
        types = {name: "JSON" if name in bare else "VARCHAR" for name in names}
        return json_reader([uri], types, is_array=array, options=NO_HIVE)

    return Look(cursor, relation, reader, {quoted_name(name): name for name in names}).seen()


def _may_repeat_keys(cursor: duckdb.DuckDBPyConnection, uri: str, name: str, array: bool) -> bool:
    """Whether a value of a key, an object or an array of objects, has a key twice, maybe in two objects."""
    reader = json_reader([uri], {name: "VARCHAR"}, is_array=array, options=NO_HIVE)
    query = (
        "SELECT bool_or(list_unique(keys) < len(keys)) FROM ("
        f"SELECT regexp_extract_all(v, {text_literal(_KEY)}) AS keys "
        f"FROM (SELECT {quoted_name(name)} AS v FROM {reader}) WHERE contains(v, '{{'))"
    )
    return bool(cursor.execute(query).fetchall()[0][0])


def _is_list(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str, name: str, array: bool
) -> bool:
    """Whether the values of a key are arrays, rather than texts that look like arrays.

    Raises:
        SourceSchemaError: Some values are arrays and others are single values.
    """
    reader = json_reader([uri], {name: "JSON"}, is_array=array, options=NO_HIVE)
    column = quoted_name(name)
    query = (
        f"SELECT bool_or(kind = 'ARRAY'), bool_or(kind <> 'ARRAY'), "
        f"any_value(text) FILTER (WHERE kind NOT IN ('ARRAY', 'OBJECT')) FROM ("
        f"SELECT json_type({column}) AS kind, {column} ->> '$' AS text FROM {reader} "
        f"WHERE {column} IS NOT NULL) WHERE kind <> 'NULL'"
    )
    arrays, others, single = cursor.execute(query).fetchall()[0]
    if arrays and single is not None and use_of(relation, name) not in (None, NO_USE):
        raise SourceSchemaError(
            f"{name} is an array in some objects and a single value, such as {single!r}, in others",
            where=f"{uri}{line_of(uri, 'json', relation.dialect, name, str(single))}",
            remedy="write an array in all objects, or none; to compare arrays as the texts that they are, "
            f"declare raw.columns: {{{name}: varchar}}",
        )
    return bool(arrays) and not others


def _element_kinds(cursor: duckdb.DuckDBPyConnection, uri: str, name: str, array: bool) -> Kind:
    reader = json_reader([uri], {name: "VARCHAR[]"}, is_array=array, options=NO_HIVE)
    query = f"SELECT bit_or({kind_of('e')}) FROM (SELECT unnest({quoted_name(name)}) AS e FROM {reader})"
    return Kind(cursor.execute(query).fetchall()[0][0] or NO_VALUE)
