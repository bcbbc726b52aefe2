"""Random features of every kind, and the distances that measuring all of them gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from lambda_worker.contract.profiles import Part
from lambda_worker.metrics.gower import MixedFeatures
from lambda_worker.metrics.pairwise import pairwise
from lambda_worker.serving.contract import Item
from lambda_worker.tables.features import Codes, Features

TOKENS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=6, unique=True).map(
    lambda tokens: tuple(sorted(tokens))
)
TEXTS = st.text("abcé", max_size=12)
NUMBER = st.integers(-6, 6).map(lambda value: value / 2)
PLACE = st.tuples(st.integers(-90, 90), st.integers(-180, 180)).map(
    lambda place: (float(place[0]), float(place[1]))
)
SPACES = {
    ("set", "jaccard"): (0.0, 1.0),
    ("set", "dice"): (0.0, 1.0),
    ("set", "overlap"): (0.0, 1.0),
    ("set", "cosine"): (0.0, 1.0),
    ("vector", "euclidean"): (0.0, 4.0),
    ("vector", "manhattan"): (0.0, 4.0),
    ("vector", "chebyshev"): (0.0, 4.0),
    ("vector", "cosine"): (0.0, 2.0),
    ("embedding", "cosine"): (0.0, 2.0),
    ("embedding", "euclidean"): (0.0, 4.0),
    ("geo", "haversine"): (1_000.0, 2e7),
    ("text", "levenshtein"): (1.0, 12.0),
    ("mixed", "gower"): (0.0, 1.0),
}
PARTS = (
    Part("size", "number", 2.0),
    Part("kind", "category", 1.0),
    Part("tags", "set", 0.5),
    Part("name", "text", 1.5),
    Part("place", "geo", 1.0),
)


def values_of(kind: str, dimensions: int) -> st.SearchStrategy[Any]:
    if kind == "set":
        return TOKENS
    if kind == "text":
        return TEXTS
    if kind == "geo":
        return PLACE
    if kind == "mixed":
        return st.tuples(NUMBER, st.sampled_from(["", "x", "yz"]), TOKENS, TEXTS, PLACE)
    return st.tuples(*[NUMBER] * dimensions)


def columns_of(kind: str, dimensions: int) -> tuple[str, ...]:
    if kind == "vector":
        return tuple(f"x{k}" for k in range(dimensions))
    if kind == "geo":
        return ("latitude", "longitude")
    if kind == "mixed":
        return ("size", "kind", "tags", "name", "place_latitude", "place_longitude")
    return ({"set": "tokens"}.get(kind, kind),)


def item_of(kind: str, value: Any) -> Item:
    if kind == "geo":
        return Item(latitude=value[0], longitude=value[1])
    if kind == "mixed":
        size, category, tags, name, place = value
        located = {"latitude": place[0], "longitude": place[1]}
        return Item(
            mixed={"size": size, "kind": category, "tags": list(tags), "name": name, "place": located}
        )
    return Item(**{kind: value})


def features_of(kind: str, values: list[Any]) -> Features:
    if kind in ("vector", "embedding", "geo"):
        return Features(kind, rows=np.array(values, float))
    codes = [[ord(character) for character in value] for value in values]
    offsets = np.cumsum([0, *map(len, codes)]).astype(np.int64)
    return Features(kind, lists=Codes(offsets, np.array([c for one in codes for c in one], np.int32)))


def measured(kind: str, metric: str, values: list[Any], widths: dict[str, float]) -> Any:
    """The distances of the last value to the others."""
    if kind != "mixed":
        return pairwise(features_of(kind, values), metric)[-1, :-1]
    kinds = {"number": "vector", "category": "text"}
    columns = zip(*values, strict=True)
    read = tuple(
        features_of(kinds.get(part.kind, part.kind), [(v,) if part.kind == "number" else v for v in column])
        for part, column in zip(PARTS, columns, strict=True)
    )
    parts = tuple(Part(part.name, part.kind, part.weight, widths.get(part.name, 0.0)) for part in PARTS)
    return MixedFeatures(parts, read).distances()[-1, :-1]
