"""The kind `text`: a text, compared by code points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.backends.statements import column, literal
from cluster_assets.domain.tables import Column
from cluster_assets.spec.expressions import parse_expression
from cluster_assets.stages.points.kinds.plans import Reason, Shape
from cluster_assets.stages.points.kinds.raw_columns import of_raw

if TYPE_CHECKING:
    from cluster_assets.spec.pipeline import Features

COLUMNS = (Column("text", "varchar", "Text of the entities of the point"),)
LONGEST = 1_000
"""Maximum number of code points. Trino's levenshtein_distance refuses two texts if the product of their
lengths exceeds 1,000,000 (StringFunctions.levenshteinDistance), and so does Athena's."""


def shape(features: Features) -> Shape:
    """A text of at most 1,000 characters; the empty text is valid."""
    assert features.text is not None  # noqa: S101  # the registry calls the module of the given kind
    text = column("text")
    return Shape(
        columns=COLUMNS,
        path="points/features/text.sql",
        structure={},
        expressions={"text": of_raw(parse_expression(features.text))},
        reasons=(
            Reason("is_null", "null", text.is_(exp.null())),
            Reason("is_long", f"longer than {LONGEST:,} characters", fits(text).not_()),
        ),
        is_valid=fits(text),
    )


def fits(text: exp.Column) -> exp.Expr:
    """Return the condition that a text is short enough; null for a null."""
    return exp.LTE(this=exp.Length(this=text.copy()), expression=literal(LONGEST))
