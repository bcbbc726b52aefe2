"""Naming the clusters of a day: facts and earlier names in, the table `names` out.

The days form a chain, as those of lineage do: a day keeps the names of the day before that are still true.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.statements import bind, literal
from cluster_assets.domain.tables import NAMES
from cluster_assets.stages.day.sql import WrittenTable
from cluster_assets.stages.lineage.memory import oldest_of
from cluster_assets.stages.profiles.names import Name, Options, Subject, choose_names, options_for
from cluster_assets.stages.profiles.phrases import Fact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from cluster_assets.backends.ports import Relation, SqlEngine, WrittenFile
    from cluster_assets.backends.statements import Value
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Attempt, Ledger

NAMING = "1"
"""Increased when the rules of names change, so that days are named anew."""

_CLUSTERS = 5_000  # whose facts are read at a time
_RANKS = 6
_LINES_BYTES = 100_000  # of a statement; Athena's limit is 262,144 bytes, and quotes count twice


def names_before(job: DayJob) -> Manifest | None:
    """Return the previous published day of profiles that has names, if it is close enough to depend on."""
    oldest = oldest_of(job.spec, job.day)
    before = [day for day in job.ledger.days("profiles") if oldest <= day < job.day]
    manifest = job.ledger.require("profiles", before[-1]) if before else None
    return manifest if manifest is not None and NAMES.name in manifest.tables else None


def names_by_day(ledger: Ledger, engine: SqlEngine, stable_id: str) -> Mapping[str, str]:
    """Return the names of a cluster by day; days that an earlier version published have none."""
    days = [manifest for day in ledger.days("profiles") if (manifest := ledger.current("profiles", day))]
    uris = sorted(uri for day in days if NAMES.name in day.tables for uri in ledger.uris(day, NAMES.name))
    statement = bind("profiles/life.sql", values={"stable_id": stable_id})
    rows = engine.fetch(statement, {"names": FileRelation(tuple(uris), columns=NAMES.columns)}).rows
    return {str(row["day"]): str(row["name"]) for row in rows}


class Naming:
    """Names the clusters of one attempt at a day.

    Args:
        job: The day.
        attempt: Where the table is written.
        before: The day whose names are known; None if there is none.

    Attributes:
        numbers: Metrics of the day: names that were kept and new ones.
    """

    def __init__(self, job: DayJob, attempt: Attempt, before: Manifest | None) -> None:
        self._sql = job.sql
        self._folder = attempt.prefix_uri(NAMES.name)
        self._oldest = oldest_of(job.spec, job.day).key
        self._before = job.ledger.relation(before, NAMES.name) if before else _EMPTY
        self.numbers: dict[str, Metric] = {}

    def write(self, relations: Mapping[str, Relation], clusters: int) -> WrittenTable:
        """Choose the names and write the table.

        Args:
            relations: The tables `lineage`, `clusters`, `medoids` and `cluster_features`.
            clusters: Number of clusters of the day.
        """
        options: list[Options] = []
        remembered: list[str] = []
        for first in range(0, clusters, _CLUSTERS):
            for rows in self._facts(relations, first):
                if rows[0]["cluster"] is None:
                    remembered += [str(row["name"]) for row in rows]
                else:
                    options.append(options_for(_subject(rows)))
        names = choose_names(options, remembered)
        kept = sum(name.is_kept for name in names.values())
        self.numbers = {"kept_names": kept, "new_names": len(names) - kept}
        files: tuple[WrittenFile, ...] = ()
        read = {name: relations[name] for name in ("lineage", "clusters", "medoids")}
        for number, lines in enumerate(_batches(_lines(names))):
            with_remembered = number == 0 and bool(self._before.uris)
            statement = bind(
                "profiles/names.sql",
                structure={"with_remembered": with_remembered},
                values={"oldest": self._oldest} if with_remembered else {},
                expressions={"lines": literal(lines)},
            )
            folder = f"{self._folder}/{number}"
            files += self._sql.unload(statement, {**read, "before": self._before}, NAMES, folder).files
        return WrittenTable(files, NAMES)

    def write_remembered(self, lineage: Relation) -> WrittenTable:
        """Write the names of clusters that do not exist today but may reappear, on a day without clusters."""
        if not self._before.uris:
            return WrittenTable((), NAMES)
        statement = bind("profiles/remembered.sql", values={"oldest": self._oldest})
        relations = {"lineage": lineage, "before": self._before}
        return self._sql.unload(statement, relations, NAMES, f"{self._folder}/remembered")

    def _facts(self, relations: Mapping[str, Relation], first: int) -> Iterator[list[Mapping[str, Any]]]:
        """Yield the rows of each cluster; those without a cluster have the names of other clusters."""
        values: dict[str, Value] = {
            "first": first,
            "last": first + _CLUSTERS - 1,
            "most": _RANKS,
            "oldest": self._oldest,
        }
        rows = self._sql.fetch(
            bind("profiles/naming.sql", values=values), {**relations, "before": self._before}
        )
        for _, found in groupby(rows, key=lambda row: row["cluster"]):
            yield list(found)


_EMPTY: FileRelation = WrittenTable((), NAMES).relation


def _subject(rows: list[Mapping[str, Any]]) -> Subject:
    first = rows[0]
    facts = tuple(
        Fact(
            kind=str(row["kind"]),
            feature=str(row["feature"]),
            value=row["value"],
            share=row["share"],
            day_share=row["day_share"],
            zscore=row["zscore"],
            latitude=row["latitude"],
            longitude=row["longitude"],
            radius_m=row["radius_m"],
        )
        for row in rows
        if row["kind"] is not None
    )
    return Subject(
        cluster=int(first["cluster"]),
        stable_id=str(first["stable_id"]),
        medoid=str(first["medoid"]),
        facts=facts,
        earlier=first["name"] or "",
        basis=first["basis"] or "[]",
        has_medoid=first["seen_in"] in (None, first["cluster"]),
    )


def _lines(names: Mapping[int, Name]) -> Iterator[str]:
    for cluster, name in sorted(names.items()):
        yield "\t".join((str(cluster), "kept" if name.is_kept else "new", name.text, name.basis))


def _batches(lines: Iterable[str]) -> Iterator[str]:
    """Join lines to texts of at most `_LINES_BYTES`."""
    batch: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode()) + 1
        if batch and size + length > _LINES_BYTES:
            yield "\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += length
    if batch:
        yield "\n".join(batch)
