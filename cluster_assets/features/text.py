"""The kind `text`: one text, compared by its code points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.tables import Column
from cluster_assets.expressions import parse_expression
from cluster_assets.features.plans import Reason, Shape
from cluster_assets.features.raw_columns import of_raw
from cluster_assets.sql_files import column, literal

if TYPE_CHECKING:
    from cluster_assets.pipeline_spec import Features

COLUMNS = (Column("text", "varchar"),)
LONGEST = 1_000
"""Code points of a text. Trino's levenshtein_distance refuses two texts whose lengths multiply to more than
1,000,000 (StringFunctions.levenshteinDistance), and so does Athena."""


def shape(features: Features) -> Shape:
    """One text of at most 1,000 characters; the empty one is as good as any."""
    assert features.text is not None  # noqa: S101  # the registry calls the module of the given kind
    text = column("text")
    return Shape(
        columns=COLUMNS,
        path="features/text.sql",
        structure={},
        expressions={"text": of_raw(parse_expression(features.text))},
        reasons=(
            Reason("is_null", "null", text.is_(exp.null())),
            Reason("is_long", f"longer than {LONGEST:,} characters", fits(text).not_()),
        ),
        is_valid=fits(text),
    )


def fits(text: exp.Column) -> exp.Expr:
    """Condition that a text is short enough; null for a null."""
    return exp.LTE(this=exp.Length(this=text.copy()), expression=literal(LONGEST))
