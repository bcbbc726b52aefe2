"""The events that will measure the clusters of a day for its profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.stages.profiles.measures import room_for
from cluster_assets.stages.worker.plans import Plan
from lambda_worker.contract.memory import number_seconds, shard_seconds
from lambda_worker.contract.profiles import (
    MedoidsEvent,
    SilhouettesEvent,
    SurveyEvent,
    measure_memory_mb,
    measure_seconds,
    survey_memory_mb,
)

if TYPE_CHECKING:
    from cluster_assets.stages.worker.plans import DayFacts


def plan_measures(facts: DayFacts) -> Plan:
    """Return the events of the stage `profiles`: a survey, medoids by bins of clusters, silhouettes."""
    points, latest = facts.points, facts.latest
    room = room_for(facts.spec, facts.memory_mb, {})
    parts = len(facts.spec.features.mixed or ())
    few = shard_seconds(1, 0, 0)
    bins = latest.number("bins")
    note = (
        "profiles: bins of clusters are unknown until the profiles of a day are published; 1 is priced"
        if bins is None
        else f"profiles: {counted(bins, 'bin')} of clusters, as on {latest.day}"
    )
    bins = 1 if bins is None else bins
    measured = min(points, room.silhouette_points)
    # Larger clusters are sampled to this many points, so they need no more distances per point.
    near = min(points, room.medoid_points)
    steps = [facts.step(SurveyEvent, 1, number_seconds(points), survey_memory_mb(points))]
    if bins:
        seconds = measure_seconds(points, points * near, room.pair_us) + bins * few
        memory = measure_memory_mb(-(-points // bins), near, room.point_bytes, parts)
        steps.append(facts.step(MedoidsEvent, bins, seconds, memory))
        seconds = measure_seconds(measured, measured**2, room.pair_us) + few
        memory = measure_memory_mb(measured, measured, room.point_bytes, parts)
        steps.append(facts.step(SilhouettesEvent, 1, seconds, memory))
    return Plan(tuple(steps), (note,))
