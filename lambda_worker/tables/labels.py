"""The result of an algorithm: a cluster number and a role for every point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lambda_worker.arrays import Bytes, Floats, Ints, SignedInts

_BLOCK = 1 << 16

NOISE = -1
"""The cluster number of noise."""

ROLES = ("noise", "border", "core", "member")
"""Names of the role codes; `member` is for algorithms without density."""

NOISE_ROLE, BORDER_ROLE, CORE_ROLE, MEMBER_ROLE = np.arange(len(ROLES), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Labels:
    """Cluster and role of every point.

    Attributes:
        cluster: Shape (points,); clusters are 0..clusters-1 in order of their smallest core (or
            member) point id, -1 is noise.
        role: Shape (points,), uint8 codes of `ROLES`.
        clusters: Number of clusters.
        probability: Shape (points,), float64: the probability that a point belongs to its cluster; None
            for algorithms without one.
    """

    cluster: SignedInts
    role: Bytes
    clusters: int
    probability: Floats | None = None


def member_labels(label: SignedInts, probability: Floats | None = None) -> Labels:
    """The labels of an algorithm without cores.

    Args:
        label: Shape (points,): any numbers from 0 identify clusters, -1 is noise. It is overwritten.
        probability: Shape (points,), if there is one.
    """
    clusters = number_by_smallest(label)
    return Labels(label, np.where(label == NOISE, NOISE_ROLE, MEMBER_ROLE), clusters, probability)


def number_by_smallest(label: SignedInts) -> int:
    """Number clusters 0, 1, … in the order of their smallest point id, in place.

    Args:
        label: Shape (points,): any numbers from 0 identify clusters, -1 is noise.

    Returns:
        The number of clusters.
    """
    first = first_points(label, int(label.max(initial=NOISE)) + 1)
    found = np.flatnonzero(first != NOISE)
    number = np.full(len(first) + 1, NOISE, label.dtype)  # the last entry is that of noise
    number[found[np.argsort(first[found])]] = np.arange(len(found))
    for rows in _blocks(label):
        label[rows] = number.take(label[rows])
    return len(found)


def first_points(label: SignedInts, numbers: int) -> Ints:
    """Return the smallest point of each number, shape (numbers,); -1 if no point has it.

    Args:
        label: Shape (points,): numbers below `numbers`; -1 is noise.
        numbers: More than the largest number.
    """
    first = np.full(numbers + 1, NOISE)  # the last entry is that of noise
    for rows in reversed(_blocks(label)):
        block = label[rows]
        # Assign backwards, because the last value written wins.
        first[block[::-1]] = np.arange(rows.start, rows.start + len(block))[::-1]
    return first[:-1]


def clusters_of(label: SignedInts, first: Ints) -> Ints:
    """Return the final number of each former one, from the labels and `first_points`; -1 without points."""
    return np.where(first == NOISE, NOISE, label.take(np.maximum(first, 0)) if len(label) else NOISE)


def _blocks(label: SignedInts) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, len(label), _BLOCK)]
