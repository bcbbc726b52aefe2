"""What a feature kind answers: the statements that turn a day's raw rows into points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    """

    name: str
    words: str
    condition: exp.Expr


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
    """

    columns: tuple[Column, ...]
    path: str
    structure: Mapping[str, object]
    expressions: Mapping[str, exp.Expr]
    reasons: tuple[Reason, ...]
    is_valid: exp.Expr


@dataclass(frozen=True, slots=True)
class FeaturePlan:
    """The statements of a day, in the order they run.

    Attributes:
        columns: Feature columns of the table `points`.
        files: Reads `raw` from files; fills `SOURCE_FILES`: the files that hold rows of the day.
        counts: Reads `raw`; one row: rows, null_entities. For sources that are no files.
        features: Reads `raw`; fills `features_contract(columns)` with all entities, invalid ones too.
        summary: Reads `features`; one row: entities, valid, and a count for each key of `reasons`.
        reasons: Words for people by column of the summary.
        scaled: Reads `features`; fills a table of the same contract in its place. None without a scale.
        points: Reads `features`; fills `points_contract(columns)` from the valid entities.
        members: Reads `features` and `points`; fills `MEMBERS`.
    """

    columns: tuple[Column, ...]
    files: Statement
    counts: Statement
    features: Statement
    summary: Statement
    reasons: Mapping[str, str]
    scaled: Statement | None
    points: Statement
    members: Statement

    def invalid(self, summary_row: Mapping[str, Any]) -> dict[str, int]:
        """Invalid entities by reason, from the row of `summary`; reasons that do not occur are left out."""
        counts = {words: int(summary_row[name]) for name, words in self.reasons.items()}
        return {words: count for words, count in counts.items() if count > 0}
