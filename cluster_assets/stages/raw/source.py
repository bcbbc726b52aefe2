"""The source of a day: its files or table, and a digest of their state."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.column_types import ONLY_NULLS
from cluster_assets.domain.counts import counted
from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ScanLimitError
from cluster_assets.domain.times.layouts import TableDay
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.stages.points.kinds import needed_columns
from cluster_assets.stages.raw.days import files_of
from cluster_assets.stages.raw.files import check_columns, list_source_files, source_relation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cluster_assets.backends.ports import Backend, Relation
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.raw.files import SourceFile


# The days of a run share most of their files, so each state of a file is checked once.
_CHECKED: OrderedDict[tuple[str, str], Mapping[str, str]] = OrderedDict()
_CHECKED_MAX = 64


@dataclass(frozen=True, slots=True)
class DaySource:
    """The files or the table that hold the rows of a day.

    Attributes:
        files: The files, sorted; empty if the source is a table.
        state: A text that identifies the state of the table; empty if the source is files.
    """

    relation: Relation
    files: tuple[SourceFile, ...]
    state: str

    @property
    def digest(self) -> str:
        """Return a digest that changes whenever a file is added, removed or rewritten."""
        files = [[file.uri, file.bytes, file.modified_ns] for file in self.files]
        return digest_of({"state": self.state, "files": files})

    @property
    def bytes(self) -> int:
        """Total size of all files in bytes."""
        return sum(file.bytes for file in self.files)


def locate_source(spec: PipelineSpec, backend: Backend, day: Day | None) -> DaySource:
    """Find the source of one day, or of all days.

    Raises:
        SourceMissingError: No file matches, or no Hive partition holds the day.
        SpecError: The files have mixed formats, or their names do not contain the day that they should.
        ScanLimitError: The source is larger than `limits.max_scan_bytes`.
    """
    return _of_day(spec, backend, _files_of_all_days(spec, backend), day)


def locate_days(spec: PipelineSpec, backend: Backend, days: Sequence[Day]) -> tuple[DaySource, ...]:
    """Find the source of each of some days; the files are listed once.

    Raises:
        SourceMissingError: As `locate_source`.
        SpecError: As `locate_source`.
        ScanLimitError: As `locate_source`.
    """
    files = _files_of_all_days(spec, backend)
    return tuple(_of_day(spec, backend, files, day) for day in days)


def join_sources(spec: PipelineSpec, sources: Sequence[DaySource], days: str) -> DaySource:
    """Return one source with the files of several days.

    Args:
        spec: The pipeline.
        sources: At least one.
        days: Their days, for messages.

    Raises:
        ScanLimitError: Together they are larger than `limits.max_scan_bytes`.
    """
    if len(sources) == 1:
        return sources[0]
    files = tuple(sorted({file for source in sources for file in source.files}, key=lambda file: file.uri))
    joined = DaySource(
        source_relation(spec.raw, spec, files), files, "\n".join(source.state for source in sources)
    )
    return _within_limits(spec, joined, days)


def _files_of_all_days(spec: PipelineSpec, backend: Backend) -> tuple[SourceFile, ...]:
    if spec.raw.files is None:
        return ()
    return list_source_files(spec.raw.files, root=PROJECT_ROOT, environment=backend.source_variables)


def _of_day(
    spec: PipelineSpec, backend: Backend, files: tuple[SourceFile, ...], day: Day | None
) -> DaySource:
    if files and day is not None:
        files = files_of(spec.raw, files, day)
    state = ""
    if spec.raw.table is not None:
        layout = spec.raw.layout
        part = TableDay(layout, day) if layout is not None and day is not None else None
        state = f"{spec.raw.table} {backend.engine.table_state(spec.raw.table, part)}"
    source = DaySource(source_relation(spec.raw, spec, files), files, state)
    return _within_limits(spec, source, str(day or "all days"))


def _within_limits(spec: PipelineSpec, source: DaySource, days: str) -> DaySource:
    if source.bytes > spec.limits.max_scan_bytes:
        raise ScanLimitError(
            f"the source of {days} holds {counted(source.bytes, 'byte')}, "
            f"limits.max_scan_bytes allows {spec.limits.max_scan_bytes:,}",
            where=spec.raw.files,
            remedy="narrow the glob, partition the files by day, or raise limits.max_scan_bytes",
        )
    return source


def narrow_source(spec: PipelineSpec, source: DaySource, uris: Collection[str]) -> DaySource:
    """Return the source without files that hold no row of the day; one file is kept for its columns."""
    if not source.files:
        return source
    files = tuple(file for file in source.files if file.uri in uris) or source.files[:1]
    return DaySource(source_relation(spec.raw, spec, files), files, source.state)


def source_schema(spec: PipelineSpec, backend: Backend, source: DaySource) -> Mapping[str, str]:
    """Check the columns in every file and return their types; varchar for a column without values.

    Raises:
        SourceSchemaError: A needed or declared column is missing or has another type.
        SourceUnreadableError: A file is damaged or has another format.
    """
    types = _checked(spec, backend, source)
    return {name: "varchar" if kind == ONLY_NULLS else kind for name, kind in types.items()}


def found_types(spec: PipelineSpec, backend: Backend, source: DaySource) -> dict[str, str]:
    """Return the types of the columns that the pipeline reads and that have a value.

    Raises:
        SourceSchemaError: As `source_schema`.
        SourceUnreadableError: As `source_schema`.
    """
    types = _checked(spec, backend, source)
    return {name: types[name] for name in needed_columns(spec) if types[name] != ONLY_NULLS}


def _checked(spec: PipelineSpec, backend: Backend, source: DaySource) -> Mapping[str, str]:
    key = (spec.model_dump_json(include={"raw", "entity", "features"}), source.digest)
    if not source.files:
        return check_columns(backend.engine, source.relation, needed_columns(spec), spec.raw.columns)
    if key not in _CHECKED:
        _CHECKED[key] = check_columns(backend.engine, source.relation, needed_columns(spec), spec.raw.columns)
        while len(_CHECKED) > _CHECKED_MAX:
            _CHECKED.popitem(last=False)
    return _CHECKED[key]
