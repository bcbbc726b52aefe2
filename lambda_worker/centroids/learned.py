"""What an estimator has learned, and the checks of its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_worker.contract import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Learned:
    """What labels points.

    Attributes:
        predict: From vectors, shape (points, dimensions), to clusters, shape (points,).
        iterations: Passes over the points it took.
        centres: Shape (clusters, dimensions), where the inertia is the distance to these.
        subclusters: Leaves of a tree.
    """

    predict: Callable[[NDArray[np.float64]], NDArray[np.integer]]
    iterations: int = 1
    centres: NDArray[np.float64] | None = None
    subclusters: int = 0


def check_whole(value: object, name: str, least: int = 1) -> None:
    """Refuse what is no whole number from `least` on; it comes straight from JSON.

    Raises:
        ContractError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ContractError(f"{name} must be a whole number >= {least}, not {value!r}")
