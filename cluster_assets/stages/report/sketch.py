"""The sketch of a day: the worker measures a sample of its points against each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec.structs import replace

from cluster_assets.backends.statements import bind
from cluster_assets.domain.scratch_tables import sketched_contract
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.profiles.measures import room_for
from cluster_assets.stages.profiles.spaces import space_of
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract.sketches import SketchEvent, SketchReply, sketch_memory_mb, sketch_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import FileRelation, WrittenFile
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.clusters.inputs import PinnedDay
    from cluster_assets.stages.worker.invocations import Invocations
    from cluster_assets.stages.worker.kept_tables import KeptTables
    from cluster_assets.stages.worker.plans import DayFacts

SAMPLE = 250
"""Approximate number of points that are measured."""

KEPT = 10
"""Points that are sampled of each step; one alone would halve a day that is a little too large."""

_FEWEST = 16
_MEASURE_S = 0.5  # of measuring; with costly distances the sample is smaller
_PLANE = 2


def sketch_day(
    day: PinnedDay,
    clusters: FileRelation,
    worker: Invocations,
    tables: KeptTables,
    sizes: Mapping[str, float],
) -> SketchReply:
    """Sample the points of a day and let the worker measure them.

    Args:
        day: Provides the points; candidates are not read.
        clusters: The table `clusters`.
        worker: Runs the event.
        tables: Keeps the sample.
        sizes: Mean length of the sets and texts of the day, by column.

    Raises:
        WorkerError: The invocation failed permanently.
    """
    if not day.point_count:
        return SketchReply(ok=True)
    spec = day.job.spec
    room = room_for(spec, day.memory_mb, sizes)
    step = max(KEPT, -(-day.point_count * KEPT // sample_points(room.pair_us)))
    sampled = _sample(day, clusters, tables, step)
    count = sum(file.rows for file in sampled)
    if not count:
        return SketchReply(ok=True)
    event = SketchEvent(
        points=tuple(file.uri for file in sampled),
        point_count=count,
        threshold=spec.distance.threshold if spec.distance else 0.0,
        projects=projects(spec),
        linkage=spec.algorithm.hierarchy,
        seconds=round(sketch_seconds(count, room.pair_us, projects=projects(spec)), 1),
        **space_of(day),
    )
    (answer,) = worker.run([replace(event, record=f"{worker.address_of(event)}.json")])
    reply: SketchReply = answer.reply
    return reply


def _sample(day: PinnedDay, clusters: FileRelation, tables: KeptTables, step: int) -> tuple[WrittenFile, ...]:
    columns = features.columns_of(day.job.spec.features)
    names = tuple(f'"{column.name}"' for column in columns)
    statement = bind("report/sketched.sql", structure={"columns": names}, values={"step": step, "kept": KEPT})
    relations = {"points": day.points_relation, "clusters": clusters}
    return tables.write(statement, relations, sketched_contract(columns)).files


def sample_points(pair_us: float) -> int:
    """Return about how many points to measure.

    Args:
        pair_us: Microseconds per distance.
    """
    return max(_FEWEST, min(SAMPLE, math.isqrt(int(_MEASURE_S * 1e6 / pair_us))))


def projects(spec: PipelineSpec) -> bool:
    """Return whether points have more dimensions than a map shows."""
    kind = spec.features.kind
    if kind == "vector":
        return len(features.columns_of(spec.features)) > _PLANE
    return kind in ("embedding", "text", "mixed")


def plan_sketch(facts: DayFacts) -> Plan:
    """Return the event of the stage `report`."""
    room = room_for(facts.spec, facts.memory_mb, {})
    count = min(facts.points, sample_points(room.pair_us))
    seconds = sketch_seconds(count, room.pair_us, projects=projects(facts.spec))
    memory = sketch_memory_mb(count, room.point_bytes, len(facts.spec.features.mixed or ()))
    return Plan((facts.step(SketchEvent, 1, seconds, memory),))
