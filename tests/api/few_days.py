"""Published days of a few entities, in memory: what the API may expect of the index."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambda_worker.serving.contract import (
    ClusterAnswer,
    DayNotServedError,
    EntityAnswer,
    Item,
    ItemError,
    Prediction,
    Source,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ODD_NAMES = (
    "10.0.0.1",
    "a/b",
    "a%2Fb",
    "50% off?",
    "x#y&z=1",
    "naïve",
    "🦊",
    "nul\0nul",
    "two\nlines\n",
    "..",
    "+ +",
)


@dataclass(frozen=True)
class FewEntities:
    """A day of one-dimensional points; whole parts of ten are clusters: 3 and 7 are in 0, 12 is in 1."""

    pipeline: str
    day: str
    version: int
    places: dict[str, float]
    kind: str = "vector"
    max_items: int = 5
    sources: tuple[Source, ...] = ()

    @property
    def example(self) -> Item:
        return Item(set=("a",)) if self.kind == "set" else Item(vector=(11.0,))

    def classify(self, items: Sequence[Item]) -> list[Prediction]:
        return [self._classify(index, item) for index, item in enumerate(items)]

    def _classify(self, index: int, item: Item) -> Prediction:
        x = self._place(index, item)
        near = min(self.places.values(), key=lambda one: (abs(one - x), one))
        if abs(near - x) > 1:
            return Prediction(
                cluster=-1, stable_id=None, name=None, role="noise", distance=None, rule="nearest_member"
            )
        cluster = int(near // 10)
        return Prediction(
            cluster=cluster,
            stable_id=f"{self.pipeline}-{cluster}",
            name=None,
            role="member",
            distance=abs(near - x),
            rule="nearest_member",
            changes=("founds",) if x < 0 else (),
        )

    def _place(self, index: int, item: Item) -> float:
        if self.kind == "set":
            if item.set is None:
                raise ItemError(index, "", "this pipeline takes `set`")
            return float(len(item.set))
        if item.vector is None:
            raise ItemError(index, "", "this pipeline takes `vector`")
        if len(item.vector) != 1:
            raise ItemError(index, "vector", "this pipeline has 1 number")
        if not math.isfinite(item.vector[0]):
            raise ItemError(index, "vector/0", "not a finite number")
        return item.vector[0]

    def entity(self, name: str) -> EntityAnswer | None:
        if name not in self.places:
            return None
        cluster = int(self.places[name] // 10)
        return EntityAnswer(
            entity=name,
            day=self.day,
            cluster=cluster,
            stable_id=f"{self.pipeline}-{cluster}",
            name=None,
            role="member",
        )

    def clusters(self, after: int, limit: int) -> list[ClusterAnswer]:
        numbers = sorted({int(place // 10) for place in self.places.values()})
        return [self._cluster(number) for number in numbers if number > after][:limit]

    def cluster(self, number: int) -> ClusterAnswer | None:
        return next(iter(self.clusters(number - 1, 1)), None) if self.members(number, "", 1) else None

    def _cluster(self, number: int) -> ClusterAnswer:
        inside = [place for place in self.places.values() if place // 10 == number]
        return ClusterAnswer(
            cluster=number,
            stable_id=f"{self.pipeline}-{number}",
            name=None,
            entities=len(inside),
            event="born",
            since=self.day,
            profile={"mean": sum(inside) / len(inside)},
        )

    def members(self, number: int, after: str, limit: int) -> list[EntityAnswer]:
        names = sorted(name for name, place in self.places.items() if place // 10 == number and name > after)
        return [answer for name in names[:limit] if (answer := self.entity(name))]


@dataclass
class FewDays:
    """`ServedDays` in memory; `publish` adds a version, and `forget` removes the old ones."""

    published: dict[tuple[str, str], list[FewEntities]] = field(default_factory=dict)
    before_open: Callable[[str], None] = lambda _: None

    def publish(
        self,
        pipeline: str,
        day: str,
        places: dict[str, float],
        kind: str = "vector",
        max_items: int = 5,
        sources: tuple[Source, ...] = (),
    ) -> FewEntities:
        versions = self.published.setdefault((pipeline, day), [])
        versions.append(FewEntities(pipeline, day, len(versions) + 1, places, kind, max_items, sources))
        return versions[-1]

    def forget(self, pipeline: str, day: str) -> None:
        del self.published[pipeline, day][:-1]

    def pipelines(self) -> list[str]:
        return sorted({pipeline for pipeline, _ in self.published})

    def days(self, pipeline: str) -> list[str]:
        return sorted(day for name, day in self.published if name == pipeline)

    def open_day(self, pipeline: str, day: str | None = None, version: int | None = None) -> FewEntities:
        self.before_open(pipeline)
        days = self.days(pipeline)
        if not days:
            raise DayNotServedError(f"there is no pipeline {pipeline!r}")
        versions: Iterable[FewEntities] = self.published.get((pipeline, day or days[-1]), ())
        found = [one for one in versions if version in {None, one.version}]
        if not found:
            raise DayNotServedError(f"{pipeline} has no day {day or days[-1]}")
        return found[-1]

    def pictures(self, day: FewEntities) -> dict[str, str]:
        return {} if day.pipeline == "tokens" else {name: draw(name, day) for name in ("sizes", "flow")}


def draw(name: str, day: FewEntities) -> str:
    """A small picture of the report."""
    alt = f"{name} of &quot;{day.pipeline}&quot;, {day.day}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 1" role="img" aria-label="{alt}"/>'


def publish_three_days() -> FewDays:
    """`points` of three days with ten clusters of two entities, and `tokens` of one day with odd names."""
    days = FewDays()
    places = {f"e{number}": number * 5.0 for number in range(20)}
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        days.publish("points", day, places)
    days.publish("tokens", "2026-01-03", dict.fromkeys(ODD_NAMES, 1.0), kind="set")
    return days
