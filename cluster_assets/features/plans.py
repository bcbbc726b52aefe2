"""What a feature kind answers: the statements that turn a day's raw rows into points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from collections.abc import Mapping

    import sqlglot.expressions as exp

    from cluster_assets.domain.tables import Column
    from cluster_assets.ports import Statement


@dataclass(frozen=True, slots=True)
class Reason:
    """Why no distance is defined for an entity.

    Attributes:
        name: Column of the summary that counts it.
        words: For people: `null`, `NaN`.
        condition: Over the columns of `features`; reasons are tried in order.
        concerns_scaled: True when it holds for what is compared, after scaling, whatever was measured.
    """

    name: str
    words: str
    condition: exp.Expr
    concerns_scaled: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A feature kind for one pipeline, before a day is known.

    Attributes:
        columns: Feature columns of the table `points`.
        path: The file that computes `features` from `raw`.
        structure: What that file's Jinja text asks for.
        expressions: The pipeline's expressions by placeholder.
        reasons: Why an entity may be invalid.
        is_valid: Condition over the columns of `features` that valid entities meet.
        is_measured: The same without the reasons that concern scaled features; `is_valid` when left out.
    """

    columns: tuple[Column, ...]
    path: str
    structure: Mapping[str, object]
    expressions: Mapping[str, exp.Expr]
    reasons: tuple[Reason, ...]
    is_valid: exp.Expr
    is_measured: exp.Expr | None = None


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """The statements that take tokens out of sets by the number of entities that show them.

    Attributes:
        frequencies: Reads `features`; fills `FREQUENCIES`.
        vocabulary: Reads `frequencies`; one row: kept, dropped.
        limited: Reads `features` and `frequencies`; fills a table of the contract of `features` in its place.
    """

    frequencies: Statement
    vocabulary: Statement
    limited: Statement


@dataclass(frozen=True, slots=True)
class ScalePlan:
    """The statements that bring the dimensions of vectors to one unit.

    Attributes:
        scales: Reads `features`; fills `SCALES` from the valid entities. None when only weights are given.
        scaled: Reads `features`, and `scales` where there are any; fills a table of the contract of
            `features` in its place, with the valid entities alone.
        summary: Reads the scaled `features`; as `FeaturePlan.summary`, for what scaling has made invalid.
    """

    scales: Statement | None
    scaled: Statement
    summary: Statement


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The statements of a day, in the order they run.

    Attributes:
        columns: Feature columns of the table `points`.
        files: Reads `raw` from files; fills `SOURCE_FILES`: the files that hold rows of the day.
        counts: Reads `raw`; one row: rows, null_entities. For sources that are no files.
        features: Reads `raw`; fills `features_contract(columns)` with all entities, invalid ones too.
        tokens: What then limits the sets; None without token limits.
        summary: Reads `features`; one row: entities, valid, and counts by reason.
        scale: What then scales the features; None without scale and weights.
        reasons: Words for people by column of a summary.
        histograms: Reads `features` as they were measured; fills `HISTOGRAMS`.
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
        """Invalid entities by reason, from the row of a summary; reasons that do not occur are left out."""
        counts = {words: int(summary_row.get(name, 0)) for name, words in self.reasons.items()}
        return {words: count for words, count in counts.items() if count > 0}


def summary_of(reasons: tuple[Reason, ...]) -> Statement:
    """The statement that counts entities, valid ones, and the others by reason; it reads `features`."""
    return bind(
        "features/summary.sql",
        structure={"reasons": tuple(reason.name for reason in reasons)},
        expressions={reason.name: reason.condition for reason in reasons},
    )
