"""The worker's joins of many texts and sets give the same rows as the statements that they replace."""

from __future__ import annotations

from typing import Any

import pytest

from cluster_assets.domain.tables import Column
from cluster_assets.spec.pipeline import Distance
from lambda_worker.contract.candidates import JoinEvent
from lambda_worker.handler import handler

ROWS = 20_000
TEXT = "CASE WHEN i % 5 = 0 THEN 'é' ELSE '' END || md5((i // 3)::VARCHAR)[: 6 + i // 3 % 5] || i % 3"
TOKENS = ", ".join(f"'t' || hash(i // 3 * 8 + {k}) % 5000" for k in range(8))
CASES = [
    ("text", "varchar", TEXT, "levenshtein", 1.0),
    ("text", "varchar", TEXT, "levenshtein", 2.0),
    ("tokens", "array(varchar)", f"list_distinct(['all', 'u' || i, {TOKENS}])", "jaccard", 0.4),
    ("tokens", "array(varchar)", f"list_distinct(['all', 'u' || i, {TOKENS}])", "cosine", 0.4),
]


@pytest.mark.parametrize(("name", "kind", "value", "metric", "threshold"), CASES)
def test_both_find_the_same_pairs(
    lake: Any, name: str, kind: str, value: str, metric: str, threshold: float
) -> None:
    points = lake.copy(
        f"SELECT i AS point_id, 1::BIGINT AS weight, {value} AS {name} FROM range({ROWS}) AS t(i)"
    )
    distance = Distance.model_validate({"metric": metric, "threshold": threshold})
    in_sql = sorted(lake.join(distance, (Column(name, kind),), {"points": points}))
    event = JoinEvent(
        points=points.uris,
        kind="text" if name == "text" else "set",
        column=name,
        point_count=ROWS,
        metric=metric,
        threshold=threshold,
        output=f"{lake.fresh()}-found",
        max_pairs=10**9,
        max_tests=10**12,
        memory_mb=4000.0,
    )
    reply = handler(event.to_json(), None)
    assert reply["ok"], reply["error"]
    (file,) = reply["files"]
    relation = type(points)((file["uri"],))
    assert lake.rows(relation) == in_sql
    assert len(in_sql) > ROWS / 2
