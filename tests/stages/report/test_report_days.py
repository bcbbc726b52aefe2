"""Reports of real days: every kind of feature, values equal to the tables, published like other results."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.assets.records import BILLED, day_metadata
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import UpstreamMissingError
from cluster_assets.stages.day.publish import publish_day
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.report.facts import day_numbers
from cluster_assets.stages.report.stage import ReportStage, console_url
from cluster_assets.stages.sequence import STAGES
from cluster_assets.stages.snapshots import read_snapshot

sys.path.insert(0, str(Path(__file__).parent))

from html_page import read_page

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.stages.report.conftest import Days

    MakeDays = Callable[..., Days]

pytestmark = pytest.mark.long

DAY, NEXT = "2026-01-01", "2026-01-02"
# Twelve entities in three groups of four, and one alone; the next day the last group is gone.
ROWS = """
    SELECT 'e' || lpad(n::varchar, 2, '0') AS id, d AS day, n // 4 AS kind, n % 4 AS place,
        'port' || (n // 4) AS token, [cos(n // 4), sin(n // 4) + (n % 4) * 0.001] AS embedding
    FROM range(13) AS numbers(n), (VALUES ('2026-01-01'), ('2026-01-02')) AS days(d)
    WHERE d = '2026-01-01' OR n // 4 <> 2
"""
KINDS: dict[str, dict[str, Any]] = {
    "set": {"features": {"set": "token"}, "distance": {"metric": "jaccard", "threshold": 0.4}},
    "vector": {
        "features": {"vector": ["max(kind * 10.0)", "max(place * 0.1)", "max(place + 0.5)"]},
        "distance": {"metric": "euclidean", "threshold": 4.0},
    },
    "geo": {
        "features": {"geo": {"latitude": "max(kind * 20.0)", "longitude": "max(place * 0.01)"}},
        "distance": {"metric": "haversine", "threshold": 5000.0},
    },
    "text": {
        "features": {"text": "max(token || token || cast(place AS varchar))"},
        "distance": {"metric": "levenshtein", "threshold": 1},
    },
    "embedding": {
        "features": {"embedding": "max(embedding)"},
        "distance": {"metric": "cosine", "threshold": 0.05},
    },
    "mixed": {
        "features": {
            "mixed": {
                "kind": {"category": "max(token)"},
                "size": {"number": "max(place)"},
                "shown": {"set": "token"},
                "home": {"geo": {"latitude": "max(kind * 20.0)", "longitude": "max(place * 0.01)"}},
            }
        },
        "distance": {"metric": "gower", "threshold": 0.3},
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_pictures_and_a_page(days_of: MakeDays, kind: str) -> None:
    days = days_of(ROWS, **KINDS[kind])
    manifest = days.run(DAY)["report"].manifest
    inside = "tokens" if kind == "set" else "map"
    more = {"neighbours.svg"} if kind in ("vector", "text", "embedding", "mixed") else set()
    assert set(manifest.documents) == {
        "report.html", "pictures.md", "sizes.svg", f"{inside}.svg", "distances.svg", "flow.svg", "trend.svg",
    } | more  # fmt: skip
    body = days.document(DAY, "report.html")
    assert not re.search(rb"&amp;#?\w+;", body), "an entity is escaped twice"
    root = read_page(body)
    assert len(root.find("figure")) == len(manifest.documents) - 2
    (section,) = root.find("section", id="clusters")
    told = section.rows()
    truth = days.rows("profiles", DAY, "SELECT cluster, entities FROM t WHERE cluster >= 0")
    assert {(int(row["cluster"]), int(row["entities"])) for row in told} == set(truth)
    assert all(row["what distinguishes it"] for row in told)


def test_the_page_says_what_the_tables_say(days_of: MakeDays) -> None:
    days = days_of(ROWS, **KINDS["set"])
    days.run(DAY)
    days.run(NEXT)
    root = read_page(days.document(NEXT, "report.html"))
    before = days.ledger.require("report", parse_day(DAY))
    link = root.find("a")[0].attributes["href"]
    page = Path(days.ledger.document_uri(days.ledger.require("report", parse_day(NEXT)), "report.html"))
    assert (page.parent / link).resolve() == Path(days.ledger.document_uri(before, "report.html"))
    (listed,) = root.find("section", id="tables")
    shown = {row["table"]: int(row["rows"]) for row in listed.rows()}
    assert list(shown) == [
        "points", "members", "candidates", "clusters", "lineage", "overlaps", "profiles", "cluster_features"
    ]  # fmt: skip
    for table, rows in shown.items():
        uris = read_snapshot(days.ledger, table, parse_day(NEXT)).uris
        assert sum(len(duckdb.read_parquet(uri)) for uri in uris) == rows
    (clusters,) = root.find("section", id="clusters")
    told = [
        (row["name"], int(row["cluster"]), int(row["entities"]), int(row["points"]), row["medoid"],
         row["cohesion"], row["separation"], row["since"])
        for row in clusters.rows()
    ]  # fmt: skip
    profiles = days.rows(
        "profiles", NEXT,
        "SELECT name || ' ' || stable_id, cluster, entities, points, medoid, format('{:.3f}', cohesion), "
        "coalesce(format('{:.3f}', separation), '\u2013'), first_seen "
        "FROM t WHERE cluster >= 0 ORDER BY entities DESC, cluster",
    )  # fmt: skip
    assert told == profiles
    (events,) = root.find("section", id="events")
    changed = {
        (row["event"], row["name"].split()[-1], int(row["entities"]), int(row["shared"]))
        for row in events.rows()
    }
    lineage = days.rows("lineage", NEXT, "SELECT event, stable_id, entities, shared FROM t")
    assert changed == {row for row in lineage if row[0] != "continued"}
    assert "died" in {event for event, *_ in changed}
    head = dict(zip((e.text for e in root.find("dt")), (e.text for e in root.find("dd")), strict=True))
    manifests = {stage.name: days.ledger.require(stage.name, parse_day(NEXT)) for stage in STAGES}
    numbers = manifests["clusters"].metrics
    assert head["entities"] == str(numbers["entities"])
    assert head["clusters"] == str(numbers["clusters"])
    assert head["noise"] == f"{numbers['noise_ratio']:.1%}"
    (costs,) = root.find("section", id="cost")
    for row in costs.rows():
        assert row["seconds"] == f"{manifests[row['stage']].metrics['seconds']:,.2f}"
        assert row["version"] == str(manifests[row["stage"]].version)
    assert [row["stage"] for row in costs.rows()] == [
        stage.name for stage in STAGES if stage.name != "report"
    ]
    told_days = [
        (one.day.isoformat(), one.entities, one.clusters, one.noise)
        for one in day_numbers(days.job(NEXT), manifests["clusters"])
    ]
    assert told_days == [(DAY, 13, 3, 1), (NEXT, 9, 2, 1)]


def test_a_day_without_rows_has_a_report(days_of: MakeDays) -> None:
    days = days_of(ROWS, **KINDS["geo"])
    days.run("2026-01-05")
    root = read_page(days.document("2026-01-05", "report.html"))
    assert "No cluster on this day." in root.find("section", id="clusters")[0].text
    assert len(root.find("figure")) == 5


def test_the_metadata_shows_the_pictures_and_leads_to_the_page(days_of: MakeDays) -> None:
    days = days_of(ROWS, **KINDS["set"])
    days.run(DAY)
    result = publish_day(ReportStage(), days.job(DAY))
    assert result.reused
    metadata = day_metadata(result)
    assert list(metadata)[:2] == ["pictures", "report"]
    assert not metadata.keys() & set(BILLED), "a laptop bills nothing"
    paid = replace(result.manifest, metrics={**result.manifest.metrics, "cost_usd": 0.5, "athena_usd": 0.5})
    assert {"cost_usd", "athena_usd", "billed_bytes"} <= day_metadata(replace(result, manifest=paid)).keys()
    text = metadata["pictures"].value
    assert len(text) < 100_000
    images = re.findall(r"!\[([^\]\n]+)\]\(data:image/svg\+xml;base64,[A-Za-z0-9+/=]+\)", text)
    assert len(images) == 5
    assert "http" not in text
    page = Path(metadata["report"].value)
    assert page.read_bytes() == days.document(DAY, "report.html")
    assert metadata["bytes"] == sum(file.bytes for file in result.manifest.files)
    assert "report_link" not in metadata
    assert (
        console_url("s3://lake/a b.html")
        == "https://s3.console.aws.amazon.com/s3/object/lake?prefix=a%20b.html"
    )


def test_a_day_is_drawn_once_and_the_same_way(days_of: MakeDays) -> None:
    days = days_of(ROWS, **KINDS["vector"])
    first = days.run(DAY)["report"].manifest
    assert days.run(DAY)["report"].reused
    again = run_day(ReportStage(), days.job(DAY, force=True)).manifest
    assert again.version == first.version + 1
    assert {name: file.digest for name, file in again.documents.items()} == {
        name: file.digest for name, file in first.documents.items()
    }


def test_what_does_not_belong_together_is_no_report(days_of: MakeDays) -> None:
    days = days_of(ROWS, **KINDS["set"])
    stages = {stage.name: stage for stage in STAGES}
    with pytest.raises(UpstreamMissingError, match="points"):
        ReportStage().prepare(days.job(DAY))
    days.run(DAY)
    other = days_of(ROWS, **{**KINDS["set"], "algorithm": {"type": "connected_components"}})
    run_day(stages["clusters"], other.job(DAY))
    with pytest.raises(UpstreamMissingError, match=r"lineage .* was computed from another state of clusters"):
        ReportStage().prepare(other.job(DAY))


def test_many_clusters_are_listed_and_drawn(days_of: MakeDays) -> None:
    rows = """
        SELECT 'e' || n AS id, '2026-01-01' AS day, (n // 3) * 10.0 AS x, n % 3 AS y
        FROM range(1800) AS t(n)
    """
    features = {
        "features": {"vector": ["max(x)", "max(y)"]},
        "distance": {"metric": "euclidean", "threshold": 2.0},
    }
    days = days_of(rows, **features)
    manifest = days.run(DAY)["report"].manifest
    root = read_page(days.document(DAY, "report.html"))
    (section,) = root.find("section", id="clusters")
    assert len(section.rows()) == 500
    assert "The 500 largest of 600 clusters" in section.text
    assert manifest.documents["pictures.md"].bytes < 100_000
    assert manifest.documents["report.html"].bytes < 500_000
