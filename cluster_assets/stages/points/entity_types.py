"""Comparison of the types of the entity columns with those of the last published day.

Lineage identifies entities by their text. If a column changes its type, all texts may change, and every
cluster would die.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cluster_assets.domain.column_types import can_cast, has_same_texts
from cluster_assets.domain.digests import canonical_json
from cluster_assets.spec.expressions import columns_of, parse_expression
from cluster_assets.stages.day.findings import Finding
from cluster_assets.stages.raw.files import can_declare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.raw.source import DaySource

COLUMN_TYPES = "column_types"
"""The metric of `raw` that holds the types of the columns read, as JSON."""


def types_metric(found: Mapping[str, str]) -> dict[str, Metric]:
    """Return the metric that a manifest of `raw` keeps; columns without values have no type."""
    return {COLUMN_TYPES: canonical_json(dict(found))}


def compare_types(job: DayJob, source: DaySource, metrics: Mapping[str, Metric]) -> Finding:
    """The check `entity_types`: entities have the same text form as on earlier days.

    A column that `raw.columns` declares has the type that the user chose, and passes.
    """
    found = _types(metrics)
    names = [name for name in columns_of(parse_expression(job.spec.entity)) if name in found]
    faults = []
    days = job.trailing.before(job.ledger, "raw", job.day, job.spec.checks.days)
    for name in names:
        before = next((one for one in reversed(days) if name in _types(one.metrics)), None)
        if before is None or name in job.spec.raw.columns:
            continue
        was = _types(before.metrics)[name]
        if not has_same_texts(was, found[name]):
            faults.append(
                _fault(
                    name,
                    (was, found[name]),
                    before,
                    declares=can_declare(job.backend.engine, source.relation),
                )
            )
    return Finding("entity_types", "; ".join(faults), {name: found[name] for name in names})


def _fault(name: str, types: tuple[str, str], before: Manifest, *, declares: bool) -> str:
    was, now = types
    as_before = (
        f"declare raw.columns: {{{name}: {was}}}"
        if declares and can_cast(now, was)
        else f"cast {name} to {was} in a view over the source, and name that under raw.table"
    )
    return (
        f"the entity's column {name} is {now}, and was {was} on {before.day}: with other texts all entities "
        f"would be new, and all clusters die. To keep their texts, {as_before}; to take the new ones, "
        f"declare raw.columns: {{{name}: {now}}}"
    )


def _types(metrics: Mapping[str, Metric]) -> dict[str, str]:
    found: dict[str, str] = json.loads(str(metrics.get(COLUMN_TYPES, "{}")))
    return found
