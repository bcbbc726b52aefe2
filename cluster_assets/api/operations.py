"""What can be asked: one table, from which the routes and the OpenAPI document follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.api import answers, lookups
from cluster_assets.api.classification import classify
from cluster_assets.served.items import Answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.api.questions import Question


@dataclass(frozen=True)
class Reply:
    """An answer that is not a struct to encode as JSON."""

    body: bytes
    media_type: str
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Operation:
    """A method on a path.

    Attributes:
        name: Its id in the OpenAPI document, and in logs and metrics.
        method: `GET` or `POST`.
        path: The path in the notation of Starlette; `{entity:name}` matches any text.
        summary: What it does, in a few words.
        run: Computes the answer: a struct, or a `Reply`.
        answer: The struct of the answer; None if it is a `Reply`.
        query: The struct of the query.
        body: The struct of the body; None if it has none, or several.
        media: Media types of the body; those of the answer if it is a `Reply`.
        problems: Statuses of its errors, besides those of every operation.
        is_public: Whether it needs no token.
    """

    name: str
    method: str
    path: str
    summary: str
    run: Callable[[Question], Any]
    answer: type | None = None
    query: type = answers.NoQuery
    body: type | None = None
    media: tuple[str, ...] = ("application/json",)
    problems: tuple[int, ...] = ()
    is_public: bool = False


OPERATIONS = (
    Operation("health", "GET", "/health", "Newest day of each pipeline", lookups.health,
              answer=answers.HealthAnswer, is_public=True),
    Operation("pipelines", "GET", "/v1/pipelines", "All pipelines", lookups.pipelines,
              answer=answers.PipelinesAnswer),
    Operation("days", "GET", "/v1/{pipeline}/days", "Days of a pipeline", lookups.days,
              answer=answers.DaysAnswer, problems=(404,)),
    Operation("clusters", "GET", "/v1/{pipeline}/clusters", "Clusters of a day, in pages", lookups.clusters,
              answer=answers.ClustersAnswer, query=answers.PageQuery, problems=(404, 410)),
    Operation("cluster", "GET", "/v1/{pipeline}/clusters/{cluster}", "A cluster with its profile and life",
              lookups.cluster, answer=answers.OneClusterAnswer, query=answers.DayQuery, problems=(404,)),
    Operation("members", "GET", "/v1/{pipeline}/clusters/{cluster}/members", "Entities of a cluster",
              lookups.members, answer=answers.MembersAnswer, query=answers.PageQuery, problems=(404, 410)),
    Operation("pictures", "GET", "/v1/{pipeline}/pictures", "Pictures of a day's report", lookups.pictures,
              answer=answers.PicturesAnswer, query=answers.DayQuery, problems=(404,)),
    Operation("named_entity", "GET", "/v1/{pipeline}/entities", "An entity of any name, and its history",
              lookups.named_entity, answer=answers.EntityDays,
              query=answers.NamedEntityQuery, problems=(404, 502)),
    Operation("entity", "GET", "/v1/{pipeline}/entities/{entity:name}", "An entity and its history",
              lookups.entity, answer=answers.EntityDays, query=answers.HistoryQuery, problems=(404, 502)),
    Operation("classify", "POST", "/v1/{pipeline}/classify", "Where new items would belong", classify,
              answer=Answers, body=answers.ClassifyRequest, problems=(404, 413, 415, 422)),
)  # fmt: skip
