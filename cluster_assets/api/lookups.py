"""Which pipelines, days, clusters and entities there are."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from cluster_assets.api.answers import (
    ClustersAnswer,
    DaysAnswer,
    EntityDays,
    HealthAnswer,
    MembersAnswer,
    OneClusterAnswer,
    Picture,
    PicturesAnswer,
    Pipeline,
    PipelinesAnswer,
)
from cluster_assets.api.problems import ProblemError
from cluster_assets.api.questions import open_served
from cluster_assets.api.tokens import PageToken, read_token, write_token
from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import IntegrityError
from lambda_worker.contract import InputError
from lambda_worker.serving.contract import DayNotServedError

if TYPE_CHECKING:
    from cluster_assets.api.answers import PageQuery
    from cluster_assets.api.questions import Question
    from lambda_worker.serving.contract import EntityAnswer, ServedDay

_BEFORE_ALL_CLUSTERS = -1
_LONGEST_NUMBER = 18  # digits; below 2 ** 63
_LABEL = re.compile(r'aria-label="([^"]*)"')


def health(question: Question) -> HealthAnswer:
    """Return the newest day of each pipeline, and which pipelines cannot be read."""
    found, unreadable = _newest(question)
    return HealthAnswer(
        status="degraded" if unreadable else "ok",
        days={day.pipeline: day.day for day in found},
        unreadable=unreadable,
    )


def pipelines(question: Question) -> PipelinesAnswer:
    """Return the pipelines with their newest days, without those that cannot be read."""
    return PipelinesAnswer(
        [
            Pipeline(name=day.pipeline, kind=day.kind, day=day.day, version=day.version, example=day.example)
            for day in _newest(question)[0]
        ]
    )


def days(question: Question) -> DaysAnswer:
    """Return the days of a pipeline."""
    pipeline = question.path["pipeline"]
    found = question.days.days(pipeline)
    if not found:
        question.open_day()  # says whether it is the pipeline or its days that are missing
    return DaysAnswer(pipeline, found)


def clusters(question: Question) -> ClustersAnswer:
    """Return a page of the clusters of a day."""
    query: PageQuery = question.query
    day, position = _open_page(question, "clusters", _BEFORE_ALL_CLUSTERS)
    found = day.clusters(position.cluster, query.limit + 1)
    page = found[: query.limit]
    following = None
    if len(found) > query.limit:
        following = write_token(PageToken("clusters", day.pipeline, day.day, day.version, page[-1].cluster))
    return ClustersAnswer(
        pipeline=day.pipeline, day=day.day, version=day.version, clusters=page, next=following
    )


def cluster(question: Question) -> OneClusterAnswer:
    """Return a cluster by its number on a day."""
    day = question.open_day(question.query.day)
    found = day.cluster(number := _number(question))
    if found is None:
        raise _no_cluster(day, number)
    return OneClusterAnswer(pipeline=day.pipeline, day=day.day, version=day.version, cluster=found)


def members(question: Question) -> MembersAnswer:
    """Return a page of the entities of a cluster."""
    query: PageQuery = question.query
    number = _number(question)
    day, position = _open_page(question, "members", number)
    if day.cluster(number) is None:
        raise _no_cluster(day, number)
    found = day.members(number, position.entity, query.limit + 1)
    page = found[: query.limit]
    following = None
    if len(found) > query.limit:
        following = write_token(
            PageToken("members", day.pipeline, day.day, day.version, number, page[-1].entity)
        )
    return MembersAnswer(
        pipeline=day.pipeline,
        day=day.day,
        version=day.version,
        cluster=number,
        members=page,
        next=following,
    )


def pictures(question: Question) -> PicturesAnswer:
    """Return the pictures of a day's report."""
    day = question.open_day(question.query.day)
    try:
        found = question.days.pictures(day)
    except DayNotServedError as error:
        raise ProblemError(404, str(error)) from error
    return PicturesAnswer(
        pipeline=day.pipeline,
        day=day.day,
        version=day.version,
        pictures=[Picture(name, _alt(svg) or name, svg) for name, svg in found.items()],
    )


def entity(question: Question) -> EntityDays:
    """Return an entity of the path."""
    return _entity(question, question.path["entity"])


def named_entity(question: Question) -> EntityDays:
    """Return an entity of the query."""
    return _entity(question, question.query.name)


def _entity(question: Question, name: str) -> EntityDays:
    day = question.open_day(question.query.day)
    history = _history(question, day, name)
    today = day.entity(name)
    if today is None and not history:
        raise ProblemError(
            404,
            f"{day.pipeline} has no such entity on {day.day}, nor up to "
            f"{counted(question.query.history, 'day')} before",
        )
    return EntityDays(
        pipeline=day.pipeline,
        entity=name,
        day=day.day,
        version=day.version,
        today=today,
        history=history,
        enrichment=question.enricher.ask(day.sources, name),
    )


def _history(question: Question, day: ServedDay, name: str) -> list[EntityAnswer]:
    before = [one for one in question.days.days(day.pipeline) if one < day.day]
    latest = sorted(before, reverse=True)[: question.query.history]
    found = (question.open_day(one).entity(name) for one in latest)
    return [answer for answer in found if answer is not None]


def _newest(question: Question) -> tuple[list[ServedDay], list[str]]:
    """Open the newest days, and return the names of pipelines that are damaged: they stop no other."""
    found, unreadable = [], []
    for name in question.days.pipelines():
        try:
            found.append(open_served(question.days, name, None))
        except (IntegrityError, InputError) as error:
            question.facts["error"] = str(error)
            unreadable.append(name)
    return found, unreadable


def _open_page(question: Question, of: str, cluster: int) -> tuple[ServedDay, PageToken]:
    """Open the day of a page and return where the page begins."""
    query: PageQuery = question.query
    if query.after is None:
        day = question.open_day(query.day)
        return day, PageToken("clusters", day.pipeline, day.day, day.version, cluster)
    token = read_token(query.after)
    fits = token.of == of and token.pipeline == question.path["pipeline"]
    if not fits or (of == "members" and token.cluster != cluster) or query.day not in {None, token.day}:
        raise ProblemError(400, "after: this token continues another list", field="after")
    try:
        return question.days.open_day(token.pipeline, token.day, token.version), token
    except DayNotServedError as error:
        raise ProblemError(
            410, f"{error}; it was replaced since this list began: begin again, without `after`"
        ) from error


def _alt(svg: str) -> str:
    """Return the description of a picture."""
    found = _LABEL.search(svg)
    return unescape(found[1]) if found else ""


def _number(question: Question) -> int:
    text = question.path["cluster"]
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER):
        raise ProblemError(404, "a cluster has a number: 0, 1, 2 and so on")
    return int(text)


def _no_cluster(day: ServedDay, number: int) -> ProblemError:
    return ProblemError(404, f"{day.pipeline} has no cluster {number} on {day.day}")
