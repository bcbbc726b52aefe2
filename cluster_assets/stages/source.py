"""The source of a day: which files or table, and what tells one state of them from another."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import digest_of
from cluster_assets.domain.errors import ScanLimitError, SourceMissingError
from cluster_assets.features import needed_columns
from cluster_assets.settings import PROJECT_ROOT
from cluster_assets.sources import check_columns, files_of_day, list_source_files, source_relation

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from cluster_assets.backend import Backend
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.ports import Relation
    from cluster_assets.sources import SourceFile


# The days of a run share most of their files: what was checked once in this state is not read again.
_CHECKED: OrderedDict[tuple[str, str], Mapping[str, str]] = OrderedDict()
_CHECKED_MAX = 64


@dataclass(frozen=True, slots=True)
class DaySource:
    """What the rows of a day are read from.

    Attributes:
        files: The files, sorted; empty when the source is a table.
        state: What tells a state of the table from another; empty when the source is files.
    """

    relation: Relation
    files: tuple[SourceFile, ...]
    state: str

    @property
    def digest(self) -> str:
        """Changes whenever a file is added, removed or rewritten."""
        files = [[file.uri, file.bytes, file.modified_ns] for file in self.files]
        return digest_of({"state": self.state, "files": files})

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)


def locate_source(spec: PipelineSpec, backend: Backend, day: Day | None) -> DaySource:
    """Find the source of a day, or of all days.

    Raises:
        SourceMissingError: No file matches, or no Hive partition holds the day.
        SpecError: The files are of several formats.
        ScanLimitError: There is more to read than `limits.max_scan_bytes`.
    """
    files: tuple[SourceFile, ...] = ()
    if spec.raw.files is not None:
        files = list_source_files(spec.raw.files, root=PROJECT_ROOT, environment=backend.source_variables)
        if spec.raw.partition_column is not None and day is not None:
            files = files_of_day(files, spec.raw.partition_column, day)
            if not files:
                raise SourceMissingError(
                    f"no file holds {day}",
                    where=f"raw.files: {spec.raw.files}, folder {spec.raw.partition_column}={day}",
                    remedy="wait for the day's files or add them; an empty day needs one file without rows",
                )
    state = ""
    if spec.raw.table is not None:
        state = f"{spec.raw.table} {backend.engine.table_state(spec.raw.table)}"
    source = DaySource(source_relation(spec.raw, spec, files), files, state)
    if source.bytes > spec.limits.max_scan_bytes:
        raise ScanLimitError(
            f"the source of {day or 'all days'} holds {source.bytes:,} bytes, limits.max_scan_bytes allows "
            f"{spec.limits.max_scan_bytes:,}",
            where=spec.raw.files,
            remedy="narrow the glob, partition the files by day, or raise limits.max_scan_bytes",
        )
    return source


def narrow_source(spec: PipelineSpec, source: DaySource, uris: Collection[str]) -> DaySource:
    """The source without the files that hold no row of the day; one is kept, for its columns."""
    if not source.files:
        return source
    files = tuple(file for file in source.files if file.uri in uris) or source.files[:1]
    return DaySource(source_relation(spec.raw, spec, files), files, source.state)


def source_schema(spec: PipelineSpec, backend: Backend, source: DaySource) -> Mapping[str, str]:
    """Columns of the source with their types, checked in every file.

    Raises:
        SourceSchemaError: A column that is needed, or in the contract, is missing or of another type.
        SourceUnreadableError: A file is damaged or of another format.
    """
    key = (spec.model_dump_json(include={"raw", "entity", "features"}), source.digest)
    if not source.files:
        return check_columns(backend.engine, source.relation, needed_columns(spec), spec.raw.columns)
    if key not in _CHECKED:
        _CHECKED[key] = check_columns(backend.engine, source.relation, needed_columns(spec), spec.raw.columns)
        while len(_CHECKED) > _CHECKED_MAX:
            _CHECKED.popitem(last=False)
    return _CHECKED[key]
