"""The messages of the API; the OpenAPI document has their descriptions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from lambda_worker.serving.contract import ClusterAnswer, EntityAnswer, Item

Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$", description="A day, `YYYY-MM-DD`")]
Limit = Annotated[int, Meta(ge=1, le=1000, description="Most entries of the answer")]
After = Annotated[str, Meta(min_length=1, max_length=4096, description="`next` of the page before")]


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """An address without a query."""


class DayQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which day; the newest by default."""

    day: Day | None = None


class PageQuery(DayQuery, frozen=True, forbid_unknown_fields=True):
    """Which page of which day."""

    limit: Limit = 100
    after: After | None = None


class HistoryQuery(DayQuery, frozen=True, forbid_unknown_fields=True):
    """Which day, and how many days the history goes back from there."""

    history: Annotated[int, Meta(ge=0, le=366, description="Days before, for the history")] = 7


class NamedEntityQuery(HistoryQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entity in the query instead of the path."""

    name: Annotated[str, Meta(min_length=1, description="Name of the entity")]


class ClassifyRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """Items to classify, on the newest day by default."""

    items: Annotated[tuple[Item, ...], Meta(min_length=1)]
    day: Day | None = None


class Pipeline(Struct, frozen=True, kw_only=True):
    """A pipeline that can be asked.

    Attributes:
        name: Its name.
        kind: The key of an item: `set`, `vector`, `place`, `text`, `embedding` or `mixed`.
        day: The newest day.
        version: Version of that day.
        example: An item that can be classified, of the right kind and dimensions.
    """

    name: str
    kind: str
    day: str
    version: int
    example: Item


class PipelinesAnswer(Struct, frozen=True):
    """All pipelines that can be asked."""

    pipelines: list[Pipeline]


class DaysAnswer(Struct, frozen=True):
    """The days of a pipeline, in ascending order."""

    pipeline: str
    days: list[str]


class ClustersAnswer(Struct, frozen=True, kw_only=True):
    """A page of the clusters of a day, by number; `next` is null on the last page."""

    pipeline: str
    day: str
    version: int
    clusters: list[ClusterAnswer]
    next: str | None


class OneClusterAnswer(Struct, frozen=True, kw_only=True):
    """A cluster with its profile and life."""

    pipeline: str
    day: str
    version: int
    cluster: ClusterAnswer


class MembersAnswer(Struct, frozen=True, kw_only=True):
    """A page of the entities of a cluster, by name; `next` is null on the last page."""

    pipeline: str
    day: str
    version: int
    cluster: int
    members: list[EntityAnswer]
    next: str | None


class Picture(Struct, frozen=True):
    """A picture of the report, as SVG; `alt` describes it for those who do not see it."""

    name: str
    alt: str
    svg: str


class PicturesAnswer(Struct, frozen=True, kw_only=True):
    """The pictures of the day's report; none if the report is not published for this version."""

    pipeline: str
    day: str
    version: int
    pictures: list[Picture]


class EntityDays(Struct, frozen=True, kw_only=True):
    """An entity on a day and on the days before.

    Attributes:
        pipeline: Name of the pipeline.
        entity: Name of the entity.
        day: The day asked for.
        version: Version of that day.
        today: Its cluster on that day; null if the day does not have it.
        history: Its clusters on the days before, the latest first, without days that do not have it.
        enrichment: What other servers say about it, by name of the source.
    """

    pipeline: str
    entity: str
    day: str
    version: int
    today: EntityAnswer | None
    history: list[EntityAnswer]
    enrichment: dict[str, Any]


class HealthAnswer(Struct, frozen=True, omit_defaults=True):
    """The newest day of each pipeline.

    Attributes:
        status: `ok`, or `degraded` if a pipeline is unreadable.
        days: By pipeline.
        unreadable: Pipelines whose newest index is damaged, or of another version of this code; absent if
            there are none.
    """

    status: Literal["ok", "degraded"]
    days: dict[str, str]
    unreadable: list[str] = []
