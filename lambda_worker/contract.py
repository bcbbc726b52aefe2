"""What travels between the Dagster process and the worker: JSON, versioned, data by reference.

The only module of this package that `cluster_assets` may import. Standard library only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1


class ContractError(ValueError):
    """An event or reply that is not of this contract."""


class InputError(ContractError):
    """An input file is missing, unreadable, or breaks the contract of its table."""


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One invocation: cluster a whole day (or a shard of it) from its candidate pairs.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` among their columns.
        candidates: Addresses of Parquet files `point_a BIGINT, point_b BIGINT, distance DOUBLE`.
        point_count: Rows in `points`; ids are dense from 0.
        output: Address of the Parquet file to write: `point_id, cluster, role`, in point order.
        algorithm: `{"type": "dbscan", "min_samples": 5}` or `{"type": "connected_components"}`.
        cores: Where the candidates are a certificate instead of all near pairs: addresses of Parquet files
            with the `point_id BIGINT` of every core point. None where cores follow from the pairs.
        version: Version of this contract.
    """

    points: tuple[str, ...]
    candidates: tuple[str, ...]
    point_count: int
    output: str
    algorithm: dict[str, Any]
    cores: tuple[str, ...] | None = None
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        cores = None if self.cores is None else list(self.cores)
        lists = {"points": list(self.points), "candidates": list(self.candidates), "cores": cores}
        return asdict(self) | lists


@dataclass(frozen=True, slots=True)
class ClusterReply:
    """What an invocation answers.

    Attributes:
        ok: False when the worker refused; then `error_type` and `error` say why.
        rows: Label rows written.
        bytes: Bytes of the output file.
        pairs: Candidate pairs read.
        clusters: Clusters found.
        core_points: Points that are core (0 for algorithms without cores).
        noise_entities: Entities (weights) labelled noise.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
    """

    ok: bool
    rows: int = 0
    bytes: int = 0
    pairs: int = 0
    clusters: int = 0
    core_points: int = 0
    noise_entities: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error_type: str = ""
    error: str = ""
    version: int = field(default=VERSION)

    def to_json(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        return asdict(self)


def read_event(body: dict[str, Any]) -> ClusterEvent:
    """Check and read an event; unknown keys (such as those of Dagster Pipes) are ignored.

    Raises:
        ContractError: A field is missing, of another type, or the version is unknown.
    """
    if _object(body, "the event").get("version") != VERSION:
        raise ContractError(f"event version {body.get('version')!r}; this worker speaks version {VERSION}")
    try:
        return ClusterEvent(
            points=tuple(_texts(body["points"], "points")),
            candidates=tuple(_texts(body["candidates"], "candidates")),
            point_count=_count(body["point_count"]),
            output=_text(body["output"], "output"),
            algorithm=_object(body["algorithm"], "algorithm"),
            cores=None if body.get("cores") is None else tuple(_texts(body["cores"], "cores")),
        )
    except KeyError as error:
        raise ContractError(f"the event has no field {error}") from error


def read_reply(body: dict[str, Any]) -> ClusterReply:
    """Check and read a reply.

    Raises:
        ContractError: It is no reply of this version.
    """
    if body.get("version") != VERSION:
        raise ContractError(f"reply version {body.get('version')!r}, expected {VERSION}")
    try:
        return ClusterReply(**body)
    except TypeError as error:
        raise ContractError(f"not a worker reply: {error}") from error


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise ContractError(f"{name} must be a non-empty text, not {value!r}")
    return value


def _texts(value: object, name: str) -> list[str]:
    if not isinstance(value, list):
        raise ContractError(f"{name} must be a list of texts, not {value!r}")
    return [_text(item, name) for item in value]


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContractError(f"point_count must be a number >= 0, not {value!r}")
    return value


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ContractError(f"{name} must be an object, not {value!r}")
    return value
