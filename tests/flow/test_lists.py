"""Lists as sets: one token a member, through every reader; a list where one value belongs is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from cluster_assets.domain.errors import SourceSchemaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

DAY = "2026-01-02"
# The members of each row; several rows of one entity add up.
ROWS: list[tuple[str, list[str | None] | None]] = [
    ("a", ["80", "443"]),
    ("a", ["22"]),
    ("b", ["443", "80", "80", None]),
    ("b", ["22"]),
    ("c", None),
    ("c", ["80"]),
    ("d", []),
    ("e", None),
    ("f", [None]),
]
TOKENS = {"a": ["22", "443", "80"], "b": ["22", "443", "80"], "c": ["80"]}
SET = {"distance": {"metric": "jaccard", "threshold": 0.4}, "on_invalid": "exclude"}
MIXED = {"distance": {"metric": "gower", "threshold": 0.4}, "on_invalid": "exclude"}


def write_parquet(path: Path, kind: str) -> None:
    rows = ", ".join(f"('{name}', CAST({values or 'NULL'} AS {kind}[]))" for name, values in literals())
    query = f"SELECT TIMESTAMP '{DAY} 01:02:03' AS at, * FROM (VALUES {rows}) AS t(id, tags)"
    duckdb.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def literals() -> list[tuple[str, str | None]]:
    return [(name, None if values is None else str(values).replace("None", "NULL")) for name, values in ROWS]


def write_csv(path: Path, spell: Callable[[list[str | None]], str]) -> None:
    rows = [
        f'{DAY} 01:02:03,{name},"{spell(values).replace(chr(34), chr(34) * 2)}"'
        if values is not None
        else f"{DAY} 01:02:03,{name},"
        for name, values in ROWS
    ]
    path.write_text("\n".join(["at,id,tags", *rows]) + "\n", encoding="utf-8")


def write_json(path: Path) -> None:
    rows = [json.dumps({"at": f"{DAY} 01:02:03", "id": name, "tags": values}) for name, values in ROWS]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def tokens_of(run: Runner, column: str = "tokens") -> dict[str, list[str]]:
    points, members = run.table("points", DAY), run.table("members", DAY)
    by_id = dict(zip(points["point_id"], points[column], strict=True))
    return {row.entity: list(by_id[row.point_id]) for row in members.itertuples()}


def source(path: Path, **more: Any) -> dict[str, Any]:
    return {"files": str(path), "time_column": "at", **more}


@pytest.mark.parametrize("kind", ["VARCHAR", "BIGINT", "DOUBLE"])
def test_a_list_column_of_parquet(runner: Make, tmp_path: Path, kind: str) -> None:
    write_parquet(tmp_path / "a.parquet", kind)
    run = runner(raw=source(tmp_path / "a.parquet"), features={"set": "tags"}, **SET)
    metrics = run.run(DAY)["points"].manifest.metrics
    assert tokens_of(run) == TOKENS
    assert (metrics["entities"], metrics["excluded"], metrics["points"]) == (3, 3, 2)


def test_a_list_column_among_several_features(runner: Make, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", "DOUBLE")
    features = {"mixed": {"rows": {"number": "count(*)"}, "ports": {"set": "tags"}}}
    run = runner(raw=source(tmp_path / "a.parquet"), features=features, **MIXED)
    metrics = run.run(DAY)["points"].manifest.metrics
    assert tokens_of(run, "ports") == TOKENS
    assert (metrics["entities"], metrics["excluded"]) == (3, 3)


@pytest.mark.parametrize(
    ("spell", "expression"),
    [
        (lambda values: ",".join(filter(None, values)), "split(nullif(tags, ''), ',')"),
        (json.dumps, "CAST(json_parse(tags) AS array(varchar))"),
    ],
    ids=["split", "json"],
)
def test_lists_in_the_text_of_a_csv(
    runner: Make, tmp_path: Path, spell: Callable[[list[str | None]], str], expression: str
) -> None:
    write_csv(tmp_path / "a.csv", spell)
    run = runner(raw=source(tmp_path / "a.csv"), features={"set": expression}, **SET)
    run.run(DAY)
    assert tokens_of(run) == TOKENS


@pytest.mark.parametrize("declared", [{}, {"columns": {"tags": "array(varchar)"}}])
def test_a_list_in_json_lines(runner: Make, tmp_path: Path, declared: dict[str, Any]) -> None:
    write_json(tmp_path / "a.jsonl")
    run = runner(raw=source(tmp_path / "a.jsonl", **declared), features={"set": "tags"}, **SET)
    run.run(DAY)
    assert tokens_of(run) == TOKENS


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"entity": "tags", "features": {"set": "id"}, **SET}, "entity: tags"),
        ({"features": {"text": "max(tags)"}, "distance": {"metric": "levenshtein", "threshold": 1}}, "text"),
        ({"features": {"mixed": {"k": {"category": "min(tags)"}}}, **MIXED}, "features.mixed"),
        ({"features": {"mixed": {"n": {"number": "max(tags)"}, "s": {"set": "id"}}}, **MIXED}, "mixed, n"),
        (
            {"features": {"vector": ["max(tags)"]}, "distance": {"metric": "euclidean", "threshold": 1}},
            "features.vector",
        ),
    ],
)
def test_a_list_where_one_value_belongs(
    runner: Make, tmp_path: Path, attributes: dict[str, Any], said: str
) -> None:
    write_parquet(tmp_path / "a.parquet", "VARCHAR")
    run = runner(raw=source(tmp_path / "a.parquet"), **attributes)
    with pytest.raises(SourceSchemaError, match="is a list") as caught:
        run.run(DAY)
    assert said in str(caught.value)
    assert "cardinality" in str(caught.value)


def test_the_json_text_of_a_list_that_is_declared_as_text(runner: Make, tmp_path: Path) -> None:
    write_json(tmp_path / "a.jsonl")
    raw = source(tmp_path / "a.jsonl", columns={"tags": "varchar"})
    run = runner(raw=raw, features={"set": "CAST(json_parse(tags) AS array(varchar))"}, **SET)
    run.run(DAY)
    assert tokens_of(run) == TOKENS


def test_an_element_of_a_list_is_one_value(runner: Make, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", "VARCHAR")
    run = runner(raw=source(tmp_path / "a.parquet"), features={"set": "tags[1]"}, **SET)
    run.run(DAY)
    assert tokens_of(run) == {"a": ["22", "80"], "b": ["22", "443"], "c": ["80"]}


def test_a_list_of_lists_is_no_set(runner: Make, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", "VARCHAR")
    query = f"SELECT * REPLACE ([tags] AS tags) FROM '{tmp_path}/a.parquet'"
    duckdb.execute(f"COPY ({query}) TO '{tmp_path}/b.parquet' (FORMAT parquet)")
    run = runner(raw=source(tmp_path / "b.parquet"), features={"set": "tags"}, **SET)
    with pytest.raises(SourceSchemaError, match="members of a set are single values"):
        run.run(DAY)
