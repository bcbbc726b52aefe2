"""Facts of CSV and JSON files: columns and kinds of values, found once for each state of a file."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.duckdb.looks import Look
from cluster_assets.backends.duckdb.reading.json_facts import json_facts
from cluster_assets.backends.duckdb.reading.text_readers import NO_HIVE, FileFacts, csv_reader
from cluster_assets.backends.text_files.blanks import line_before_quote, may_have_blanks
from cluster_assets.backends.text_files.faults import refuse_fault
from cluster_assets.backends.text_files.openers import csv_header, delimiter_of, other_format
from cluster_assets.domain.errors import SourceSchemaError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from cluster_assets.backends.ports import FileRelation

_REMEMBERED = 20_000


class KnownFacts:
    """Facts of files, cached by file and state."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[Any, ...], FileFacts] = OrderedDict()

    def of_file(self, cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str) -> FileFacts:
        """Return the facts of one file of a relation.

        Raises:
            duckdb.Error: The file is not readable.
            SourceUnreadableError: Its header is not readable, or the file has another format.
            SourceSchemaError: A needed column occurs twice, or the objects have no keys.
        """
        state = Path(uri).stat()
        uses = tuple(sorted((name, use.value) for name, use in relation.uses.items()))
        types = tuple(sorted(relation.types.items()))
        key = (uri, state.st_size, state.st_mtime_ns, relation.format, relation.dialect, uses, types)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        if other_format(uri):
            refuse_fault(uri, relation.format, relation.dialect)
        read = _csv_facts if relation.format == "csv" else json_facts
        found = read(cursor, relation, uri)
        with self._lock:
            self._known[key] = found
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return found


def _csv_facts(cursor: duckdb.DuckDBPyConnection, relation: FileRelation, uri: str) -> FileFacts:
    names = csv_header(uri, relation.dialect)
    if not names:
        return FileFacts()
    if may_have_blanks(uri, relation.dialect) and line_before_quote(uri, relation.dialect):
        refuse_fault(uri, "csv", relation.dialect)
    facts = FileFacts(names, delimiter=delimiter_of(uri, relation.dialect))
    reader = csv_reader(relation, [uri], facts, options=NO_HIVE)
    seen = Look(cursor, relation, lambda _: reader, _first_columns(relation, uri, names)).seen()
    return FileFacts(names, seen.kinds, lost=seen.lost, delimiter=facts.delimiter)


def _first_columns(relation: FileRelation, uri: str, names: Sequence[str]) -> dict[str, str]:
    """Return the columns of a CSV file by their names in the reader; of equal names, the first.

    Raises:
        SourceSchemaError: A needed column occurs twice.
    """
    found: dict[str, str] = {}
    lowered = {name.lower() for name in relation.uses}
    for number, name in enumerate(names):
        if name.lower() not in [known.lower() for known in found.values()]:
            found[f"c{number}"] = name
        elif name.lower() in lowered:
            raise SourceSchemaError(
                f"the header names the column {name} twice",
                where=f"{uri}, line 1",
                remedy="give one of them another name; to SQL, names that differ in case only are the same",
            )
    return found
