"""Casts to integers are written plainly where the value surely is one, and only there."""

from __future__ import annotations

import pytest
import sqlglot
import sqlglot.expressions as exp

from cluster_assets.backends.duckdb.sql import duckdb_text
from cluster_assets.backends.ports import Statement


def text_of(query: str) -> str:
    tree = sqlglot.parse_one(query, read="athena")
    assert isinstance(tree, exp.Query)
    return duckdb_text(Statement("test", tree), {"t": "t"})


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(count(*) AS BIGINT) AS n FROM t",
        "WITH a AS (SELECT count(*) AS n FROM t) SELECT CAST(n AS BIGINT) AS n FROM a",
        "WITH a AS (SELECT count(*) AS n FROM t) SELECT CAST(b.n AS BIGINT) AS n FROM a AS b CROSS JOIN t",
        (
            "WITH a AS (SELECT x AS d, count(*) AS n FROM t GROUP BY 1), b AS (SELECT max(n) AS m FROM a) "
            "SELECT CAST(coalesce(m, 0) AS BIGINT) AS m FROM b"
        ),
        "SELECT CAST(CASE WHEN x > 0 THEN 1 WHEN x < 0 THEN -1 END AS BIGINT) AS s FROM t",
        "WITH a AS (SELECT row_number() OVER (ORDER BY x) AS n FROM t) SELECT CAST(n AS BIGINT) AS n FROM a",
    ],
)
def test_what_is_whole_is_cast_plainly(query: str) -> None:
    assert "ROUND" not in text_of(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT CAST(x AS BIGINT) AS n FROM t",
        "WITH a AS (SELECT x AS n FROM t) SELECT CAST(n AS BIGINT) AS n FROM a",
        "WITH a AS (SELECT count(*) AS n FROM t) SELECT CAST(t.n AS BIGINT) AS n FROM a CROSS JOIN t",
        "WITH a AS (SELECT count(*) AS n FROM t) SELECT CAST(n AS BIGINT) AS n FROM a CROSS JOIN t",
        (
            "WITH a AS (SELECT count(*) AS n FROM t UNION ALL SELECT x AS n FROM t) "
            "SELECT CAST(n AS BIGINT) AS n FROM a"
        ),
        "WITH a AS (SELECT sum(x) AS n FROM t) SELECT CAST(n AS BIGINT) AS n FROM a",
        "SELECT CAST(CASE WHEN x > 0 THEN 1 ELSE x END AS BIGINT) AS s FROM t",
        "WITH a (n, m) AS (SELECT count(*) AS m, max(x) AS n FROM t) SELECT CAST(m AS BIGINT) AS m FROM a",
        "WITH a AS (SELECT count(*) AS m, x AS n FROM t) SELECT CAST(m AS BIGINT) AS x FROM a AS b(n, m)",
        (
            "WITH a AS (SELECT count(*) AS n FROM t) "
            "SELECT CAST(n AS BIGINT) AS n FROM a RIGHT JOIN (SELECT x AS n FROM t) AS d USING (n)"
        ),
        "WITH a AS (SELECT sum(x) OVER (ORDER BY k) AS m FROM t) SELECT CAST(m AS BIGINT) AS m FROM a",
    ],
)
def test_what_may_have_a_fraction_is_rounded_as_trino_does(query: str) -> None:
    assert "ROUND" in text_of(query)
