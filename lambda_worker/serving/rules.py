"""From near points to an answer: one rule for each family of algorithms; docs/serving.md proves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lambda_worker.tables.labels import BORDER_ROLE, CORE_ROLE, MEMBER_ROLE, NOISE, NOISE_ROLE, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from lambda_worker.serving.contract import Change
    from lambda_worker.serving.structures.near import Near


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rule says of an item.

    Attributes:
        cluster: Its cluster; -1 is noise.
        role: Code of its role in `ROLES`.
        distance: Distance to the nearest member of the cluster; None for noise.
        changes: What inserting the item would change.
        probability: How strongly it belongs to the cluster; None without such a number.
    """

    cluster: int
    role: int
    distance: float | None
    changes: tuple[Change, ...] = ()
    probability: float | None = None

    @property
    def role_name(self) -> Any:
        """The name of the role."""
        return ROLES[self.role]


class NearRule(Protocol):
    """Decides by the near points."""

    def decide(self, near: Near, own: int | None) -> Verdict:
        """Return the verdict on an item.

        Args:
            near: The points within the threshold, `own` included.
            own: The point whose features the item has; None if there is none. Its published cluster is the
                answer.
        """
        ...


class ItemRule(Protocol):
    """Decides by the features of an item, because the near points are not enough."""

    def decide(self, query: Any, own: int | None) -> Verdict:
        """Return the verdict on an item.

        Args:
            query: Its features, as `Queries` prepares them.
            own: As for `NearRule`.
        """
        ...


class DbscanRule:
    """The lowest cluster of a near core point, else noise.

    If there are no changes, scikit-learn's DBSCAN of the day with the item inserted last gives the item this
    cluster, and every other entity the same as before.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], min_samples: int) -> None:
        self._labels = _Labels(arrays)
        self._weights = arrays["weights"]
        self._lacks_one = arrays["lacks_one"]
        self._min_samples = min_samples

    def decide(self, near: Near, own: int | None) -> Verdict:
        """Return the verdict; see `NearRule`."""
        clusters, roles = self._labels.of(near)
        is_core = roles == CORE_ROLE
        reached = np.unique(clusters[is_core])
        cluster = int(reached[0]) if len(reached) else NOISE
        if own is not None:
            cluster = self._labels.cluster(own)
        becomes_core = 1 + int(self._weights.take(near.ids).sum()) >= self._min_samples
        changes: list[Change] = []
        if becomes_core and len(reached) > 1:
            changes.append("merges")
        if becomes_core and not len(reached):
            changes.append("founds")
        # Noise, or a border point of a higher cluster.
        others = clusters[~is_core]
        if becomes_core and len(reached) and bool(((others == NOISE) | (others > reached[0])).any()):
            changes.append("absorbs")
        if bool(self._lacks_one.take(near.ids).any()):
            changes.append("promotes")
        role = CORE_ROLE if becomes_core else NOISE_ROLE if cluster == NOISE else BORDER_ROLE
        return Verdict(cluster, int(role), _nearest(near, clusters == cluster, cluster), tuple(changes))


class ComponentRule:
    """The component of the near points; without any, the item founds its own."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._labels = _Labels(arrays)

    def decide(self, near: Near, own: int | None) -> Verdict:
        """Return the verdict; see `NearRule`."""
        clusters, _ = self._labels.of(near)
        if not len(clusters):
            return Verdict(NOISE, int(MEMBER_ROLE), None, ("founds",))
        reached = np.unique(clusters)
        cluster = int(reached[0]) if own is None else self._labels.cluster(own)
        changes: tuple[Change, ...] = ("merges",) if len(reached) > 1 else ()
        return Verdict(cluster, int(MEMBER_ROLE), _nearest(near, clusters == cluster, cluster), changes)


class NearestMemberRule:
    """The cluster of the nearest clustered point within the threshold; of equally near ones, the lowest id.

    It says where the item would lie, not what the algorithm would do with it.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._labels = _Labels(arrays)
        self._probability = arrays.get("probability")

    def decide(self, near: Near, own: int | None) -> Verdict:
        """Return the verdict; see `NearRule`."""
        if own is not None:
            return self._verdict(own, 0.0)
        clusters, _ = self._labels.of(near)
        members = np.flatnonzero(clusters != NOISE)
        if not len(members):
            return Verdict(NOISE, int(NOISE_ROLE), None)
        distances, ids = near.distances.take(members), near.ids.take(members)
        return self._verdict(int(ids[np.lexsort((ids, distances))[0]]), float(distances.min()))

    def _verdict(self, point: int, distance: float) -> Verdict:
        cluster = self._labels.cluster(point)
        if cluster == NOISE:
            return Verdict(NOISE, int(NOISE_ROLE), None)
        probability = None if self._probability is None else float(self._probability[point])
        return Verdict(cluster, int(MEMBER_ROLE), distance, probability=probability)


class _Labels:
    """The published labels of the points."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._clusters, self._roles = arrays["clusters"], arrays["roles"]

    def of(self, near: Near) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return clusters and roles of near points, shape (near,) each."""
        return self._clusters.take(near.ids), self._roles.take(near.ids)

    def cluster(self, point: int) -> int:
        """Return the cluster of a point."""
        return int(self._clusters[point])


def _nearest(near: Near, is_member: NDArray[Any], cluster: int) -> float | None:
    if cluster == NOISE or not is_member.any():
        return None
    return float(near.distances[is_member].min())
