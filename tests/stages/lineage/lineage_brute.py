"""Lineage in plain Python over sets of entities: the reference for the statements."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lineage_chains import Day

MATCH, PART, GROWTH, SIMILAR = 0.5, 0.25, 0.2, 0.5


@dataclass(frozen=True)
class Known:
    """A cluster as it was seen last."""

    day: str
    cluster: int
    first_seen: str


@dataclass(frozen=True)
class Pair:
    """A cluster of today and a known one."""

    cluster: int
    known: str
    shared: int
    jaccard: float
    kept: float
    share: float
    similarity: float

    @property
    def tier(self) -> int:
        """0: one by entities, 1: one by features, 2: not one."""
        if max(self.kept, self.share) >= MATCH:
            return 0
        return 1 if self.similarity >= SIMILAR else 2


def replay(days: Mapping[str, Day], gap_days: int = 7) -> dict[str, list[dict[str, Any]]]:
    """The rows of every day, days taken in order."""
    told: dict[str, list[dict[str, Any]]] = {}
    known: dict[str, Known] = {}
    previous = ""
    for day in sorted(days):
        known = {sid: one for sid, one in known.items() if _apart(one.day, day) <= gap_days}
        if previous and _apart(previous, day) > gap_days:
            previous = ""
        told[day], known = _tell(day, previous, known, days)
        previous = day
    return told


def _apart(before: str, after: str) -> int:
    return (dt.date.fromisoformat(after) - dt.date.fromisoformat(before)).days


def _members(day: Day, cluster: int) -> set[str]:
    return {entity for entity, seen in day.items() if seen.cluster == cluster}


def _alike(one: list[str], other: list[str]) -> float:
    a, b = Counter(one), Counter(other)
    return sum(min(a[value] * len(other), b[value] * len(one)) for value in a) / (len(one) * len(other))


def _pairs(day: str, known: Mapping[str, Known], days: Mapping[str, Day]) -> list[Pair]:
    today = days[day]
    found = []
    for cluster in sorted({seen.cluster for seen in today.values()} - {-1}):
        now = _members(today, cluster)
        for sid, one in known.items():
            then = days[one.day]
            before = _members(then, one.cluster)
            shared = now & before
            similarity = _alike([today[e].value for e in now], [then[e].value for e in before])
            if shared or similarity:
                found.append(
                    Pair(
                        cluster,
                        sid,
                        len(shared),
                        len(shared) / len(now | before),
                        len(shared) / max(1, len(before & today.keys())),
                        len(shared) / max(1, len(now & then.keys())),
                        similarity,
                    )
                )
    return found


def _mutual(pairs: Iterable[Pair], known: Mapping[str, Known]) -> dict[int, Pair]:
    """Those that are each other's best."""

    def score(pair: Pair) -> tuple[Any, ...]:
        return (pair.tier, -pair.jaccard, -pair.similarity)

    def by_today(pair: Pair) -> tuple[Any, ...]:
        one = known[pair.known]
        return (*score(pair), -dt.date.fromisoformat(one.day).toordinal(), one.cluster)

    open_pairs = [pair for pair in pairs if pair.tier < 2]
    best_today = {
        cluster: min((p for p in open_pairs if p.cluster == cluster), key=by_today)
        for cluster in {p.cluster for p in open_pairs}
    }
    best_before = {
        sid: min((p for p in open_pairs if p.known == sid), key=lambda p: (*score(p), p.cluster))
        for sid in {p.known for p in open_pairs}
    }
    return {c: p for c, p in best_today.items() if best_before[p.known] is p}


def _tell(
    day: str, previous: str, known: Mapping[str, Known], days: Mapping[str, Day]
) -> tuple[list[dict[str, Any]], dict[str, Known]]:
    pairs = _pairs(day, known, days)
    alive = [pair for pair in pairs if known[pair.known].day == previous]
    lives = _mutual(alive, known)
    taken = {pair.known for pair in lives.values()}
    lives |= _mutual([p for p in alive if p.cluster not in lives and p.known not in taken], known)
    taken = {pair.known for pair in lives.values()}
    back = _mutual([p for p in pairs if known[p.known].day < previous and p.cluster not in lives], known)
    heirs = lives | back
    sizes = Counter(seen.cluster for seen in days[day].values() if seen.cluster >= 0)
    splits = [
        p
        for p in alive
        if p.shared and p.cluster not in lives and p.known in taken
        if p.kept >= PART or p.shared >= MATCH * sizes[p.cluster]
    ]
    mergers = [
        p
        for p in alive
        if p.shared
        and p.known not in taken
        and p.kept >= MATCH
        and p.share >= PART
        and p not in heirs.values()
    ]
    trunks = {p.known for p in splits if p.kept >= PART}
    ids = {
        cluster: heirs[cluster].known if cluster in heirs else f"{day.replace('-', '')}-{cluster:06d}"
        for cluster in sizes
    }
    rows = []
    for cluster, size in sizes.items():
        heir = heirs.get(cluster)
        ours = [p for p in mergers if p.cluster == cluster]
        parts = [p for p in splits if p.cluster == cluster]
        before = len(_members(days[known[heir.known].day], known[heir.known].cluster)) if heir else 0
        if cluster in back:
            event = "reappeared"
        elif len(ours) + (heir is not None) >= 2:
            event = "merged"
        elif parts or (heir and heir.known in trunks):
            event = "split"
        elif heir is None:
            event = "born"
        else:
            event = "grown" if size > 1.2 * before else "shrunk" if size < 0.8 * before else "continued"
        origins = ours if event == "merged" else parts if event == "split" else []
        largest = min(origins, key=lambda p: (-p.shared, -p.jaccard, known[p.known].cluster), default=None)
        shown = heir or largest
        rows.append(
            {
                "stable_id": ids[cluster],
                "cluster": cluster,
                "event": event,
                "previous_cluster": known[shown.known].cluster if shown else None,
                "previous_day": known[shown.known].day if shown else None,
                "shared": shown.shared if shown else 0,
                "jaccard": shown.jaccard if shown else 0.0,
                "entities": size,
                "first_seen": known[heir.known].first_seen if heir else day,
                "evidence": None if heir is None else ("entities", "features")[heir.tier],
                "parent": largest.known if largest else None,
                "successor": None,
            }
        )
    for sid, one in known.items():
        if one.day == previous and sid not in taken:
            near = [p for p in alive if p.known == sid and p.shared and p.kept >= PART]
            heir = min(near, key=lambda p: (-p.shared, -p.jaccard, p.cluster), default=None)
            rows.append(
                {
                    "stable_id": sid,
                    "cluster": None,
                    "event": "died",
                    "previous_cluster": one.cluster,
                    "previous_day": one.day,
                    "shared": heir.shared if heir else 0,
                    "jaccard": heir.jaccard if heir else 0.0,
                    "entities": 0,
                    "first_seen": one.first_seen,
                    "evidence": None,
                    "parent": None,
                    "successor": ids[heir.cluster] if heir else None,
                }
            )
    now = {
        sid: Known(day, cluster, known[sid].first_seen if sid in known else day)
        for cluster, sid in ids.items()
    }
    return sorted(rows, key=lambda row: str(row["stable_id"])), {**known, **now}
