"""The answer to a query, and the errors about queries that are not run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.lake.lake import Lake

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: Names in order; they need not be distinct.
        rows: Values in the order of the columns.
    """

    columns: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]


def not_one_query(query: str) -> SpecError:
    """Return the error about a text that is not exactly one query."""
    text = " ".join(query.split())
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return SpecError(
        f"not exactly one query: {shown!r}",
        remedy="write one query that begins with SELECT or WITH; published days cannot be changed here",
    )


def refuse_equal_names(columns: Sequence[str]) -> None:
    """Refuse an answer whose rows cannot be read by the names of their columns.

    Raises:
        SpecError: Columns have equal names.
    """
    if len(set(columns)) < len(columns):
        raise SpecError(
            f"columns of the answer have equal names: {', '.join(columns)}",
            remedy="give each a name of its own: SELECT a.cluster AS first, b.cluster AS second …",
        )


def names_of_tables(lake: Lake) -> str:
    """Return the remedy for a table that does not exist."""
    pipelines = ", ".join(lake.pipelines()) or "none has published days"
    return f"name tables as pipeline.table; pipelines: {pipelines}; tables: {', '.join(lake.tables())}"
