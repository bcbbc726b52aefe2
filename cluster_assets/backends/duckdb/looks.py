"""Type inference over all values of a text file.

The first rows suggest types, and one pass over all rows confirms them; a second pass is rare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.duckdb.reading.exact_casts import is_lost
from cluster_assets.backends.duckdb.reading.text_readers import declared_type, number_text, use_of
from cluster_assets.backends.duckdb.reading.value_kinds import NO_VALUE, Kind, kind_of
from cluster_assets.backends.duckdb.shortcuts import SAMPLE, shortcut
from cluster_assets.domain.text_files import NO_USE, Use

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import duckdb

    from cluster_assets.backends.ports import FileRelation

# Kinds whose values always fit a declared type.
_HELD = {
    "double": Kind.WHOLE | Kind.FRACTION,
    "bigint": Kind.WHOLE,
    "date": Kind.DATE,
    "timestamp": Kind.DATE | Kind.TIME | Kind.ZONED,
    "timestamp with time zone": Kind.DATE | Kind.TIME | Kind.ZONED,
}
_NUMBERS = Kind.WHOLE | Kind.FRACTION


@dataclass(frozen=True, slots=True)
class Seen:
    """Facts about the values of a file; names are in lower case.

    Attributes:
        kinds: Kinds of the values by column.
        lost: Declared columns that lose a value.
        numbers: Keys of a JSON file whose values are all JSON numbers, none of them in quotes.
    """

    kinds: dict[str, Kind] = field(default_factory=dict)
    lost: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()


class Look:
    """Infers the kinds of a file's values, and which declared types would lose values.

    Numbers of a JSON file are read as JSON rather than as texts, which is faster and distinguishes the two.

    Args:
        cursor: A connection that can read the file.
        relation: The file, with the uses of its columns.
        reader: Returns the file as a table function whose columns are texts; in a JSON file, the named
            columns have the type JSON.
        columns: Names of columns by the reader's names.
    """

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        relation: FileRelation,
        reader: Callable[[Collection[str]], str],
        columns: Mapping[str, str],
    ) -> None:
        self._cursor = cursor
        self._relation = relation
        self._is_json = relation.format == "json"
        self._reader = reader
        self._columns = columns
        self._texts = {name: f"v{number}" for number, name in enumerate(columns.values())}
        self._declared = {
            name: kind
            for name in columns.values()
            if (kind := declared_type(relation, name)) is not None and kind != "varchar"
        }
        self._looked = [name for name in columns.values() if self._needs_look(name)]

    def seen(self) -> Seen:
        """Scan the file and return the facts.

        Raises:
            duckdb.Error: The file is not readable.
        """
        if not self._looked:
            return Seen()
        first, unquoted = self._sample()
        bare = {name for name in unquoted if first[name] in _NUMBERS}
        conditions = {name: self._condition(name, first[name], name in bare) for name in self._looked}
        bare = {name for name in bare if conditions[name] is not None}
        # One text among the first values makes the column text. Arrays may follow texts.
        decided = {
            name
            for name in self._looked
            if first[name] & Kind.TEXT and name not in self._declared and not self._may_be_lists(name)
        }
        asked = [name for name in self._looked if name not in decided]
        row = self._row([self._part(name, conditions[name]) for name in asked], self._source(bare))
        answers = dict(zip(asked, row, strict=True))
        failed = [name for name in asked if conditions[name] is None or answers[name]]
        late = [name for name in failed if conditions[name] is not None]
        answers |= dict(
            zip(late, self._row([self._part(name, None) for name in late], self._source()), strict=True)
        )
        kinds = {name: first[name] for name in self._looked}
        lost = {name for name in failed if name in self._declared and answers[name]}
        kinds |= {name: Kind(answers[name] or 0) for name in failed if name not in self._declared}
        return Seen(
            {name.lower(): kind for name, kind in kinds.items() if name not in self._declared},
            frozenset(name.lower() for name in lost),
            frozenset(name.lower() for name in bare.difference(failed)),
        )

    def _needs_look(self, name: str) -> bool:
        """Whether the type of a column depends on its values; JSON arrays must always be detected."""
        use = use_of(self._relation, name)
        if name in self._declared:
            return True
        if use is None or declared_type(self._relation, name) is not None:
            return False
        return self._is_json or not _is_text(use)

    def _may_be_lists(self, name: str) -> bool:
        return self._is_json and _is_text(use_of(self._relation, name) or NO_USE)

    def _sample(self) -> tuple[dict[str, Kind], set[str]]:
        """Return the kinds of the first values, and the JSON columns whose first values have no quotes.

        The query stacks all columns into one, because DuckDB takes longer to plan `kind_of` than to run it.
        """
        if not self._looked:
            return {}, set()
        columns = {name: column for column, name in self._columns.items()}
        raw = [f"CAST({columns[name]} AS VARCHAR)" for name in self._looked]
        texts = [f"{columns[name]} ->> '$'" if self._is_json else columns[name] for name in self._looked]
        texts = [number_text(self._relation, text) for text in texts]
        kind = f"CASE WHEN is_text THEN {self._text_kind('v')} ELSE {self._value_kind('v')} END"
        rows = self._cursor.execute(
            f"SELECT n, bit_or({kind}), bool_and(v = raw) FROM (SELECT unnest(range(len(vs))) AS n, "
            "unnest(vs) AS v, unnest(raws) AS raw, "
            f"unnest({[self._is_text(name) for name in self._looked]}) AS is_text "
            f"FROM (SELECT [{', '.join(texts)}] AS vs, [{', '.join(raw)}] AS raws "
            f"FROM {self._reader(self._texts)} LIMIT {SAMPLE})) GROUP BY n"
        ).fetchall()
        found = {self._looked[number]: (Kind(kinds), is_same) for number, kinds, is_same in rows}
        first = {name: found.get(name, (NO_VALUE, None))[0] for name in self._looked}
        return first, {name for name, (_, is_same) in found.items() if self._is_json and is_same}

    def _condition(self, name: str, seen: Kind, is_bare: bool) -> str | None:
        """Return the condition under which the remaining values add no kind to the first ones."""
        value, use = self._texts[name], use_of(self._relation, name) or NO_USE
        if name in self._declared:
            held = bool(seen) and seen in _HELD.get(self._declared[name], Kind(0))
            return shortcut(value, seen, Use.NUMBER, is_json=is_bare) if held else None
        if self._may_be_lists(name):
            return f"{value}[1] NOT IN ('[', '{{')" if seen == Kind.TEXT else None
        return shortcut(value, seen, use, is_json=is_bare)

    def _part(self, name: str, condition: str | None) -> str:
        """Return an aggregate over a column: whether a value fails the condition, or the kinds of values."""
        value = self._texts[name]
        if condition is not None:
            return f"count(*) FILTER (WHERE {condition}) < count({value})"
        if name in self._declared:
            return f"bool_or({is_lost(value, self._declared[name])})"
        return f"bit_or({self._kind(name)})"

    def _kind(self, name: str) -> str:
        value = self._texts[name]
        return self._text_kind(value) if self._is_text(name) else self._value_kind(value)

    def _is_text(self, name: str) -> bool:
        return _is_text(use_of(self._relation, name) or NO_USE) and name not in self._declared

    def _text_kind(self, value: str) -> str:
        return self._or_list(value, f"CASE WHEN {value} IS NULL THEN 0 ELSE {Kind.TEXT:d} END")

    def _value_kind(self, value: str) -> str:
        return self._or_list(value, kind_of(value))

    def _or_list(self, value: str, kind: str) -> str:
        if not self._is_json:
            return kind
        return (
            f"CASE WHEN starts_with({value}, '[') THEN {Kind.LIST:d} "
            f"WHEN starts_with({value}, '{{') THEN {Kind.TEXT | Kind.OBJECT:d} ELSE {kind} END"
        )

    def _source(self, bare: Collection[str] = ()) -> str:
        """Return a subquery of all columns as texts; those read as JSON keep the quotes of texts."""
        read = ", ".join(
            f"CAST({column} AS VARCHAR) AS {self._texts[name]}"
            if name in bare
            else f"{number_text(self._relation, column)} AS {self._texts[name]}"
            for column, name in self._columns.items()
        )
        return f"(SELECT {read} FROM {self._reader(bare)})"

    def _row(self, parts: list[str], source: str) -> tuple[Any, ...]:
        if not parts:
            return ()
        return tuple(self._cursor.execute(f"SELECT {', '.join(parts)} FROM {source}").fetchall()[0])


def _is_text(use: Use) -> bool:
    return bool(use & Use.TEXT) and not use & (Use.NUMBER | Use.VALUE)
