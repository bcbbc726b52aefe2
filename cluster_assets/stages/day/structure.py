"""Structure checks of points, candidates and clusters, run as SQL on their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster_assets.backends.statements import bind
from cluster_assets.domain.counts import counted
from cluster_assets.stages.day.findings import Finding
from cluster_assets.stages.day.stage import StructureCheck

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.backends.ports import Relation, Statement
    from cluster_assets.stages.day.findings import AuditedTable
    from cluster_assets.stages.day.job import DayJob

ENTITIES_ONCE = StructureCheck(
    "entities_once", "Every entity exactly once, on the point and with the weight it must have"
)
"""The check shared by points and clusters."""


def check_points(job: DayJob, tables: Mapping[str, AuditedTable]) -> Iterator[Finding]:
    """Check that ids are 0..n-1, each entity occurs once and each weight is the number of members."""
    if job.spec.checks.structure.on_failure == "skip":
        return
    relations = {name: tables[name].relation for name in ("points", "members")}
    seen = _row(job, bind("checks/points.sql"), relations)
    gaps = _not_dense("point ids", tables["points"].rows, seen["ids"], seen)
    yield Finding("ids_dense", gaps, _subset(seen, "points"))
    faults = []
    if seen["entities"] != seen["members"]:
        repeated = seen["members"] - seen["null_entities"] - seen["entities"]
        faults.append(
            f"rows of members that repeat an entity: {repeated:,}; without one: {seen['null_entities']:,}"
        )
    if seen["wrong_weights"]:
        faults.append(
            counted(seen["wrong_weights"], "point has", "points have")
            + " a weight other than the number of members"
        )
    yield Finding(ENTITIES_ONCE.name, "; ".join(faults), _subset(seen, "members", "entities", "weight"))


def check_source_rows(
    row: Mapping[str, Any], recorded: Mapping[str, int], kept: Mapping[str, int], miscounted: Sequence[str]
) -> Finding:
    """Compare a fresh count of the source rows with what `raw` recorded and with what `points` holds.

    Args:
        row: The fresh count: rows, null_entities, entities.
        recorded: The metrics `rows` and `null_entity_rows` of `raw`, added up over the days of a window.
        kept: Number of entities in `points`, and of those excluded because of their features.
        miscounted: Faults that a second reader found in the files of the source.
    """
    seen = {name: int(value) for name, value in row.items()}
    faults = []
    for name, key, noun in (
        ("rows", "rows", ("row", "rows")),
        ("null_entities", "null_entity_rows", ("row without entity", "rows without entity")),
    ):
        if seen[name] != recorded[key]:
            now = counted(seen[name], *noun)
            faults.append(f"the source has {now} now, raw counted {recorded[key]:,}")
    if seen["entities"] != kept["entities"] + kept["excluded"]:
        faults.append(
            f"the source has {counted(seen['entities'], 'entity')}, "
            f"{counted(kept['entities'], 'is', 'are')} in members "
            f"and {counted(kept['excluded'], 'was', 'were')} left out for their features"
        )
    faults += miscounted
    return Finding("source_rows", "; ".join(faults), seen)


def check_candidates(job: DayJob, points: int, tables: Mapping[str, AuditedTable]) -> Iterator[Finding]:
    """Check that pairs refer to existing points, lower id first, and are within the threshold."""
    if job.spec.checks.structure.on_failure == "skip":
        return
    table = tables["candidates"]
    seen = {"highest": -1, "misplaced": 0, "misjudged": 0}
    if table.uris:
        values = {"threshold": float(job.spec.near.threshold)}
        seen = _row(job, bind("checks/candidates.sql", values=values), {"candidates": table.relation})
    faults = []
    if seen["misplaced"]:
        faults.append(
            counted(seen["misplaced"], "pair is", "pairs are") + " not of two points, the lower id first"
        )
    if seen["highest"] >= points:
        faults.append(f"a pair is of point {seen['highest']:,}, of {counted(points, 'point')}")
    if seen["misjudged"]:
        faults.append(
            counted(seen["misjudged"], "distance is", "distances are") + " not between 0 and the threshold"
        )
    numbers = {**_subset(seen, "misplaced", "misjudged"), "pairs": table.rows}
    yield Finding("pairs_valid", "; ".join(faults), numbers)


def check_clusters(
    job: DayJob, points: int, members: AuditedTable, tables: Mapping[str, AuditedTable]
) -> Iterator[Finding]:
    """Check that each member has exactly one label, labels are 0..k-1 and roles are the algorithm's.

    Args:
        job: The day.
        points: Points of the day.
        members: The published table `members`, with each entity once.
        tables: Tables of the draft.
    """
    if job.spec.checks.structure.on_failure == "skip":
        return
    roles = job.spec.algorithm.roles
    structure = {"roles": roles, "has_shared_points": points < members.rows}
    relations = {"clusters": tables["clusters"].relation, "members": members.relation}
    seen = _row(job, bind("checks/clusters.sql", structure=structure), relations)
    found = {"rows": seen["rows"], "entities": seen["rows"], "unmatched": 0}
    if seen["strangers"]:
        found = _row(job, bind("checks/entities.sql"), relations)
    faults = []
    if found["rows"] != found["entities"]:
        faults.append(f"rows that repeat an entity, or have none: {found['rows'] - found['entities']:,}")
    if found["unmatched"]:
        faults.append(
            counted(found["unmatched"], "entity is", "entities are") + " not in members with the same point"
        )
    if seen["strangers"] and not faults:
        faults.append("its rows of entity and point are not those of members")
    yield Finding(ENTITIES_ONCE.name, "; ".join(faults), found)
    faults = [_not_dense("clusters", seen["labels"], seen["labels"], seen)]
    if seen["torn_points"]:
        faults.append(
            counted(seen["torn_points"], "point has", "points have") + " entities in several clusters"
        )
    yield Finding("labels_dense", "; ".join(filter(None, faults)), _subset(seen, "labels", "torn_points"))
    yield _roles_valid(seen, roles)


def _roles_valid(seen: Mapping[str, int], roles: tuple[str, ...]) -> Finding:
    faults = []
    if seen["strange_roles"]:
        faults.append(
            counted(seen["strange_roles"], "entity has", "entities have")
            + f" another role than {', '.join(roles)}"
        )
    if seen["wrong_noise"]:
        faults.append(
            counted(seen["wrong_noise"], "entity is", "entities are")
            + " noise in a cluster, or -1 without being noise"
        )
    if "core" in roles and "member" not in roles and seen["coreless"]:
        faults.append(counted(seen["coreless"], "cluster has", "clusters have") + " no core")
    return Finding(
        "roles_valid", "; ".join(faults), _subset(seen, "strange_roles", "wrong_noise", "coreless")
    )


def _not_dense(what: str, rows: int, distinct: int, seen: Mapping[str, int]) -> str:
    if not rows or (distinct == rows and seen["lowest"] == 0 and seen["highest"] == rows - 1):
        return ""
    return (
        f"{what} are {distinct:,} distinct of {rows:,}, from {seen['lowest']} to {seen['highest']}, "
        f"not 0 to {rows - 1}"
    )


def _row(job: DayJob, statement: Statement, relations: Mapping[str, Relation]) -> dict[str, int]:
    row: Mapping[str, Any] = job.sql.fetch(statement, relations)[0]
    return {name: int(value) if value is not None else 0 for name, value in row.items()}


def _subset(seen: Mapping[str, int], *names: str) -> dict[str, int]:
    return {name: seen[name] for name in names}
