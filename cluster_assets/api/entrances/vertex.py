"""The contract of Vertex AI's containers: routes by `AIP_*`, instances in, predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta, Struct

from cluster_assets.api import lookups
from cluster_assets.api.answers import DayQuery, HealthAnswer
from cluster_assets.api.classification import classify_items
from cluster_assets.api.operations import Operation
from lambda_worker.serving.contract import Item, Prediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.api.questions import Question


class Instances(Struct, frozen=True, forbid_unknown_fields=True):
    """Items to classify; `parameters` may name the day."""

    instances: Annotated[tuple[Item, ...], Meta(min_length=1)]
    parameters: DayQuery | None = None


class Predictions(Struct, frozen=True):
    """One prediction for each instance, in their order."""

    predictions: list[Prediction]


def operations(environ: Mapping[str, str]) -> tuple[Operation, ...]:
    """Return the operations at the routes that Vertex AI names; none if it names none."""
    health, predict = environ.get("AIP_HEALTH_ROUTE"), environ.get("AIP_PREDICT_ROUTE")
    found = []
    if health and health != "/health":
        found.append(
            Operation("vertex_health", "GET", health, "Newest day of each pipeline", lookups.health,
                      answer=HealthAnswer, is_public=True)
        )  # fmt: skip
    if predict:
        found.append(
            Operation("vertex_predict", "POST", predict, "Where new items would belong", _predict,
                      answer=Predictions, body=Instances, problems=(404, 413, 415, 422))
        )  # fmt: skip
    return tuple(found)


def _predict(question: Question) -> Predictions:
    request = question.json_body(Instances)
    day = question.open_default(request.parameters.day if request.parameters else None)
    question.facts["items"] = len(request.instances)
    answer = classify_items(day, request.instances, field="instances")
    return Predictions(answer.predictions)
