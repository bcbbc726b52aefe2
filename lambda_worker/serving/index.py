"""One published index: the files of one version of a day, opened to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.serving.arrays import map_arrays
from lambda_worker.serving.contract import MAX_ITEMS, Prediction
from lambda_worker.serving.entities import Entities
from lambda_worker.serving.facts import read_facts
from lambda_worker.serving.queries import Queries, content_of
from lambda_worker.serving.rules import ComponentRule, DbscanRule, NearestMemberRule
from lambda_worker.serving.structures.choice import Widening, open_structure
from lambda_worker.serving.structures.near import EqualPoints

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from lambda_worker.serving.centres import NearestCentreRule
    from lambda_worker.serving.contract import ClusterAnswer, EntityAnswer, Item, Source
    from lambda_worker.serving.facts import Facts
    from lambda_worker.serving.rules import ItemRule, NearRule


class DayIndex:
    """A `ServedDay` over two local files.

    Args:
        arrays: The file of arrays.
        entities: The database.
        version: The published version.
        max_items: Maximum items of one request.
        sources: Servers to ask about its entities.

    Raises:
        InputError: A file is not whole, or another version of this code wrote it.
    """

    def __init__(
        self,
        arrays: Path,
        entities: Path,
        version: int,
        max_items: int = MAX_ITEMS,
        sources: Sequence[Source] = (),
    ) -> None:
        mapped, text = map_arrays(arrays)
        self._facts = read_facts(text)
        self._version = version
        self._max_items = max_items
        self._sources = sources
        self._entities = Entities(entities, self._facts.day)
        self._queries = Queries(self._facts, lambda token: self._entities.code(token) is not None)
        self._equal = EqualPoints(mapped)
        self._structure = open_structure(self._facts, mapped, self._entities)
        self._item_rule = self._item_rule_of(mapped)
        self._rule = _rule_of(self._facts, mapped)

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self._facts.pipeline

    @property
    def day(self) -> str:
        """The day, `YYYY-MM-DD`."""
        return self._facts.day

    @property
    def version(self) -> int:
        """The published version."""
        return self._version

    @property
    def kind(self) -> str:
        """The key of `Item` that `classify` takes."""
        return self._queries.kind

    @property
    def max_items(self) -> int:
        """Maximum items of one request."""
        return self._max_items

    @property
    def sources(self) -> Sequence[Source]:
        """Servers to ask about its entities."""
        return self._sources

    @property
    def example(self) -> Item:
        """An item that `classify` takes."""
        return self._queries.example(self._entities.first_token() or "token")

    def classify(self, items: Sequence[Item]) -> list[Prediction]:
        """Return a prediction for each item.

        Raises:
            ItemError: An item is not of the pipeline's kind, or a value is not usable; it names the field.
        """
        # All items are checked before the first one is answered.
        queries = [self._queries.prepare(index, item) for index, item in enumerate(items)]
        return [self._predict(query) for query in queries]

    def entity(self, name: str) -> EntityAnswer | None:
        """Return the cluster of an entity; None if the day does not have it."""
        return self._entities.entity(name)

    def clusters(self, after: int, limit: int) -> list[ClusterAnswer]:
        """Return the clusters whose number is above `after`, by number."""
        return self._entities.clusters(after, limit)

    def cluster(self, number: int) -> ClusterAnswer | None:
        """Return a cluster by number; None if the day does not have it."""
        return self._entities.cluster(number)

    def members(self, number: int, after: str, limit: int) -> list[EntityAnswer]:
        """Return the entities of a cluster whose name sorts after `after`, by name."""
        return self._entities.members(number, after, limit)

    def _predict(self, query: Any) -> Prediction:
        own = self._equal.find(content_of(query))
        if self._item_rule is not None:
            verdict = self._item_rule.decide(query, own)
        else:
            near = self._structure.near(query)
            verdict = self._rule.decide(near if own is None else near.including(own), own)
        stable_id, name = self._entities.identity(verdict.cluster)
        return Prediction(
            cluster=verdict.cluster,
            stable_id=stable_id,
            name=name,
            role=verdict.role_name,
            distance=verdict.distance,
            rule=self._facts.rule,
            changes=verdict.changes,
            probability=verdict.probability,
        )

    def _item_rule_of(self, arrays: Mapping[str, NDArray[Any]]) -> ItemRule | None:
        match self._facts.rule:
            case "nearest_centre":
                return _centres_of(self._facts, arrays)
            case "condensed_tree":
                # Imported here, as the centres below: few days need them, and both delay a cold start.
                from lambda_worker.serving.condensed_tree import CondensedTreeRule, neighbourhood_of

                search = Widening(self._facts, arrays, self._entities)
                return CondensedTreeRule(arrays, search, neighbourhood_of(self._facts.algorithm))
            case _:
                return None


def _centres_of(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> NearestCentreRule:
    from lambda_worker.serving.centres import NearestCentreRule

    reach = None
    if facts.algorithm["type"] == "mean_shift" and not facts.algorithm["cluster_all"]:
        reach = (facts.space.threshold or 0.0) / 2  # the bandwidth
    return NearestCentreRule(arrays, reach)


def _rule_of(facts: Facts, arrays: Mapping[str, NDArray[Any]]) -> NearRule:
    match facts.rule:
        case "dbscan":
            return DbscanRule(arrays, int(facts.algorithm["min_samples"]))
        case "component":
            return ComponentRule(arrays)
        case _:
            return NearestMemberRule(arrays)
