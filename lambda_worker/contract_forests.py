"""What travels for a day in many shards: forests of candidate pairs, and dendrograms.

A forest file is a candidates file with the same clusters in fewer rows. So a day is clustered by a
`ForestEvent` for each shard, where it helps further ones over their files, and a `ClusterEvent` over what
is left. `cluster_assets` may import this module. Standard library only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from lambda_worker.contract import (
    VERSION,
    ContractError,
    count_field,
    object_field,
    text_field,
    texts_field,
)

FOREST = "forest"
"""The `operation` of a `ForestEvent`."""

DENDROGRAM = "dendrogram"
"""The `operation` of a `DendrogramEvent`."""

SPANNING, MINIMUM = "spanning", "minimum"

FOREST_KINDS = {"connected_components": SPANNING, "dbscan": SPANNING, "single_linkage": MINIMUM}
"""The kind of forest an algorithm can be computed from."""

NEEDS_CORES = frozenset({"dbscan"})
"""Algorithms whose forests need the core points."""

FOLD_ROWS = 1 << 20
"""Rows that wait before they are folded into a forest; in a minimum forest at least half the points."""

MOST_POINTS = 3_037_000_499
"""A pair of ids is one 64-bit key below this; the square root of 2^63."""


@dataclass(frozen=True, slots=True)
class ForestEvent:
    """One invocation: pairs that yield the same clusters as those of a shard, as few as possible.

    Attributes:
        kind: `spanning` keeps who is connected, `minimum` also at which distance.
        candidates: Addresses of candidates files, forest files among them; none for an empty shard.
        point_count: Points of the day, with ids 0..point_count-1.
        output: Address of the Parquet file to write.
        cores: Addresses of Parquet files with the `point_id BIGINT` of every core point of the day. Only
            pairs of two cores connect then, and pairs of a core and another point are kept, one for each
            component of the shard. None: every pair connects.
        version: Version of the contract.
    """

    kind: str
    candidates: tuple[str, ...]
    point_count: int
    output: str
    cores: tuple[str, ...] | None = None
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        cores = None if self.cores is None else list(self.cores)
        return asdict(self) | {"candidates": list(self.candidates), "cores": cores, "operation": FOREST}


@dataclass(frozen=True, slots=True)
class ForestReply:
    """What a `ForestEvent` is answered.

    Attributes:
        ok: False when the worker refused; then `error_type` and `error` say why.
        rows: Rows of the file written.
        bytes: Bytes of it.
        borders: Rows of these that tie a point that is not core to a core.
        pairs: Pairs read.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
    """

    ok: bool
    rows: int = 0
    bytes: int = 0
    borders: int = 0
    pairs: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error_type: str = ""
    error: str = ""
    version: int = field(default=VERSION)

    def to_json(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DendrogramEvent:
    """One invocation: all merges of single linkage, from minimum spanning forests of the day.

    Attributes:
        forests: Addresses of forest files of the kind `minimum`, or of candidates files.
        point_count: Points of the day.
        output: Address of the Parquet file to write: `left BIGINT, right BIGINT, distance DOUBLE,
            size BIGINT`, one row a merge, in the order and numbering of `scipy.cluster.hierarchy.linkage`;
            size counts points.
        version: Version of the contract.
    """

    forests: tuple[str, ...]
    point_count: int
    output: str
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return asdict(self) | {"forests": list(self.forests), "operation": DENDROGRAM}


@dataclass(frozen=True, slots=True)
class DendrogramReply:
    """What a `DendrogramEvent` is answered.

    Attributes:
        ok: False when the worker refused; then `error_type` and `error` say why.
        rows: Merges: points less components.
        bytes: Bytes of the file.
        pairs: Forest rows read.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
    """

    ok: bool
    rows: int = 0
    bytes: int = 0
    pairs: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error_type: str = ""
    error: str = ""
    version: int = field(default=VERSION)

    def to_json(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        return asdict(self)


def read_forest_event(body: dict[str, Any]) -> ForestEvent:
    """Check and read an event of the operation `forest`; unknown keys are ignored.

    Raises:
        ContractError: A field is missing, of another type or value, or the version is unknown.
    """
    _check_version(body, "event")
    try:
        event = ForestEvent(
            kind=text_field(body["kind"], "kind"),
            candidates=tuple(texts_field(body["candidates"], "candidates")),
            point_count=_point_count(body["point_count"]),
            output=text_field(body["output"], "output"),
            cores=None if body.get("cores") is None else tuple(texts_field(body["cores"], "cores")),
        )
    except KeyError as error:
        raise ContractError(f"the event has no field {error}") from error
    if event.kind not in (SPANNING, MINIMUM):
        raise ContractError(f"kind must be {SPANNING} or {MINIMUM}, not {event.kind!r}")
    if event.kind == MINIMUM and event.cores is not None:
        raise ContractError("a minimum forest is of all pairs: cores must be null")
    return event


def read_forest_reply(body: dict[str, Any]) -> ForestReply:
    """Check and read a reply to a `ForestEvent`.

    Raises:
        ContractError: It is no such reply of this version.
    """
    _check_version(body, "reply")
    try:
        return ForestReply(**body)
    except TypeError as error:
        raise ContractError(f"not a worker reply: {error}") from error


def read_dendrogram_event(body: dict[str, Any]) -> DendrogramEvent:
    """Check and read an event of the operation `dendrogram`; unknown keys are ignored.

    Raises:
        ContractError: A field is missing, of another type, or the version is unknown.
    """
    _check_version(body, "event")
    try:
        return DendrogramEvent(
            forests=tuple(texts_field(body["forests"], "forests")),
            point_count=_point_count(body["point_count"]),
            output=text_field(body["output"], "output"),
        )
    except KeyError as error:
        raise ContractError(f"the event has no field {error}") from error


def read_dendrogram_reply(body: dict[str, Any]) -> DendrogramReply:
    """Check and read a reply to a `DendrogramEvent`.

    Raises:
        ContractError: It is no such reply of this version.
    """
    _check_version(body, "reply")
    try:
        return DendrogramReply(**body)
    except TypeError as error:
        raise ContractError(f"not a worker reply: {error}") from error


def _point_count(value: object) -> int:
    points = count_field(value)
    if points > MOST_POINTS:
        raise ContractError(f"a forest has at most {MOST_POINTS} points, not {points}")
    return points


def _check_version(body: dict[str, Any], name: str) -> None:
    version = object_field(body, f"the {name}").get("version")
    if version != VERSION:
        raise ContractError(f"{name} version {version!r}; this worker speaks version {VERSION}")
