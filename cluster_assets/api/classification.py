"""Where new items would belong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.api.answers import ClassifyRequest
from cluster_assets.api.problems import ProblemError
from cluster_assets.domain.counts import counted
from cluster_assets.served.items import Answers
from lambda_worker.serving.contract import ItemError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.api.questions import Question
    from lambda_worker.serving.contract import Item, ServedDay


def classify(question: Question) -> Answers:
    """Classify the items of a request."""
    request = question.json_body(ClassifyRequest)
    day = question.open_day(request.day)
    question.facts["items"] = len(request.items)
    return classify_items(day, request.items)


def classify_items(
    day: ServedDay, items: Sequence[Item], *, field: str = "items", has_limit: bool = True
) -> Answers:
    """Classify items.

    Args:
        day: The day.
        items: The items.
        field: The name of the items in the request, for errors.
        has_limit: Whether the day's `max_items` applies.

    Raises:
        ProblemError: There are too many items (413), or one is invalid (422).
    """
    if has_limit and len(items) > day.max_items:
        most = counted(day.max_items, "item")
        raise ProblemError(413, f"{field}: a request may have {most}; this one has {len(items)}", field=field)
    try:
        return Answers(day=day.day, predictions=day.classify(items))
    except ItemError as error:
        at = "/".join(part for part in (field, str(error.index), error.field) if part)
        raise ProblemError(422, f"{at}: {error.problem}", field=at) from error
