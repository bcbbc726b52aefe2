"""The audit of a day: checks of a stage's output before readers can see it.

Write, audit, publish (docs/decisions/0009-checks-before-publication.md): SQL checks the tables of a draft in
place. If a blocking check fails, the draft is not committed and readers keep the previous version.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import CheckFailedError
from cluster_assets.domain.expectations import CheckOutcome, read_outcomes, write_outcomes
from cluster_assets.stages.day.findings import AuditedTable, CheckedWork, Finding
from cluster_assets.stages.day.stage import CONTRACT
from cluster_assets.stages.day.trends import compare_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import Column
    from cluster_assets.stages.day.job import DayJob, StageOutput, Work
    from cluster_assets.stages.day.stage import Stage


OUTCOMES = "checks"
"""The manifest metric that holds the check outcomes, as JSON."""


def check_draft(stage: Stage, job: DayJob, work: Work, output: StageOutput) -> tuple[CheckOutcome, ...]:
    """Run every check on a computed day.

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


def check_published(stage: Stage, job: DayJob, work: Work, manifest: Manifest) -> tuple[CheckOutcome, ...]:
    """Return the outcomes of a published day: those its manifest recorded, with the trends compared again.

    Comparisons with earlier days are not read from the manifest, because days may be added and thresholds may
    change after publication.
    """
    tables = {
        name: AuditedTable(table.columns, job.ledger.uris(manifest, name), table.rows)
        for name, table in manifest.tables.items()
    }
    recorded = {outcome.name: outcome for outcome in recorded_outcomes(manifest)}
    wanted = [check.name for check in stage.all_checks if not _skips(job, check.name)]
    if all(name in recorded for name in wanted):
        # Today's YAML decides what a failure means.
        structure = tuple(
            replace(recorded[name], blocking=_on_failure(job, name) == "block") for name in wanted
        )
    else:
        structure = tuple(_structure(job, work, tables, manifest.metrics))
    return (*structure, *compare_day(stage, job, manifest.metrics, _histograms(tables)))


def recorded_outcomes(manifest: Manifest) -> tuple[CheckOutcome, ...]:
    """Return the check outcomes that were recorded when the day was published."""
    return read_outcomes(str(manifest.metrics.get(OUTCOMES, "[]")))


def refuse_blocked(job: DayJob, stage: str, outcomes: tuple[CheckOutcome, ...], where: str) -> None:
    """Raise unless all blocking checks of a day passed.

    Raises:
        CheckFailedError: One or more failed.
    """
    blocked = [outcome for outcome in outcomes if outcome.blocks]
    if blocked:
        said = "; ".join(f"{outcome.name}: {outcome.description}" for outcome in blocked)
        raise CheckFailedError(
            f"{stage} of {job.day} failed {counted(len(blocked), 'blocking check')}: {said}",
            outcomes=outcomes,
            where=where,
            remedy="readers keep what was published before; look at the files, correct the cause and run the "
            f"day again: cluster-assets run {job.spec.name} --day {job.day}",
        )


def check_metrics(outcomes: tuple[CheckOutcome, ...]) -> dict[str, Metric]:
    """Return the metrics under which a manifest keeps the check outcomes."""
    return {
        OUTCOMES: write_outcomes(outcomes),
        "check_warnings": sum(not outcome.passed for outcome in outcomes),
    }


def _structure(
    job: DayJob, work: Work, tables: Mapping[str, AuditedTable], metrics: Mapping[str, Metric]
) -> Iterator[CheckOutcome]:
    strange = _strange_columns(job, tables)
    findings = [] if _skips(job, CONTRACT.name) else [_contract(job, tables, strange)]
    # Statements cannot run over missing columns; in that case the contract check has already failed.
    if isinstance(work, CheckedWork) and not strange:
        findings += work.find_faults(tables, metrics)
    for finding in findings:
        on_failure = _on_failure(job, finding.name)
        if on_failure != "skip":
            yield CheckOutcome(
                finding.name,
                passed=not finding.fault,
                blocking=on_failure == "block",
                description=finding.fault or "no problems found",
                numbers=finding.numbers,
            )


def _on_failure(job: DayJob, name: str) -> str:
    return job.spec.checks.structure_part(name).on_failure


def _skips(job: DayJob, name: str) -> bool:
    return _on_failure(job, name) == "skip"


def _strange_columns(job: DayJob, tables: Mapping[str, AuditedTable]) -> list[str]:
    """Return the tables whose columns or types, as read by the engine, differ from their contract."""
    faults = []
    for name, table in tables.items():
        seen = job.backend.engine.describe(FileRelation(table.uris)) if table.uris else table.columns
        if seen != table.columns:
            faults.append(f"{name} has columns {_listed(seen)}, its contract says {_listed(table.columns)}")
    return faults


def _contract(job: DayJob, tables: Mapping[str, AuditedTable], strange: list[str]) -> Finding:
    engine = job.backend.engine
    rows = {name: engine.stored_rows(table.relation) for name, table in tables.items()}
    wrong = [
        f"{name} has {counted(rows[name], 'row')}, {counted(table.rows, 'was', 'were')} written"
        for name, table in tables.items()
        if rows[name] != table.rows
    ]
    numbers = {f"{name}_rows": count for name, count in rows.items()}
    return Finding(CONTRACT.name, "; ".join(strange + wrong), numbers)


def _listed(columns: tuple[Column, ...]) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in columns)


def _histograms(tables: Mapping[str, AuditedTable]) -> FileRelation | None:
    table = tables.get("histograms")
    return table.relation if table is not None and table.uris else None
