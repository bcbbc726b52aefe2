"""Row counts of whole source files, compared between the SQL engine and an independent reader."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SourceUnreadableError
from cluster_assets.stages.raw.source import join_sources, locate_days, locate_source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cluster_assets.backends.ports import Backend, Relation, RowCounter, Statement
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.raw.files import SourceFile

    Fetch = Callable[[Statement, Mapping[str, Relation]], Sequence[Mapping[str, object]]]

_SHOWN = 3
# The days of a run share most of their files, so a file is counted once per state and reader options. The
# value says what is wrong with it, if anything.
_COUNTED: OrderedDict[tuple[SourceFile, str], str] = OrderedDict()
_COUNTED_MAX = 100_000


def find_miscounted(
    spec: PipelineSpec, backend: Backend, days: Sequence[Day] | None, fetch: Fetch
) -> Sequence[str]:
    """Return a message for each source file of some days for which the two readers count different rows.

    All files that may hold rows of the days are counted whole, because a file without rows may have lost
    them.

    Args:
        spec: The pipeline.
        backend: Has the second reader; without one, nothing is counted.
        days: The days; None: all days.
        fetch: Runs the count of the engine.
    """
    counter = backend.row_counter
    if counter is None or spec.raw.files is None:
        return ()
    if days is None:
        source = locate_source(spec, backend, None)
    else:
        source = join_sources(spec, locate_days(spec, backend, days), f"{days[0]} to {days[-1]}")
    if not isinstance(source.relation, FileRelation):
        return ()
    how = repr(replace(source.relation, uris=()))
    unknown = [file for file in source.files if (file, how) not in _COUNTED]
    if unknown:
        relation = replace(source.relation, uris=tuple(file.uri for file in unknown))
        rows = {
            str(row["uri"]): int(str(row["rows"]))
            for row in fetch(bind("checks/files.sql"), {"raw": relation})
        }
        for file in unknown:
            _COUNTED[file, how] = _compare(counter, relation, file, rows.get(file.uri, 0))
        while len(_COUNTED) > _COUNTED_MAX:
            _COUNTED.popitem(last=False)
    faults = [fault for file in source.files if (fault := _COUNTED.get((file, how)))]
    more = len(faults) - _SHOWN
    return [*faults[:_SHOWN], f"and {counted(more, 'more file')}"] if more > 0 else faults


def check_file_rows(spec: PipelineSpec, backend: Backend, day: Day | None) -> None:
    """Check before any run what `source_rows` checks of the files.

    Raises:
        SourceUnreadableError: The two readers count different rows, and the check would block the day.
    """
    if spec.checks.source_rows.on_failure != "block":
        return
    days = None if day is None else [day]
    faults = find_miscounted(spec, backend, days, lambda *given: backend.engine.fetch(*given).rows)
    if faults:
        raise SourceUnreadableError(
            "; ".join(faults),
            where=f"raw.files: {spec.raw.files}",
            remedy="correct the file: the check source_rows does not publish its days",
        )


def _compare(counter: RowCounter, relation: FileRelation, file: SourceFile, rows: int) -> str:
    """Return what is wrong with a file; empty if it changed meanwhile, as its new state is counted later."""
    try:
        fault = _difference(counter, relation, file, rows)
        state = Path(file.uri).stat()
    except FileNotFoundError:
        return ""
    unchanged = (state.st_size, state.st_mtime_ns) == (file.bytes, file.modified_ns)
    return f"{file.uri}: {fault}" if fault and unchanged else ""


def _difference(counter: RowCounter, relation: FileRelation, file: SourceFile, rows: int) -> str:
    try:
        second = counter.count_rows(relation, file.uri)
    except SourceUnreadableError as error:
        return error.what
    return "" if rows == second else f"the engine reads {counted(rows, 'row')}, a second reader {second:,}"
