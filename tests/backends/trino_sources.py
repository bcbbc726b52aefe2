"""Source rows with all kinds of columns, and the features that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb

if TYPE_CHECKING:
    from pathlib import Path

VECTOR: dict[str, Any] = {"vector": ["avg(x)", "avg(y)"]}
MANY: dict[str, Any] = {"vector": [f"avg(x + {k} * y)" for k in range(8)]}
SETS: dict[str, Any] = {"set": "tag"}
GEO: dict[str, Any] = {"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}}
TEXT: dict[str, Any] = {"text": "max(label)"}
EMBEDDING: dict[str, Any] = {"embedding": "max(embedding)"}
MIXED: dict[str, Any] = {
    "mixed": {
        "size": {"number": "avg(x)"},
        "group": {"category": "max(label)"},
        "tags": {"set": "tag"},
        "name": {"text": "max(label)"},
        "place": {"geo": {"latitude": "max(latitude)", "longitude": "max(longitude)"}},
    }
}
# Lists of each kind, and whole doubles as text: their text is the same on both.
LISTS: dict[str, Any] = {
    "mixed": {
        "labels": {"set": "labels"},
        "codes": {"set": "codes"},
        "words": {"set": "split(label, ' ')"},
        "json": {"set": "CAST(json_parse(json) AS array(varchar))"},
        "code": {"category": "max(codes[1])"},
    }
}


def write_source(path: Path, entities: int, last: str = "00:59:59.999999") -> None:
    """Write rows of two days with all kinds of columns: texts beyond ASCII, ties, repetitions.

    Args:
        path: A Parquet file.
        entities: Each has four rows.
        last: Time of day of the first row; the others are whole hours later.
    """
    duckdb.sql(
        f"""COPY (
            SELECT
                'id ' || chr(CAST(945 + n % 20 AS INTEGER)) || n AS id,
                TIMESTAMP '2026-01-01 {last}' + INTERVAL 1 HOUR * (n % 48) AS at,
                round(sin(n * 12.9898) * 5, 2) AS x,
                round(cos(n * 78.233) * 5, 2) AS y,
                'tag ' || (hash(n * 7 + r) % 12) || CASE WHEN n % 5 = 0 THEN 'é😀' ELSE '' END AS tag,
                round(sin(n * 3.7) * 89, 1) AS latitude,
                round(cos(n * 1.3) * 180, 1) AS longitude,
                substr('ärger über straße', CAST(1 + n % 9 AS BIGINT), 6) || (n % 4) AS label,
                CASE WHEN r = 0 THEN NULL WHEN r = 1 THEN CAST([] AS VARCHAR[])
                    WHEN n % 3 = 0 THEN [label, NULL, 'ß' || r] ELSE ['all'] END AS labels,
                [CAST(n % 7 AS DOUBLE), 100, -0.0, CAST(r AS DOUBLE)] AS codes,
                '["a", null, ' || n % 4 || ', true, "\u00e9"]' AS json,
                [sin(n % 30), cos(n % 30 + r * 0), 0.5e0, (n % 7) / 7e0] AS embedding
            FROM range({entities}) AS t(n), range(4) AS s(r)
        ) TO '{path}' (FORMAT parquet)"""
    )
