"""The points of a bin, that is, of whole components or clusters, and the pairs between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.tables.reading import read_features

if TYPE_CHECKING:
    from lambda_worker.arrays import AnyInts, Bigints, Indices, Ints, Pairs

MEMBER_COLUMNS = ("point_id", "weight", "component")


class Takes(Protocol):
    """Features of points by row."""

    def take(self, rows: Indices, /) -> Self:
        """Some rows, copied."""
        ...


F = TypeVar("F", bound=Takes)


@dataclass(frozen=True, slots=True)
class Members(Generic[F]):
    """Points ascending by (component, id).

    Attributes:
        ids: Shape (points,).
        weights: Shape (points,): entities of each, from 1.
        components: Shape (points,), the component or cluster of each.
        starts: Shape (components,), the position of the first point of each component.
        features: Of the points.
    """

    ids: Ints
    weights: Ints
    components: Ints
    starts: Indices
    features: F

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def sizes(self) -> Ints:
        """Points of each component, shape (components,)."""
        return np.diff(self.starts, append=len(self.ids))


def sort_members(columns: Bigints, features: F, point_count: int) -> Members[F]:
    """Put the points of a bin in order.

    Args:
        columns: `MEMBER_COLUMNS`, shape (points,) each.
        features: Of the points.
        point_count: The points that the event promises.

    Raises:
        InputError: There are more or fewer points, one comes twice, or has a weight below 1.
    """
    ids, weights, components = columns
    order = order_points(ids, weights, point_count, components)
    ids, weights, components = ids.take(order), weights.take(order), components.take(order)
    starts = np.flatnonzero(np.diff(components, prepend=components[:1] - 1))
    return Members(ids, weights, components, starts, features.take(order))


def order_points(ids: Ints, weights: Ints, point_count: int, components: Ints | None = None) -> Indices:
    """Return the order of the points of a bin by (component, id), or by id.

    Raises:
        InputError: As in `sort_members`.
    """
    if len(ids) != point_count:
        raise InputError(f"the event promises {point_count} points, the files hold {len(ids)}")
    by_id = np.argsort(ids)
    twice = np.flatnonzero(np.diff(ids.take(by_id)) == 0)
    if len(twice):
        raise InputError(f"point {ids[by_id[twice[0]]]} comes twice")
    if len(ids) and int(weights.min()) < 1:
        raise InputError(f"point {ids[np.argmin(weights)]} has a weight below 1")
    return by_id if components is None else np.lexsort((ids, components))


def read_bin_pairs(addresses: tuple[str, ...], ids: AnyInts) -> Pairs:
    """Read the candidate pairs of a bin, as positions of its points.

    Args:
        addresses: Candidates files.
        ids: Shape (points,), distinct.

    Returns:
        Lower position, higher position and distance of each pair, ascending by positions; shapes (pairs,).

    Raises:
        InputError: A pair comes twice, is not a < b, names no point of the bin, or has a distance below 0.
    """
    order = np.argsort(ids)
    known = ids.take(order)
    keys, distances = [np.empty(0, np.int64)], [np.empty(0)]
    for address in addresses:
        for ends, (distance,) in read_features(address, ("point_a", "point_b"), ("distance",)):
            if bool((ends[0] >= ends[1]).any()) or float(distance.min()) < 0:
                raise InputError(f"{address} holds a pair that is not a < b, or a distance below 0")
            at = np.searchsorted(known, np.stack(ends))
            stray = np.append(known, -1).take(at) != ends
            if stray.any():
                point = np.stack(ends)[stray][0]
                raise InputError(f"{address}: a pair names point {point}, which is not in the bin")
            one, other = order.take(at)
            keys.append(np.minimum(one, other) * len(ids) + np.maximum(one, other))
            distances.append(distance)
    key = np.concatenate(keys)
    keys.clear()
    by_key = np.argsort(key)
    key = key.take(by_key)
    if bool((key[1:] == key[:-1]).any()):
        raise InputError("a pair comes twice among the candidates of the bin")
    a, b = np.divmod(key, max(len(ids), 1))
    return a, b, np.concatenate(distances).take(by_key)
