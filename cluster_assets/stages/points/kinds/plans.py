"""The plan that a feature kind returns: the statements that turn a day's raw rows into points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.statements import bind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlglot.expressions as exp

    from cluster_assets.backends.ports import Statement
    from cluster_assets.domain.tables import Column


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason why no distance is defined for an entity.

    Attributes:
        name: Column of the summary that counts it.
        words: The text for messages: `null`, `NaN`.
        condition: Condition over the columns of `features`; reasons are tested in order.
    """

    name: str
    words: str
    condition: exp.Expr


@dataclass(frozen=True, slots=True)
class Shape:
    """A feature kind for one pipeline, independent of the day.

    Attributes:
        columns: Feature columns of the table `points`.
        path: The file that computes `features` from `raw`.
        structure: The Jinja variables of that file.
        expressions: The pipeline's expressions by placeholder.
        reasons: Why an entity may be invalid.
        is_valid: Condition over the columns of `features` that valid entities meet.
    """

    columns: tuple[Column, ...]
    path: str
    structure: Mapping[str, object]
    expressions: Mapping[str, exp.Expr]
    reasons: tuple[Reason, ...]
    is_valid: exp.Expr


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """The statements that remove tokens from sets by the number of entities that have them.

    Attributes:
        frequencies: Reads `features`; fills `FREQUENCIES`.
        vocabulary: Reads `frequencies`; one row: kept, dropped.
        limited: Reads `features` and `frequencies`; fills a table that replaces `features`.
    """

    frequencies: Statement
    vocabulary: Statement
    limited: Statement


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """The statements that scale the dimensions of vectors.

    Attributes:
        scales: Reads `features`; fills `SCALES` from the valid entities. None if only weights are given.
        scaled: Reads `features`, and `scales` if there are any; fills a table that replaces `features` and
            has only the valid entities.
    """

    scales: Statement | None
    scaled: Statement


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The statements of a day, in execution order.

    Attributes:
        columns: Feature columns of the table `points`.
        files: Reads `raw` from files; fills `SOURCE_FILES` with the files that hold rows of the day.
        counts: Reads `raw`; one row: rows, null_entities. For sources other than files.
        features: Reads `raw`; fills `features_contract(columns)` with all entities, including invalid ones.
        tokens: The next step, which limits the sets; None without token limits.
        summary: Reads `features`, measured or scaled; one row: entities, valid, and counts by reason.
        scale: The next step, which scales the features; None without scale and weights.
        reasons: Texts for messages by column of a summary.
        histograms: Reads `features` as measured; fills `HISTOGRAMS`.
        points: Reads `features`; fills `points_contract(columns)` from the valid entities.
        members: Reads `features` and `points`; fills `MEMBERS`.
    """

    columns: tuple[Column, ...]
    files: Statement
    counts: Statement
    features: Statement
    tokens: TokenPlan | None
    summary: Statement
    scale: ScalePlan | None
    reasons: Mapping[str, str]
    histograms: Statement
    points: Statement
    members: Statement

    def invalid(self, summary_row: Mapping[str, Any]) -> dict[str, int]:
        """Return the number of invalid entities by reason from a summary row, without zeros."""
        counts = {words: int(summary_row.get(name, 0)) for name, words in self.reasons.items()}
        return {words: count for words, count in counts.items() if count > 0}


def summary_of(reasons: tuple[Reason, ...]) -> Statement:
    """Return the statement that counts all entities, valid ones, and invalid ones by reason."""
    return bind(
        "points/features/summary.sql",
        structure={"reasons": tuple(reason.name for reason in reasons)},
        expressions={reason.name: reason.condition for reason in reasons},
    )
