"""Invariants of all lives of a pipeline, checked on its published tables only."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_assets.stages.ledger.ledger import Ledger

ENTRIES = {"born", "split", "merged"}  # the events by which a cluster may begin


def read(ledger: Ledger, stage: str, table: str) -> list[dict[str, Any]]:
    """A table of all published days, with the day as `partition`."""
    rows = []
    for day in ledger.days(stage):
        manifest = ledger.require(stage, day)
        uris = list(ledger.uris(manifest, table))
        if uris:
            found = duckdb.sql(f"SELECT * FROM read_parquet({uris}, hive_partitioning = false)")
            rows += [
                dict(zip(found.columns, row, strict=True)) | {"partition": day.key}
                for row in found.fetchall()
            ]
    return rows


def check_lives(ledger: Ledger) -> int:
    """Replay every id; returns how many there are.

    Raises:
        AssertionError: A life contradicts itself, or the clusters.
    """
    rows = read(ledger, "lineage", "lineage")
    _check_against_clusters(ledger, rows)
    lives: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        assert row["day"] == row["partition"]
        lives[row["stable_id"]].append(row)
    for stable_id, life in lives.items():
        _check_life(stable_id, life)
    _check_relatives(rows, read(ledger, "lineage", "overlaps"))
    return len(lives)


def _check_against_clusters(ledger: Ledger, rows: list[dict[str, Any]]) -> None:
    """Each cluster of a day has one row, with its size; noise has none."""
    sizes: defaultdict[tuple[str, int], int] = defaultdict(int)
    for row in read(ledger, "clusters", "clusters"):
        if row["cluster"] >= 0:
            sizes[row["partition"], row["cluster"]] += 1
    told = [((row["day"], row["cluster"]), row["entities"]) for row in rows if row["cluster"] is not None]
    assert dict(told) == dict(sizes)
    assert len(told) == len(sizes)


def _check_life(stable_id: str, life: list[dict[str, Any]]) -> None:
    """Born once, on the day the id tells; at most one row a day; nothing after death but a reappearance."""
    assert len({row["day"] for row in life}) == len(life), stable_id
    first, *rest = life
    assert first["event"] in ENTRIES, stable_id
    assert first["evidence"] is None
    assert stable_id == f"{first['day'].replace('-', '')}-{first['cluster']:06d}"
    for before, row in zip(life, rest, strict=False):
        assert row["first_seen"] == first["day"], stable_id
        assert row["event"] != "born", stable_id
        if before["event"] == "died":
            assert row["event"] == "reappeared", stable_id
            assert row["previous_day"] == before["last_seen"]
        else:
            assert row["event"] != "reappeared", stable_id
            assert (row["previous_day"], row["previous_cluster"]) == (before["day"], before["cluster"])
            assert row["previous_entities"] == before["entities"]
        assert (row["cluster"] is None) == (row["event"] == "died")
        assert row["last_seen"] == (before["day"] if row["event"] == "died" else row["day"]), stable_id


def _check_relatives(rows: Iterable[dict[str, Any]], overlaps: Iterable[dict[str, Any]]) -> None:
    """A cluster that split or merged has relatives that existed the day before."""
    alive = {(row["day"], row["cluster"]): row["stable_id"] for row in rows if row["cluster"] is not None}
    relations: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for pair in overlaps:
        assert alive[pair["day"], pair["cluster"]] == pair["stable_id"]
        assert alive[pair["previous_day"], pair["previous_cluster"]] == pair["previous_stable_id"]
        if pair["relation"] == "same":
            assert pair["stable_id"] == pair["previous_stable_id"]
        relations[pair["day"], pair["relation"] or ""].add(pair["stable_id"])
        relations[pair["day"], f"{pair['relation']} of"].add(pair["previous_stable_id"])
    for row in rows:
        if row["event"] == "split":
            sides = relations[row["day"], "split"] | relations[row["day"], "split of"]
            assert row["stable_id"] in sides, row
            assert row["parent"] is None or row["parent"] in relations[row["day"], "split of"]
        if row["event"] == "merged":
            assert row["stable_id"] in relations[row["day"], "merge"], row
            assert row["parent"] in relations[row["day"], "merge of"]
        if row["event"] == "died":
            assert row["stable_id"] not in {sid for (day, _), sid in alive.items() if day == row["day"]}
