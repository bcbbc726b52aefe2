"""Questions and answers about published days, as the API, the command line and Python exchange them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Sequence

Role = Literal["core", "border", "member", "noise"]
MAX_ITEMS = 1000
"""Items of one request, unless a pipeline's YAML says another number."""
ENRICH_PREFIX = "CLUSTER_ENRICH_"
"""How the names of environment variables begin that sources may receive as headers."""
Change = Literal["merges", "founds", "absorbs", "promotes"]
"""What inserting an item would change besides its own label.

`merges`: clusters become one. `founds`: the item founds a cluster. `absorbs`: noise, or a border entity of a
higher cluster, joins the item's cluster. `promotes`: another entity becomes core.
"""


MixedValue = float | str | bool | list[str] | dict[str, float] | None
"""A number, category or text; the tokens of a set; or `{"latitude": 50.1, "longitude": 8.7}`."""


class Item(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Features of a new item in raw units, as the source has them; one key, by the kind of the pipeline.

    Attributes:
        set: Tokens.
        vector: One number for each expression of `features.vector`, in their order.
        latitude: Degrees, together with `longitude`.
        longitude: Degrees.
        text: The text.
        embedding: The numbers of the embedding.
        mixed: Values by name of the feature.
    """

    set: tuple[str, ...] | None = None
    vector: tuple[float, ...] | None = None
    latitude: float | None = None
    longitude: float | None = None
    text: str | None = None
    embedding: tuple[float, ...] | None = None
    mixed: dict[str, MixedValue] | None = None


class Prediction(Struct, frozen=True, kw_only=True):
    """Where a new item would belong.

    Attributes:
        cluster: Number of the cluster that day; -1 is noise.
        stable_id: The cluster's id across days; None for noise.
        name: The cluster's short name; None for noise, or if the day has no names.
        role: Role of the item.
        distance: Distance to the nearest member of the cluster (to its centre, for centre-based
            algorithms); None for noise.
        rule: The rule that decided: `dbscan`, `component`, `nearest_centre`, `condensed_tree` or
            `nearest_member`.
        changes: What inserting the item would change; empty means that it moves nobody.
        probability: How strongly the item belongs to the cluster; None if the algorithm has no such number.
    """

    cluster: int
    stable_id: str | None
    name: str | None
    role: Role
    distance: float | None
    rule: str
    changes: tuple[Change, ...] = ()
    probability: float | None = None


class EntityAnswer(Struct, frozen=True, kw_only=True):
    """The cluster of a published entity on one day."""

    entity: str
    day: str
    cluster: int
    stable_id: str | None
    name: str | None
    role: Role
    probability: float | None = None


class ClusterAnswer(Struct, frozen=True, kw_only=True):
    """A cluster of one day.

    Attributes:
        cluster: Its number that day.
        stable_id: Its id across days.
        name: Its short name; None if the day has no names.
        entities: Number of its entities.
        event: What happened since the day before: `born`, `continued`, `split`, `merged` and so on, as in
            table `lineage`.
        since: First day of its life.
        profile: Its row of table `profiles`.
    """

    cluster: int
    stable_id: str
    name: str | None
    entities: int
    event: str
    since: str
    profile: Mapping[str, object] = field(default_factory=dict)


class Source(Struct, frozen=True, kw_only=True):
    """A server whose answer is added to that about an entity; `serve.enrich` describes and checks its keys.

    Attributes:
        name: The key of its answer.
        url: Its `https://` address, with `{entity}` in path or query.
        timeout_s: Seconds until the whole answer has arrived.
        on_failure: Whether a failure leaves the answer out, or fails the request.
        headers: Names of environment variables, by header; each begins with `ENRICH_PREFIX`.
        cache_s: Seconds that an answer is kept.
        cache_entries: Maximum answers that are kept.
    """

    name: str
    url: str
    timeout_s: float
    on_failure: Literal["omit", "fail"]
    headers: Mapping[str, str]
    cache_s: float
    cache_entries: int


class ServedDay(Protocol):
    """One version of one published day; it never changes."""

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""

    @property
    def day(self) -> str:
        """The day, `YYYY-MM-DD`."""

    @property
    def version(self) -> int:
        """The published version."""

    @property
    def kind(self) -> str:
        """The key of `Item` that `classify` takes: `set`, `vector`, `place`, `text`, `embedding`, `mixed`."""

    @property
    def max_items(self) -> int:
        """Maximum items of one request, as `serve.max_items` was when the day was computed."""

    @property
    def example(self) -> Item:
        """An item that `classify` takes."""

    @property
    def sources(self) -> Sequence[Source]:
        """Servers to ask about its entities, as `serve.enrich` was when the day was computed."""

    def classify(self, items: Sequence[Item]) -> list[Prediction]:
        """Return a prediction for each item.

        Raises:
            ItemError: An item is not of the pipeline's kind, or a value is not usable; it names the field.
        """

    def entity(self, name: str) -> EntityAnswer | None:
        """Return the cluster of an entity; None if the day does not have it."""

    def clusters(self, after: int, limit: int) -> list[ClusterAnswer]:
        """Return the clusters whose number is above `after`, by number."""

    def cluster(self, number: int) -> ClusterAnswer | None:
        """Return a cluster by number; None if the day does not have it."""

    def members(self, number: int, after: str, limit: int) -> list[EntityAnswer]:
        """Return the entities of a cluster whose name sorts after `after`, by name."""


class ServedDays(Protocol):
    """All days that can be asked; a newly published day appears within `refresh_s`."""

    def pipelines(self) -> list[str]:
        """Return the names of the pipelines that have an index."""

    def days(self, pipeline: str) -> list[str]:
        """Return the days with an index, ascending; empty if there is no such pipeline."""

    def open_day(self, pipeline: str, day: str | None = None, version: int | None = None) -> ServedDay:
        """Open a day, by default the newest; with `version`, exactly that version of it.

        Raises:
            DayNotServedError: There is no such pipeline, day or version; the text says which.
        """

    def pictures(self, day: ServedDay) -> Mapping[str, str]:
        """Return the pictures of the day's report by name, as SVG; empty if it has none of this version.

        Raises:
            DayNotServedError: The version was removed.
        """


class ItemError(ValueError):
    """An item that cannot be classified.

    Args:
        index: Position of the item in the request.
        field: The field at fault, as a path below the item: `vector/1`.
        problem: What is wrong and what is expected.
    """

    def __init__(self, index: int, field: str, problem: str) -> None:
        super().__init__(f"items/{index}/{field}: {problem}")
        self.index, self.field, self.problem = index, field, problem


class DayNotServedError(LookupError):
    """There is no index of the pipeline, the day or the version."""
