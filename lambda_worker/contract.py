"""What travels between the Dagster process and the worker: JSON, versioned, data by reference.

The only module of this package that `cluster_assets` may import. Standard library only.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

VERSION = 1
MEASURE = "measure"
"""The `operation` of a `MeasureEvent`; an event without one is a `ClusterEvent`."""


class ContractError(ValueError):
    """An event or reply that is not of this contract."""


class InputError(ContractError):
    """An input file is missing, unreadable, or breaks the contract of its table."""


class PairLimitError(ContractError):
    """More pairs are near than the event allows."""


@dataclass(frozen=True, slots=True)
class ClusterEvent:
    """One invocation: cluster a whole day (or a shard of it) from its candidate pairs.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` among their columns.
        candidates: Addresses of Parquet files `point_a BIGINT, point_b BIGINT, distance DOUBLE`.
        point_count: Rows in `points`; ids are dense from 0.
        output: Address of the Parquet file to write: `point_id, cluster, role`, in point order.
        algorithm: `{"type": "dbscan", "min_samples": 5}`, `{"type": "connected_components"}` or
            `{"type": "single_linkage", "threshold": 0.5}`, whose threshold may be null.
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


@dataclass(frozen=True, slots=True)
class MeasureEvent:
    """One invocation: find the near pairs of a block of points.

    Attributes:
        home: Addresses of Parquet files with `point_id BIGINT` and the feature columns: the block.
        others: Further blocks, each a tuple of such addresses: pairs of a home point and one of them count.
        within: Whether pairs of two home points count.
        halo_column: A BIGINT column of the home files that is not 0 for points that are not at home: pairs of
            them with home points count. None where all are at home.
        columns: The feature columns: DOUBLE columns, one a dimension, or one ARRAY(DOUBLE).
        point_count: Rows in all the files.
        metric: `euclidean`, `manhattan`, `chebyshev` or `cosine`.
        threshold: Pairs at most this far apart are near.
        output: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`, each file sorted. None to count only.
        max_pairs: More near pairs are refused.
        version: Version of this contract.
    """

    home: tuple[str, ...]
    others: tuple[tuple[str, ...], ...]
    within: bool
    halo_column: str | None
    columns: tuple[str, ...]
    point_count: int
    metric: str
    threshold: float
    output: str | None
    max_pairs: int
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        lists = {
            "home": list(self.home),
            "others": [list(addresses) for addresses in self.others],
            "columns": list(self.columns),
        }
        return asdict(self) | lists | {"operation": MEASURE}


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """A file of near pairs."""

    uri: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class MeasureReply:
    """What measuring answers.

    Attributes:
        ok: False when the worker refused; then `error_type` and `error` say why.
        files: What was written; none when no pair is near.
        pairs: Near pairs.
        bytes: Bytes of the files.
        tested: Pairs whose distance was measured exactly; a filter told the others apart.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
    """

    ok: bool
    files: tuple[MeasuredFile, ...] = ()
    pairs: int = 0
    bytes: int = 0
    tested: int = 0
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error_type: str = ""
    error: str = ""
    version: int = field(default=VERSION)

    def to_json(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        return asdict(self) | {"files": [asdict(file) for file in self.files]}


def read_event(body: dict[str, Any]) -> ClusterEvent:
    """Check and read an event; unknown keys (such as those of Dagster Pipes) are ignored.

    Raises:
        ContractError: A field is missing, of another type, or the version is unknown.
    """
    if object_field(body, "the event").get("version") != VERSION:
        raise ContractError(f"event version {body.get('version')!r}; this worker speaks version {VERSION}")
    try:
        return ClusterEvent(
            points=tuple(texts_field(body["points"], "points")),
            candidates=tuple(texts_field(body["candidates"], "candidates")),
            point_count=count_field(body["point_count"]),
            output=text_field(body["output"], "output"),
            algorithm=object_field(body["algorithm"], "algorithm"),
            cores=None if body.get("cores") is None else tuple(texts_field(body["cores"], "cores")),
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


def read_measure_event(body: dict[str, Any]) -> MeasureEvent:
    """Check and read an event of the operation `measure`; unknown keys are ignored.

    Raises:
        ContractError: A field is missing, of another type, or the version is unknown.
    """
    if object_field(body, "the event").get("version") != VERSION:
        raise ContractError(f"event version {body.get('version')!r}; this worker speaks version {VERSION}")
    try:
        if not isinstance(body["others"], list):
            raise ContractError(f"others must be a list of lists, not {body['others']!r}")
        return MeasureEvent(
            home=tuple(texts_field(body["home"], "home")),
            others=tuple(tuple(texts_field(one, "others")) for one in body["others"]),
            within=bool(body["within"]),
            halo_column=None
            if body["halo_column"] is None
            else text_field(body["halo_column"], "halo_column"),
            columns=tuple(texts_field(body["columns"], "columns")),
            point_count=count_field(body["point_count"]),
            metric=text_field(body["metric"], "metric"),
            threshold=_positive(body["threshold"]),
            output=None if body["output"] is None else text_field(body["output"], "output"),
            max_pairs=count_field(body["max_pairs"], "max_pairs"),
        )
    except KeyError as error:
        raise ContractError(f"the event has no field {error}") from error


def read_measure_reply(body: dict[str, Any]) -> MeasureReply:
    """Check and read a reply to a `MeasureEvent`.

    Raises:
        ContractError: It is no such reply of this version.
    """
    if body.get("version") != VERSION:
        raise ContractError(f"reply version {body.get('version')!r}, expected {VERSION}")
    try:
        files = tuple(MeasuredFile(**file) for file in body.get("files", ()))
        return MeasureReply(**{**body, "files": files})
    except TypeError as error:
        raise ContractError(f"not a worker reply: {error}") from error


def text_field(value: object, name: str) -> str:
    """A field that must be a text that is not empty; raises ContractError otherwise."""
    if not isinstance(value, str) or not value:
        raise ContractError(f"{name} must be a non-empty text, not {value!r}")
    return value


def texts_field(value: object, name: str) -> list[str]:
    """A field that must be a list of such texts; raises ContractError otherwise."""
    if not isinstance(value, list):
        raise ContractError(f"{name} must be a list of texts, not {value!r}")
    return [text_field(item, name) for item in value]


def count_field(value: object, name: str = "point_count") -> int:
    """A field that must be a whole number from 0; raises ContractError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContractError(f"{name} must be a number >= 0, not {value!r}")
    return value


def _positive(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ContractError(f"threshold must be a number > 0, not {value!r}")
    return float(value)


def object_field(value: object, name: str) -> dict[str, Any]:
    """A field that must be a JSON object; raises ContractError otherwise."""
    if not isinstance(value, dict):
        raise ContractError(f"{name} must be an object, not {value!r}")
    return value
