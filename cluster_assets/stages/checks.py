"""The audit of a day: checks of what a stage computed, before anybody can see it.

Write, audit, publish (docs/decisions/0009-checks-before-publication.md): the tables of a draft are checked by
SQL where they lie; when a blocking check fails, the draft is not committed and readers keep what they had.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.domain.expectations import CheckOutcome, read_outcomes, write_outcomes
from cluster_assets.ports import FileRelation
from cluster_assets.sql_files import bind
from cluster_assets.stages.trends import compare_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import Column
    from cluster_assets.stages.stage import DayJob, StageOutput, Work

OUTCOMES = "checks"
"""The metric of a manifest that holds what its checks found, as JSON."""

STRUCTURE_OF: dict[str, tuple[str, ...]] = {
    "points": ("contract", "source_rows", "ids_dense", "entities_once"),
    "candidates": ("contract", "pairs_valid"),
    "clusters": ("contract", "entities_once", "labels_dense", "roles_valid"),
}
"""Checks of what always holds, by stage; every other stage has the contract of its tables."""


@dataclass(frozen=True, slots=True)
class AuditedTable:
    """A table of a draft or of a published day.

    Attributes:
        columns: What its contract says.
        rows: What the engine or the manifest says.
    """

    columns: tuple[Column, ...]
    uris: tuple[str, ...]
    rows: int

    @property
    def relation(self) -> FileRelation:
        """The table as a statement reads it."""
        return FileRelation(self.uris, columns=self.columns)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of the structure found.

    Attributes:
        fault: What is wrong; empty when nothing is.
    """

    name: str
    fault: str
    numbers: Mapping[str, int | float | str] = field(default_factory=dict)


@runtime_checkable
class CheckedWork(Protocol):
    """A stage's work that knows what always holds for its tables, beyond their contract."""

    def find_faults(
        self, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
    ) -> Iterator[Finding]:
        """Check the tables; one finding a check."""
        ...


def structure_names(stage: str) -> tuple[str, ...]:
    """Names of the checks of what always holds, for a stage."""
    return STRUCTURE_OF.get(stage, ("contract",))


def check_draft(stage: str, job: DayJob, work: Work, output: StageOutput) -> tuple[CheckOutcome, ...]:
    """Every check of a computed day.

    Raises:
        EngineError: The engine could not read what it wrote.
    """
    tables = {
        name: AuditedTable(contract.columns, tuple(file.uri for file in files), sum(f.rows for f in files))
        for name, (contract, files) in output.tables.items()
    }
    return (
        *_structure(job, work, tables, output.metrics),
        *compare_day(stage, job, output.metrics, _histograms(tables)),
    )


def check_published(stage: str, job: DayJob, work: Work, manifest: Manifest) -> tuple[CheckOutcome, ...]:
    """Every check of a day that stands: what its manifest recorded, compared anew with the days before.

    Days come and thresholds change after a day was published: comparisons are not taken from the manifest.
    """
    tables = {
        name: AuditedTable(table.columns, job.ledger.uris(manifest, name), table.rows)
        for name, table in manifest.tables.items()
    }
    recorded = {outcome.name: outcome for outcome in recorded_outcomes(manifest)}
    wanted = [name for name in structure_names(stage) if not _skips(job, name)]
    if all(name in recorded for name in wanted):
        # What a failure means is said by the YAML of today.
        structure = tuple(
            replace(recorded[name], blocking=_on_failure(job, name) == "block") for name in wanted
        )
    else:
        structure = tuple(_structure(job, work, tables, manifest.metrics))
    return (*structure, *compare_day(stage, job, manifest.metrics, _histograms(tables)))


def recorded_outcomes(manifest: Manifest) -> tuple[CheckOutcome, ...]:
    """What the checks of a day found when it was published."""
    return read_outcomes(str(manifest.metrics.get(OUTCOMES, "[]")))


def refuse_blocked(job: DayJob, stage: str, outcomes: tuple[CheckOutcome, ...], where: str) -> None:
    """Stop a day whose blocking checks did not all pass.

    Raises:
        CheckFailedError: One or more failed.
    """
    blocked = [outcome for outcome in outcomes if outcome.blocks]
    if blocked:
        said = "; ".join(f"{outcome.name}: {outcome.description}" for outcome in blocked)
        raise CheckFailedError(
            f"{stage} of {job.day} failed {len(blocked)} blocking check{'s' * (len(blocked) > 1)}: {said}",
            outcomes=outcomes,
            where=where,
            remedy="readers keep what was published before; look at the files, mend the cause and run the "
            f"day again: cluster-assets run {job.spec.name} --day {job.day}",
        )


def check_metrics(outcomes: tuple[CheckOutcome, ...]) -> dict[str, Metric]:
    """What a manifest keeps of the checks."""
    return {
        OUTCOMES: write_outcomes(outcomes),
        "check_warnings": sum(not outcome.passed for outcome in outcomes),
    }


def _structure(
    job: DayJob, work: Work, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
) -> Iterator[CheckOutcome]:
    for finding in _findings(job, work, tables, metrics):
        on_failure = _on_failure(job, finding.name)
        if on_failure != "skip":
            yield CheckOutcome(
                finding.name,
                passed=not finding.fault,
                blocking=on_failure == "block",
                description=finding.fault or "as it must be",
                numbers=finding.numbers,
            )


def _findings(
    job: DayJob, work: Work, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
) -> Iterator[Finding]:
    strange = _strange_columns(job, tables)
    if not _skips(job, "contract"):
        yield _contract(job, tables, strange)
    # Statements cannot be run over columns that are not there; the contract has failed then.
    if isinstance(work, CheckedWork) and not strange:
        yield from work.find_faults(tables, metrics)


def _on_failure(job: DayJob, name: str) -> str:
    checks = job.spec.checks
    return (checks.source_rows if name == "source_rows" else checks.structure).on_failure


def _skips(job: DayJob, name: str) -> bool:
    return _on_failure(job, name) == "skip"


def _strange_columns(job: DayJob, tables: Mapping[str, AuditedTable]) -> list[str]:
    """Tables whose columns or types are not those of their contract, as the engine sees them."""
    faults = []
    for name, table in tables.items():
        seen = job.backend.engine.describe(FileRelation(table.uris)) if table.uris else table.columns
        if seen != table.columns:
            faults.append(f"{name} has columns {_listed(seen)}, its contract says {_listed(table.columns)}")
    return faults


def _contract(job: DayJob, tables: Mapping[str, AuditedTable], strange: list[str]) -> Finding:
    rows = _counted(job, {name: table for name, table in tables.items() if table.uris})
    wrong = [
        f"{name} has {rows.get(name, 0):,} rows, {table.rows:,} were written"
        for name, table in tables.items()
        if rows.get(name, 0) != table.rows
    ]
    numbers = {f"{name}_rows": rows.get(name, 0) for name in tables}
    return Finding("contract", "; ".join(strange + wrong), numbers)


def _counted(job: DayJob, tables: Mapping[str, AuditedTable]) -> dict[str, int]:
    if not tables:
        return {}
    statement = bind("checks/rows.sql", structure={"tables": tuple(tables)})
    counted = job.backend.engine.fetch(statement, {name: one.relation for name, one in tables.items()})
    return {str(row["name"]): int(row["rows"]) for row in counted.rows}


def _listed(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def _histograms(tables: Mapping[str, AuditedTable]) -> FileRelation | None:
    table = tables.get("histograms")
    return table.relation if table is not None and table.uris else None
