"""What always holds for points, candidates and clusters, checked by SQL next to their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster_assets import features
from cluster_assets.algorithm_spec import Dbscan
from cluster_assets.sql_files import bind
from cluster_assets.stages.checks import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.algorithm_spec import Algorithm
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.ports import Relation, Statement
    from cluster_assets.stages.checks import AuditedTable
    from cluster_assets.stages.stage import DayJob

_DENSITY_ROLES = ("core", "border", "noise")


def check_points(job: DayJob, tables: Mapping[str, AuditedTable]) -> Iterator[Finding]:
    """Ids 0..n-1, each entity once, each weight the number of members."""
    if job.spec.checks.structure.on_failure == "skip":
        return
    relations = {name: tables[name].relation for name in ("points", "members")}
    seen = _row(job, bind("checks/points.sql"), relations)
    gaps = _not_dense("point ids", tables["points"].rows, seen["ids"], seen)
    yield Finding("ids_dense", gaps, _subset(seen, "points"))
    faults = []
    if seen["entities"] != seen["members"]:
        repeated = seen["members"] - seen["null_entities"] - seen["entities"]
        faults.append(f"{repeated:,} rows of members repeat an entity, {seen['null_entities']:,} have none")
    if seen["wrong_weights"]:
        faults.append(
            f"{seen['wrong_weights']:,} points have a weight that is not the number of their members"
        )
    yield Finding("entities_once", "; ".join(faults), _subset(seen, "members", "entities", "weight"))


def check_source_rows(
    job: DayJob,
    recorded: Mapping[str, Metric],
    source: tuple[Relation, Mapping[str, str]],
    counted: Mapping[str, int],
) -> Iterator[Finding]:
    """Rows in, rows out: the source counted once more, against what `raw` recorded and what points hold.

    Args:
        job: The day.
        recorded: Metrics of `raw`.
        source: What the points were made from, and the types of its columns.
        counted: Entities that points hold, and those that were left out for their features.
    """
    if job.spec.checks.source_rows.on_failure == "skip":
        return
    relation, schema = source
    seen = _row(job, features.source_counts(job.spec, job.day, schema), {"raw": relation})
    faults = []
    for name, key in (("rows", "rows"), ("null_entities", "null_entity_rows")):
        if seen[name] != int(recorded[key]):
            faults.append(f"the source has {seen[name]:,} {name} now, raw counted {int(recorded[key]):,}")
    held = counted["entities"] + counted["excluded"]
    if seen["entities"] != held:
        faults.append(
            f"the source has {seen['entities']:,} entities, {counted['entities']:,} are in members "
            f"and {counted['excluded']:,} were left out for their features"
        )
    yield Finding("source_rows", "; ".join(faults), seen)


def check_candidates(job: DayJob, points: int, tables: Mapping[str, AuditedTable]) -> Iterator[Finding]:
    """Pairs of existing points, the lower id first, within the threshold."""
    if job.spec.checks.structure.on_failure == "skip":
        return
    table = tables["candidates"]
    seen = {"highest": -1, "misplaced": 0, "misjudged": 0}
    if table.uris:
        values = {"threshold": float(job.spec.near.threshold)}
        seen = _row(job, bind("checks/candidates.sql", values=values), {"candidates": table.relation})
    faults = []
    if seen["misplaced"]:
        faults.append(f"{seen['misplaced']:,} pairs are not of two points, the lower id first")
    if seen["highest"] >= points:
        faults.append(f"a pair is of point {seen['highest']:,}, of {points:,} points")
    if seen["misjudged"]:
        faults.append(f"{seen['misjudged']:,} distances are no numbers from 0 to the threshold")
    numbers = {**_subset(seen, "misplaced", "misjudged"), "pairs": table.rows}
    yield Finding("pairs_valid", "; ".join(faults), numbers)


def check_clusters(
    job: DayJob, points: int, members: AuditedTable, tables: Mapping[str, AuditedTable]
) -> Iterator[Finding]:
    """Each member once with one label, labels 0..k-1, roles as the algorithm has them.

    Args:
        job: The day.
        points: Of the day.
        members: The published table, in which every entity is once.
        tables: Those of the draft.
    """
    if job.spec.checks.structure.on_failure == "skip":
        return
    roles = _roles(job.spec.algorithm)
    structure = {"roles": roles, "has_shared_points": points < members.rows}
    relations = {"clusters": tables["clusters"].relation, "members": members.relation}
    seen = _row(job, bind("checks/clusters.sql", structure=structure), relations)
    found = {"rows": seen["rows"], "entities": seen["rows"], "unmatched": 0}
    if seen["strangers"]:
        found = _row(job, bind("checks/entities.sql"), relations)
    faults = []
    if found["rows"] != found["entities"]:
        faults.append(f"{found['rows'] - found['entities']:,} rows repeat an entity or have none")
    if found["unmatched"]:
        faults.append(f"{found['unmatched']:,} entities are not those of members, on the same point")
    if seen["strangers"] and not faults:
        faults.append("its rows of entity and point are not those of members")
    yield Finding("entities_once", "; ".join(faults), found)
    faults = [_not_dense("clusters", seen["labels"], seen["labels"], seen)]
    if seen["torn_points"]:
        faults.append(f"{seen['torn_points']:,} points have entities in several clusters")
    yield Finding("labels_dense", "; ".join(filter(None, faults)), _subset(seen, "labels", "torn_points"))
    yield _roles_valid(seen, roles)


def _roles_valid(seen: Mapping[str, int], roles: tuple[str, ...]) -> Finding:
    faults = []
    if seen["strange_roles"]:
        faults.append(f"{seen['strange_roles']:,} entities have another role than {', '.join(roles)}")
    if seen["wrong_noise"]:
        faults.append(f"{seen['wrong_noise']:,} entities are noise in a cluster, or -1 without being noise")
    if "core" in roles and "member" not in roles and seen["coreless"]:
        faults.append(f"{seen['coreless']:,} clusters have no core")
    return Finding(
        "roles_valid", "; ".join(faults), _subset(seen, "strange_roles", "wrong_noise", "coreless")
    )


def _roles(algorithm: Algorithm) -> tuple[str, ...]:
    """What the role of an entity may be."""
    if isinstance(algorithm, Dbscan):
        return _DENSITY_ROLES
    return ("core", "member", "border", "noise")


def _not_dense(what: str, rows: int, distinct: int, seen: Mapping[str, int]) -> str:
    if not rows or (distinct == rows and seen["lowest"] == 0 and seen["highest"] == rows - 1):
        return ""
    return (
        f"{what} are {distinct:,} distinct of {rows:,}, from {seen['lowest']} to {seen['highest']}, "
        f"not 0 to {rows - 1}"
    )


def _row(job: DayJob, statement: Statement, relations: Mapping[str, Relation]) -> dict[str, int]:
    row: Mapping[str, Any] = job.backend.engine.fetch(statement, relations).rows[0]
    return {name: int(value) if value is not None else 0 for name, value in row.items()}


def _subset(seen: Mapping[str, int], *names: str) -> dict[str, int]:
    return {name: seen[name] for name in names}
