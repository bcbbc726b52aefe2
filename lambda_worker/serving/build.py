"""Builds the index of a day from its published tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import replace

from lambda_worker.contract.serving import IndexReply
from lambda_worker.graph.degrees import add_neighbours
from lambda_worker.graph.pairs import CandidatePairs
from lambda_worker.runtime.deadline import check_deadline
from lambda_worker.runtime.storage import written_whole
from lambda_worker.serving.arrays import save_arrays
from lambda_worker.serving.centres import build_centres
from lambda_worker.serving.condensed_tree import parameters_of
from lambda_worker.serving.day_tables import ClusterReader, read_cluster_answers, read_scales
from lambda_worker.serving.entities import Entities, EntityWriter
from lambda_worker.serving.facts import RULES, Facts
from lambda_worker.serving.frozen_tree import find_cores, freeze_clusters
from lambda_worker.serving.points import IndexPoints, read_index_points, widths_of
from lambda_worker.serving.structures.building import build_structure
from lambda_worker.serving.structures.choice import open_structure
from lambda_worker.serving.structures.near import build_equal_points
from lambda_worker.tables.features import Features
from lambda_worker.tables.labels import CORE_ROLE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from lambda_worker.arrays import Bools
    from lambda_worker.contract.serving import IndexEvent
    from lambda_worker.serving.day_tables import PointLabels


def build_index(event: IndexEvent) -> IndexReply:
    """Write both files of an index; equal tables give equal bytes.

    Raises:
        InputError: A file is not of the contract.
    """
    points = read_index_points(event.points, event.point_count, event.space)
    clusters = ClusterReader(event.clusters, event.point_count)
    answers = read_cluster_answers(event.lineage, event.profiles)
    with written_whole(event.entities) as path:
        writer = EntityWriter(path)
        writer.add_entities(clusters.rows())
        writer.add_clusters(answers)
        for part, tokens in points.tokens.items():
            writer.add_tokens(part, tokens)
        writer.finish()
        entity_bytes = path.stat().st_size
        facts, arrays = _arrays_of(event, points, clusters.labels, path)
    with written_whole(event.output) as path:
        written = save_arrays(path, arrays, msgspec.json.encode(facts))
    return IndexReply(
        ok=True,
        rows=clusters.entities,
        bytes=written,
        entity_bytes=entity_bytes,
        clusters=len(answers),
        rule=facts.rule,
    )


def _arrays_of(
    event: IndexEvent, points: IndexPoints, labels: PointLabels, entities: Path
) -> tuple[Facts, dict[str, NDArray[Any]]]:
    widths = widths_of(event.space, points)
    parts = tuple(replace(part, width=widths.get(part.name, 0.0)) for part in event.space.parts)
    space = replace(event.space, parts=parts)
    is_central = event.centres is not None
    structure, arrays = ("none", {}) if is_central else build_structure(space, points)
    if event.centres is not None:
        arrays = build_centres(event.centres)
    centers, spreads = read_scales(event.scales)
    facts = Facts(
        pipeline=event.pipeline,
        day=event.day,
        space=space,
        algorithm=event.algorithm,
        rule="nearest_centre" if is_central else RULES.get(event.algorithm["type"], "nearest_member"),
        structure=structure,
        points=event.point_count,
        dimensions=_dimensions(points, space.columns),
        centers=centers,
        spreads=spreads,
    )
    arrays |= build_equal_points(points.contents())
    arrays |= {"clusters": labels.clusters, "roles": labels.roles, "weights": points.weights}
    if labels.probability is not None:
        arrays["probability"] = labels.probability
    if facts.rule == "dbscan":
        arrays["lacks_one"] = _lacking_one(event, facts, points, arrays, entities)
    if facts.rule == "condensed_tree":
        arrays |= _frozen_tree(event, facts, points, arrays, entities)
    return facts, arrays


def _dimensions(points: IndexPoints, columns: tuple[str, ...]) -> int:
    features = points.features
    if not isinstance(features, Features) or features.kind not in ("vector", "embedding"):
        return 0
    return features.vectors.shape[1] if len(features) else len(columns)


def _frozen_tree(
    event: IndexEvent,
    facts: Facts,
    points: IndexPoints,
    arrays: Mapping[str, NDArray[Any]],
    entities: Path,
) -> dict[str, NDArray[Any]]:
    """Return the arrays of a `CondensedTreeRule`."""
    parameters = parameters_of(event.algorithm)
    frozen = freeze_clusters(event.condensed_tree, arrays["clusters"], points.weights, parameters)
    database = Entities(entities, event.day)
    core = find_cores(facts, points, arrays, database, event.candidates, parameters.neighbourhood)
    database.close()
    return {**frozen, "tree_core": core}


def _lacking_one(
    event: IndexEvent,
    facts: Facts,
    points: IndexPoints,
    arrays: Mapping[str, NDArray[Any]],
    entities: Path,
) -> Bools:
    """Return which points become core with one more entity near them, shape (points,)."""
    least = int(event.algorithm["min_samples"])
    others = arrays["roles"] != CORE_ROLE
    degrees = points.weights.copy()
    if event.candidates is not None:
        weights = points.weights.astype(np.uint64)
        add_neighbours(degrees, weights, CandidatePairs(event.candidates, event.point_count))
    else:
        database = Entities(entities, event.day)
        search = open_structure(facts, arrays, database)
        for point in np.flatnonzero(others).tolist():
            check_deadline()
            near = search.near(points.query(point)).including(point)
            degrees[point] = points.weights.take(near.ids).sum()
        database.close()
    lacking: Bools = others & (degrees == least - 1)
    return lacking
