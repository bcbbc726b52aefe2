"""Explains unknown YAML keys."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from cluster_assets.spec.pipeline import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_Schema = dict[str, Any]
# Similarity of two texts by difflib: 1 is equal.
_ALMOST_EQUAL, _SIMILAR = 0.8, 0.6


@dataclass(frozen=True, slots=True)
class _Place:
    """A mapping of the YAML.

    Attributes:
        path: Its dotted key; empty for the attributes themselves.
        type: The value of its `type`, if the keys depend on it.
    """

    path: str
    type: str | None
    keys: tuple[str, ...]


def explain_unknown_key(location: Sequence[str | int]) -> str:
    """Explain where a key belongs, or which keys are accepted instead.

    Args:
        location: The path of the key from pydantic, with the `type` of a mapping after its name.

    >>> explain_unknown_key(("algorithm", "dbscan", "min_sample"))
    "unknown key; did you mean 'min_samples'?"
    >>> explain_unknown_key(("threshold",))
    'unknown key: threshold belongs to distance and algorithm'
    >>> explain_unknown_key(("blocking", "cells", "tables"))
    'unknown key: tables belongs to lsh; cells takes no keys'
    """
    *above, name = map(str, location)
    here = _find_place(above)
    owners = [place for place in _places() if name in place.keys]
    if types := [str(place.type) for place in owners if here.type and place.path == here.path]:
        return f"unknown key: {name} belongs to {_listed(types)}; {_taken(here)}"
    if near := _nearest(name, here.keys, _ALMOST_EQUAL):
        return f"unknown key; did you mean {near!r}?"
    if owners:
        return f"unknown key: {name} belongs to {_listed(_paths(name))}"
    if near := _nearest(name, here.keys, _SIMILAR):
        return f"unknown key; did you mean {near!r}?"
    everywhere = [key for place in _places() for key in place.keys]
    if not here.path and (near := _nearest(name, everywhere, _ALMOST_EQUAL)):
        return f"unknown key; did you mean {near!r}, which belongs to {_listed(_paths(near))}?"
    return f"unknown key; {_taken(here)}"


def _nearest(name: str, known: Sequence[str], cutoff: float) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def _paths(name: str) -> list[str]:
    """Return the dotted keys of the mappings that accept a key."""
    return list(dict.fromkeys(place.path or "attributes" for place in _places() if name in place.keys))


def _taken(place: _Place) -> str:
    keys = [key for key in place.keys if key != "type" or place.type is None]
    if not place.path:
        return f"the keys of attributes are {_listed(keys)}"
    return f"{place.type or place.path} takes {_listed(keys) if keys else 'no keys'}"


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _find_place(location: Sequence[str]) -> _Place:
    """Find the mapping at a path; user-defined names, such as those of mixed features, are skipped."""
    known = {(place.path, place.type): place for place in _places()}
    path, kind = "", None
    for part in location:
        below = f"{path}.{part}" if path else part
        if (path, part) in known:
            kind = part
        elif any(below == other for other, _ in known):
            path, kind = below, None
    return known.get((path, kind)) or _Place(path, kind, ())


@cache
def _places() -> tuple[_Place, ...]:
    """Return every mapping in the schema of a pipeline, by path and type."""
    schema = PipelineSpec.model_json_schema()
    return tuple(_walk(schema, "", None, schema["$defs"]))


def _walk(node: _Schema, path: str, type_: str | None, parts: Mapping[str, _Schema]) -> Iterator[_Place]:
    if "$ref" in node:
        yield from _walk(parts[node["$ref"].rpartition("/")[2]], path, type_, parts)
    elif "discriminator" in node:
        for name, reference in node["discriminator"]["mapping"].items():
            yield from _walk({"$ref": reference}, path, name, parts)
    elif "anyOf" in node:
        for choice in node["anyOf"]:
            yield from _walk(choice, path, type_, parts)
    elif properties := node.get("properties"):
        yield _Place(path, type_, tuple(properties))
        for name, child in properties.items():
            yield from _walk(child, f"{path}.{name}" if path else name, None, parts)
    for child in node.get("patternProperties", {}).values():
        yield from _walk(child, path, type_, parts)
