"""Finding the near pairs of a block of points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lambda_worker.contract.messages import ContractError, Event, Reply, texts_field

if TYPE_CHECKING:
    from lambda_worker.contract.messages import Readers


_ANGLES = 2


def _blocks(value: object, name: str) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list):
        raise ContractError(f"{name} must be a list of lists, not {value!r}")
    return tuple(texts_field(one, name) for one in value)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureEvent(Event):
    """Find the near pairs of a block of points.

    Attributes:
        home: Addresses of Parquet files with `point_id BIGINT` and the feature columns: the block.
        others: Further blocks, each a tuple of such addresses: pairs of a home point and one of them count.
        within: Whether pairs of two home points count.
        halo_column: A BIGINT column of the home files that is not 0 for points that are not at home: pairs of
            them with home points count. None where all are at home.
        columns: The feature columns: DOUBLE columns, one a dimension, or one ARRAY(DOUBLE).
        point_count: Rows in all the files.
        metric: `euclidean`, `manhattan`, `chebyshev` or `cosine`; or `haversine`, of latitudes and longitudes
            in degrees, without `others`.
        threshold: Pairs at most this far apart are near; in metres for `haversine`.
        output: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`. None to count only.
        max_pairs: More near pairs are refused.
    """

    operation: ClassVar[str] = "measure"
    written: ClassVar[tuple[str, ...]] = ()
    readers: ClassVar[Readers] = {"others": _blocks}

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

    def __post_init__(self) -> None:
        if self.metric == "haversine" and (len(self.columns) != _ANGLES or self.others or not self.within):
            raise ContractError("haversine takes two columns, latitude and longitude, of one block")


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """A file of near pairs."""

    uri: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureReply(Reply):
    """What a `MeasureEvent` is answered.

    Attributes:
        files: What was written; none when no pair is near.
        pairs: Near pairs.
        bytes: Bytes of the files.
        tested: Pairs whose distance was measured exactly; a filter told the others apart.
    """

    files: tuple[MeasuredFile, ...] = ()
    pairs: int = 0
    bytes: int = 0
    tested: int = 0

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        return {**body, "files": tuple(MeasuredFile(**file) for file in body.get("files", ()))}
