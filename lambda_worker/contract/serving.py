"""The index of a day, from which the API answers: built by one event from the published tables."""

from __future__ import annotations

from typing import Any, ClassVar

from msgspec import Struct

from lambda_worker.contract.memory import PROCESS, WRITING, mib
from lambda_worker.contract.messages import DayEvent, Positive, TableReply, Text, Texts
from lambda_worker.contract.profiles import Part

# Bytes a point and a byte of its features in the compressed table, fitted to 200,000 points of each kind.
_POINT = 150
_FEATURES = {"set": 50.0, "text": 50.0, "mixed": 50.0}
_NUMBERS = 9.0
_TREE_POINT, _TREE_POINT_S = 300, 20e-6  # with a condensed tree
_START_S, _POINT_S, _ENTITY_S = 0.3, 25e-6, 6e-6


class Space(Struct, frozen=True, forbid_unknown_fields=True):
    """How items are compared with the points of a day.

    Attributes:
        kind: Feature kind: `set`, `vector`, `embedding`, `geo`, `text` or `mixed`.
        columns: The feature columns of the table `points`.
        metric: The distance; None for algorithms that work on centres without one.
        threshold: Points at most this far apart are near; None as for `metric`.
        weights: Factor of each dimension of a vector; empty if it has none.
        limited_tokens: Whether tokens that no point has are dropped, because the day dropped rare or frequent
            ones.
        parts: The features of `mixed`; their widths are measured when the index is built.
    """

    kind: Text
    columns: Texts
    metric: Text | None
    threshold: Positive | None
    weights: tuple[Positive, ...] = ()
    limited_tokens: bool = False
    parts: tuple[Part, ...] = ()


class IndexEvent(DayEvent, frozen=True, kw_only=True, tag="index"):
    """Write the index of a day: `output` is a file of arrays, `entities` an SQLite database.

    Attributes:
        entities: Address of the database of entities and clusters.
        pipeline: Name of the pipeline.
        day: The day, `YYYY-MM-DD`.
        space: How items are compared.
        algorithm: Type and parameters, as in the pipeline's YAML.
        scales: Files of the table `scales` that scaled the day; empty if it is not scaled.
        clusters: Files of the table `clusters`.
        candidates: Files of the table `candidates`; None if it does not list every near pair.
        lineage: Files of the table `lineage`.
        profiles: Files of the table `profiles`.
        centres: Files of the table `centres`; None for algorithms without it.
        condensed_tree: Files of the table `condensed_tree`; empty for algorithms without it.
    """

    written: ClassVar[tuple[str, ...]] = ("output", "entities")

    entities: Text
    pipeline: Text
    day: Text
    space: Space
    algorithm: dict[str, Any]
    clusters: Texts
    lineage: Texts
    profiles: Texts
    candidates: Texts | None = None
    scales: Texts = ()
    centres: Texts | None = None
    condensed_tree: Texts = ()


class IndexReply(TableReply, frozen=True, kw_only=True):
    """The reply to an `IndexEvent`: entities, and bytes of the arrays.

    Attributes:
        entity_bytes: Size of the database.
        clusters: Clusters of the day.
        rule: The rule that the index answers by.
    """

    entity_bytes: int = 0
    clusters: int = 0
    rule: str = ""


def index_memory_mb(kind: str, point_count: int, point_bytes: float, *, has_tree: bool = False) -> float:
    """Upper bound of the peak memory of an `IndexEvent` in MiB.

    Args:
        kind: Feature kind.
        point_count: Points of the day.
        point_bytes: Bytes of a point in the files of the table `points`, on average.
        has_tree: Whether the day has a condensed tree.
    """
    features = _FEATURES.get(kind, _NUMBERS) * point_bytes
    return mib(PROCESS + WRITING + (_POINT + has_tree * _TREE_POINT + features) * point_count)


def index_seconds(point_count: int, entities: int, *, has_tree: bool = False) -> float:
    """Seconds of an `IndexEvent`."""
    point_s = _POINT_S + has_tree * _TREE_POINT_S
    return _START_S + point_s * point_count + _ENTITY_S * entities
