"""The search for the points of a day near an item, the same for all kinds of features."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    from lambda_worker.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Near:
    """Points within the threshold of an item.

    Attributes:
        ids: Shape (near,), int64, distinct, in no order.
        distances: Shape (near,).
    """

    ids: Ints
    distances: Floats

    @classmethod
    def nothing(cls) -> Near:
        """No points."""
        return cls(np.empty(0, np.int64), np.empty(0))

    def including(self, point: int) -> Near:
        """Add a point equal to the item, at distance 0, unless it is there; some metrics measure more."""
        if (self.ids == point).any():
            return self
        return Near(np.append(self.ids, point), np.append(self.distances, 0.0))


class NearIndex(Protocol):
    """Finds near points; the distances are computed by the operations of the stage `candidates`."""

    def near(self, query: Any) -> Near:
        """Return exactly the points within the threshold.

        Args:
            query: Features of an item, as `Queries` prepares them.
        """
        ...


class EqualPoints:
    """Finds the point whose features equal those of an item, by 64-bit digests.

    Two different features of a day of a million points share a digest with a probability below 1e-7.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._digests, self._ids = arrays["equal_digests"], arrays["equal_ids"]

    def find(self, content: bytes) -> int | None:
        """Return the point with this content, as `Queries.content` gives it; None if there is none."""
        digest = np.uint64(_digest(content))
        at = int(self._digests.searchsorted(digest))
        return int(self._ids[at]) if at < len(self._digests) and self._digests[at] == digest else None


def build_equal_points(contents: Iterable[bytes]) -> dict[str, NDArray[Any]]:
    """Return the arrays of `EqualPoints`.

    Args:
        contents: The content of every point in the order of the ids.
    """
    digests = np.fromiter(map(_digest, contents), np.uint64)
    order = np.argsort(digests, kind="stable")
    return {"equal_digests": digests.take(order), "equal_ids": order.astype(np.int64)}


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
