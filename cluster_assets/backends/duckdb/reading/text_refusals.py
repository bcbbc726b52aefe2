"""Errors for values of CSV and JSON files that do not fit the type of their column."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from cluster_assets.backends.duckdb.files import quoted_name, text_literal
from cluster_assets.backends.duckdb.reading.exact_casts import is_lost
from cluster_assets.backends.duckdb.reading.text_readers import (
    NO_HIVE,
    csv_reader,
    declared_type,
    json_reader,
    number_text,
    use_of,
)
from cluster_assets.backends.duckdb.reading.value_kinds import NO_VALUE, Kind, kind_of, misfits, type_of
from cluster_assets.backends.text_files.faults import line_of
from cluster_assets.domain.errors import SourceSchemaError, SourceUnreadableError
from cluster_assets.domain.text_files import NO_USE, Use

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from cluster_assets.backends.duckdb.reading.text_readers import FileFacts
    from cluster_assets.backends.ports import FileRelation

_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,([0-9]{1,2}|[0-9]{4,})")  # 1,000 is rather a thousand

_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([,' _\u00a0\u202f])[0-9]{3}(?:\1[0-9]{3})*(?:\.[0-9]+)?")
_MARKED = re.compile(r"([$€£])[0-9]+(?:\.[0-9]+)?|[+-]?[0-9]+(?:\.[0-9]+)?([%$€£])")


def refuse_values(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, found: Mapping[str, FileFacts]
) -> None:
    """Refuse values that would be rounded or read as something else.

    Raises:
        SourceUnreadableError: A value does not have the declared type of its column.
        SourceSchemaError: A column that the pipeline calculates with has a value that is not a number, or
            numbers that no single type holds.
    """
    kinds: dict[str, Kind] = {}
    for uri, facts in found.items():
        for name in facts.lost:
            raise _lost(cursor, relation, uri, facts, name)
        for name, kind in facts.kinds.items():
            kinds[name] = kinds.get(name, NO_VALUE) | kind
    for name, kind in kinds.items():
        use = use_of(relation, name) or NO_USE
        if declared_type(relation, name) is not None:
            continue
        if Kind.LIST in kind and kind != Kind.LIST and use:
            raise _lists_and_values(found, name)
        if type_of(kind, use) is None:
            raise _misfit(cursor, relation, found, name, kind)


def _lost(
    cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str, facts: FileFacts, name: str
) -> SourceUnreadableError:
    kind = str(declared_type(relation, name))
    spelled, value, line = _example(cursor, relation, uri, facts, name, is_lost("v", kind))
    return SourceUnreadableError(
        f"{value!r} in the column {spelled} is not a {kind}, as declared in raw.columns, or would be rounded",
        where=f"{uri}{line}, column {spelled}",
        remedy="correct the value, or declare a type that holds it, such as "
        f"raw.columns: {{{spelled}: varchar}}"
        + (", or name it under raw.csv.null_values" if relation.format == "csv" else ""),
    )


def _lists_and_values(found: Mapping[str, FileFacts], name: str) -> SourceSchemaError:
    """Return the error for a column that has arrays in some files and single values in others."""
    of = {uri: facts.kinds[name] for uri, facts in found.items() if facts.kinds.get(name, NO_VALUE)}
    lists = next(uri for uri, kind in of.items() if kind == Kind.LIST)
    return SourceSchemaError(
        f"{name} is an array in {lists}, and a single value here",
        where=f"{next(uri for uri, kind in of.items() if kind != Kind.LIST)}, column {name}",
        remedy="write an array in all files, or in none; to compare arrays as the texts that they are, "
        f"declare raw.columns: {{{name}: varchar}}",
    )


def _misfit(
    cursor: duckdb.DuckDBPyConnection,
    relation: FileRelation,
    found: Mapping[str, FileFacts],
    name: str,
    kinds: Kind,
) -> SourceSchemaError:
    use = use_of(relation, name) or NO_USE
    wrong = misfits(kinds, use)
    uri = next(uri for uri, facts in found.items() if facts.kinds.get(name, NO_VALUE) & (wrong or kinds))
    shown = (wrong or kinds) | (Kind.TEXT if wrong & Kind.LIST else NO_VALUE)  # by itself a list is a text
    condition = f"({kind_of('v')}) & {shown:d} > 0"
    spelled, value, line = _example(cursor, relation, uri, found[uri], name, condition)
    cast = f"try_cast({spelled} AS double) where it is a number"
    if _is_beyond_double(value):
        what = f"{value!r} in the column {spelled} is beyond the largest double, 1.8e308"
        remedy = f"correct the value, or write {cast} and leave such rows out with on_invalid: exclude"
    elif wrong & (Kind.LARGE | Kind.HUGE):
        what = f"{value!r} in the column {spelled} is a whole number that a double would round"
        remedy = f"declare raw.columns: {{{spelled}: varchar}} and write {cast}"
        if (scale := 38 - len(value.strip().lstrip("+-"))) >= 0:
            remedy = f"declare raw.columns: {{{spelled}: decimal(38,{min(scale, 10)})}}; or {remedy}"
    elif use & Use.TEXT:
        what = (
            f"the pipeline reads the column {spelled} as text and as a number, but {value!r} does not "
            "mean the same in both"
        )
        remedy = f"write {cast}, and {spelled} where it is text"
    else:
        what = f"{value!r} in the column {spelled} is not a number, but the pipeline calculates with it"
        remedy = f"correct the value, or write {cast}, which makes it null" + (
            ", or name it under raw.csv.null_values" if relation.format == "csv" else ""
        )
        if sign := _extra_sign(value):
            remedy += f"; cast(replace({spelled}, {text_literal(sign)}, '') AS double) drops {sign!r}"
        if relation.format == "csv" and _DECIMAL_COMMA.fullmatch(value):
            remedy = 'where a comma begins the fraction, declare raw.csv: {decimal: ","}; else ' + remedy
    return SourceSchemaError(what, where=f"{uri}{line}, column {spelled}", remedy=remedy)


def _is_beyond_double(value: str) -> bool:
    """Whether a value is a finite number that a double cannot hold."""
    try:
        return math.isinf(float(value)) and "inf" not in value.lower()
    except ValueError:
        return False


def _extra_sign(value: str) -> str | None:
    """Return the sign without which a value is a number: between thousands, or for percent or a currency."""
    found = _GROUPED.fullmatch(value) or _MARKED.fullmatch(value)
    return None if found is None else next(filter(None, found.groups()))


def _example(
    cursor: duckdb.DuckDBPyConnection,
    relation: FileRelation,
    uri: str,
    facts: FileFacts,
    name: str,
    condition: str,
) -> tuple[str, str, str]:
    """Return the name of a column as the file spells it, a value that meets a condition, and its line."""
    spelled = next(one for one in facts.names if one.lower() == name.lower())
    if relation.format == "csv":
        column = f"c{facts.names.index(spelled)}"
        reader = csv_reader(relation, [uri], facts, options=NO_HIVE)
    else:
        column = quoted_name(spelled)
        reader = json_reader([uri], {spelled: "VARCHAR"}, is_array=facts.is_array, options=NO_HIVE)
    texts = f"SELECT {column} AS shown, {number_text(relation, column)} AS v FROM {reader}"
    rows = cursor.execute(f"SELECT shown FROM ({texts}) WHERE {condition} LIMIT 1").fetchall()
    value = str(rows[0][0]) if rows else ""
    return spelled, value, line_of(uri, relation.format, relation.dialect, spelled, value)
