"""The table `histograms` against counting in Python."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pipeline

    Make = Callable[..., Pipeline]

DAY = parse_day("2026-01-01")
VALUES = [0.0, 1.0, 1.01, -1.0, 2.0, -3.5, 1e-12, 1e-5, 123456.789, 49.99, 50.0, -50.0, 5.0]


def histograms(pipeline: Pipeline, select: str) -> dict[tuple[str, str], int]:
    duckdb.execute(f"COPY ({select}) TO '{pipeline.lake}/day.parquet' (FORMAT parquet)")
    for stage in STAGES[:2]:
        run_day(stage, pipeline.job(DAY))
    manifest = pipeline.ledger.require("points", DAY)
    uris = list(pipeline.ledger.uris(manifest, "histograms"))
    if not uris:
        return {}
    columns = "day, feature, bin, entities"
    rows = duckdb.sql(f"SELECT {columns} FROM read_parquet({uris}, hive_partitioning = false)").fetchall()
    assert {row[0] for row in rows} <= {DAY.key}
    assert rows == sorted(rows)
    return {(feature, name): entities for _, feature, name, entities in rows}


def source(values: list[Any], type_: str) -> str:
    listed = ", ".join(
        f"('e{n}', '{str(value).replace(chr(39), chr(39) * 2)}'::{type_})" for n, value in enumerate(values)
    )
    return f"SELECT TIMESTAMP '{DAY} 12:00' AS event_time, id, x FROM (VALUES {listed}) t(id, x)"


def bin_of(value: float) -> str:
    """Three per cent wide, 1 in the middle of its bin."""
    if abs(value) < 1e-9:
        return "0"
    return str(int(math.copysign(1000 + math.floor(math.log(abs(value)) * 32 + 0.5), value)))


@pytest.mark.parametrize("scale", ["none", "standard"])
def test_numbers_are_counted_as_they_were_measured(scale: str, make_pipeline: Make) -> None:
    pipeline = make_pipeline(f"numbers_{scale}", features={"vector": ["max(x)", "count(*)"], "scale": scale})
    found = histograms(pipeline, source(VALUES, "DOUBLE"))
    expected = Counter(("x0", bin_of(value)) for value in VALUES) | {("x1", "1000"): len(VALUES)}
    assert found == expected


def test_larger_numbers_have_larger_bins() -> None:
    ordered = sorted(VALUES)
    bins = [int(bin_of(value)) for value in ordered]
    assert bins == sorted(bins)


def test_values_of_sets_are_counted_and_rare_ones_together(make_pipeline: Make) -> None:
    pipeline = make_pipeline("sets", features={"set": "x"}, distance={"metric": "jaccard", "threshold": 0.4})
    values = ["", "~", "=", "it's"] * 600 + ["rare", "rarer"]
    found = histograms(pipeline, source(values, "VARCHAR"))
    assert found == {("tokens", f"={value}"): 600 for value in ["", "~", "=", "it's"]} | {("tokens", "~"): 2}


def test_texts_are_counted_by_their_length(make_pipeline: Make) -> None:
    distance = {"metric": "levenshtein", "threshold": 1}
    pipeline = make_pipeline("texts", features={"text": "max(x)"}, distance=distance)
    found = histograms(pipeline, source(["", "a", "b", "äö", "日本", "😀"], "VARCHAR"))
    assert found == {("text", "0"): 1, ("text", "1"): 3, ("text", "2"): 2}


def test_places_are_counted_by_their_cell(make_pipeline: Make) -> None:
    features = {"geo": {"latitude": "max(x)", "longitude": "max(x * 3)"}}
    pipeline = make_pipeline("places", features=features, distance={"metric": "haversine", "threshold": 9})
    values = [0.0, 4.9, -0.1, 50.0, -50.0, 52.5]
    found = histograms(pipeline, source(values, "DOUBLE"))
    cells = [tuple(int(math.floor(degrees / 5) * 5) for degrees in (value, value * 3)) for value in values]
    assert found == Counter(("place", f"={lat},{lon}") for lat, lon in cells)


def test_embeddings_are_counted_number_by_number(make_pipeline: Make) -> None:
    pipeline = make_pipeline(
        "embeddings",
        features={"embedding": "max(x)"},
        distance={"metric": "cosine", "threshold": 0.1},
    )
    values = [value for value in VALUES if abs(value) > 1e-9]
    found = histograms(pipeline, source([[value] * 40 for value in values], "DOUBLE[]"))
    one = Counter(bin_of(value) for value in values)
    assert found == {(f"embedding[{k}]", name): n for k in range(1, 33) for name, n in one.items()}


def test_a_mix_counts_each_feature_in_its_way(make_pipeline: Make) -> None:
    mixed = {
        "height": {"number": "max(x)"},
        "colour": {"category": "max(if(x > 1, 'red', 'blue'))"},
        "words": {"set": "if(x > 1, 'many', 'few')"},
        "note": {"text": "max('abc')"},
        "home": {"geo": {"latitude": "max(x)", "longitude": "max(x)"}},
    }
    distance = {"metric": "gower", "threshold": 0.2}
    pipeline = make_pipeline("mixes", features={"mixed": mixed}, distance=distance)
    found = histograms(pipeline, source([0.0, 1.0, 2.0], "DOUBLE"))
    assert found == {
        ("height", "0"): 1,
        ("height", "1000"): 1,
        ("height", bin_of(2.0)): 1,
        ("colour", "=blue"): 2,
        ("colour", "=red"): 1,
        ("words", "=few"): 2,
        ("words", "=many"): 1,
        ("note", "3"): 3,
        ("home", "=0,0"): 3,
    }


def test_an_empty_day_has_none(make_pipeline: Make) -> None:
    pipeline = make_pipeline("none", raw={"time_column": "event_time", "where": "x > 5"})
    assert histograms(pipeline, source([1.0], "DOUBLE")) == {}
