"""Finding near pairs: of a block of points, or of a day of texts or sets that fits into one invocation.

Certificates: near pairs and cores that give DBSCAN the clusters of all near pairs.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec import Struct

from lambda_worker.contract.memory import PROCESS, mib, number_seconds
from lambda_worker.contract.messages import (
    ContractError,
    Count,
    CountFrom1,
    Event,
    Positive,
    Reply,
    Text,
    Texts,
)

MOST_CELL_AXES = 3
"""With more dimensions, a certificate comes from a tree instead of a grid of cells."""

_ANGLES = 2
# Peak bytes; tests/worker/pairs/test_grid_memory.py checks them.
_LISTING, _GRID_POINT, _GRID_AXIS = 30 * 2**20, 38, 30
_TREE_POINT, _TREE_AXIS = 60, 11
# Of the slowest known days: uniform points, each with too few points near it to be core.
_TREE_POINT_S, _TREE_AXIS_FACTOR = 0.2e-6, 1.85
# Peak bytes of matrix products; tests/worker/pairs/test_product_memory.py checks them. A block is decoded,
# transposed and divided by lengths while another is held; a file of pairs is sorted while both are held.
_FILTER, _COPIES_OF_ONE, _COPIES_OF_TWO, _HELD = 6 * 2**20, 4.25, 6.1, 1.25
_LISTED_PAIR = 100
FILE_PAIRS = 1 << 22
"""Most pairs of a file: 96 MiB in memory, about three times that during a sort."""
# Peak bytes of joins, per item; tests/worker/pairs/test_joins_memory.py checks them.
_JOIN_LISTING = 4 * 2**20
_READ_TEXT, _READ_CHARACTER = 24, 7
_TEXT, _TEXT_SEGMENT, _CHARACTER = 84, 20, 4
_SET, _TOKEN, _DISTINCT_TOKEN = 60, 22, 24
_TOKEN_SLOT, _FIRST_SLOTS = 24, 2**16


class BlockEvent(Event, frozen=True, kw_only=True):
    """An event about the near pairs of a block of points.

    Attributes:
        home: Addresses of Parquet files with `point_id BIGINT` and the feature columns: the block.
        others: Further blocks, each a tuple of such addresses: pairs of a home point and one of them count.
        within: Whether pairs of two home points count.
        halo_column: A BIGINT column of the home files that is not 0 for points that are not at home: pairs of
            them with home points count. None where all are at home.
        columns: The feature columns: DOUBLE columns, one per dimension, or one ARRAY(DOUBLE).
        point_count: Rows in all the files.
        metric: `euclidean`, `manhattan`, `chebyshev` or `cosine`; or `haversine`, of latitudes and longitudes
            in degrees, without `others`.
        threshold: Pairs at most this far apart are near; in metres for `haversine`.
        output: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`. None to count only.
        max_pairs: More near pairs are refused.
    """

    written: ClassVar[tuple[str, ...]] = ()
    home: Texts
    others: tuple[Texts, ...]
    within: bool
    halo_column: Text | None
    columns: Texts
    point_count: Count
    metric: Text
    threshold: Positive
    output: Text | None
    max_pairs: Count

    def __post_init__(self) -> None:
        if self.metric == "haversine" and (len(self.columns) != _ANGLES or self.others or not self.within):
            raise ContractError("haversine takes two columns, latitude and longitude, of one block")


class MeasureEvent(BlockEvent, frozen=True, kw_only=True, tag="measure"):
    """Find the near pairs of a block of points."""


class MeasureNewEvent(BlockEvent, frozen=True, kw_only=True, tag="measure_new"):
    """Find the near pairs of a block of points, of which some are known: those of two kept points.

    The files are those of the `MeasureEvent` with the same fields.

    Attributes:
        kept_column: A BIGINT column of all blocks that is not 0 for kept points.
        known: Addresses of Parquet files with the columns of `output`: all near pairs of two kept points the
            lower of which is in the home block.
    """

    kept_column: Text
    known: Texts

    @classmethod
    def of(cls, plain: BlockEvent, kept_column: str, known: Texts) -> MeasureNewEvent:
        """Return an event with the fields of a plain one."""
        fields = {name: getattr(plain, name) for name in BlockEvent.__struct_fields__}
        return cls(**fields, kept_column=kept_column, known=known)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.halo_column is not None:
            raise ContractError("a block with kept points has no halo")


class MeasuredFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A written file of near pairs."""

    uri: Text
    rows: Count
    bytes: Count


class MeasureReply(Reply, frozen=True, kw_only=True):
    """The reply to a `MeasureEvent`.

    Attributes:
        files: The written files; empty when no pair is near.
        pairs: Near pairs.
        bytes: Bytes of the files.
        tested: Pairs whose distance was measured exactly; a filter excluded the others.
    """

    files: tuple[MeasuredFile, ...] = ()
    pairs: int = 0
    bytes: int = 0
    tested: int = 0


def grid_memory_mb(point_count: int, dimensions: int) -> float:
    """Peak memory in MiB, within a quarter, of measuring or certifying a day in few dimensions.

    Args:
        point_count: Points of the block, or of the day.
        dimensions: Of a point.
    """
    return mib(PROCESS + _LISTING + (_GRID_POINT + _GRID_AXIS * dimensions) * point_count)


def product_memory_mb(point_count: int, dimensions: int, pairs: int, *, has_others: bool) -> float:
    """Peak memory in MiB, within 15 %, of measuring a block in many dimensions with itself and with others.

    Args:
        point_count: Points of a block.
        dimensions: Of a point.
        pairs: Near pairs of the invocation.
        has_others: Whether the block is compared with others too; one of them is in memory at a time.
    """
    block = 8 * dimensions * point_count
    blocks, copies = (2, _COPIES_OF_TWO) if has_others else (1, _COPIES_OF_ONE)
    reading = _FILTER + copies * block
    listing = _HELD * blocks * block + _LISTED_PAIR * min(pairs, FILE_PAIRS)
    return mib(PROCESS + max(reading, listing))


def grid_points_within(memory_mb: float, dimensions: int) -> int:
    """Number of points for which `grid_memory_mb` is at most this."""
    room = memory_mb * 2**20 - PROCESS - _LISTING
    return max(0, int(room / (_GRID_POINT + _GRID_AXIS * dimensions)))


def certificate_memory_mb(point_count: int, dimensions: int) -> float:
    """Peak memory of a `CertifyEvent` in MiB, within 15 % in more than `MOST_CELL_AXES` dimensions.

    Args:
        point_count: Points of the day.
        dimensions: Of a point.
    """
    if dimensions <= MOST_CELL_AXES:
        return grid_memory_mb(point_count, dimensions)
    return mib(PROCESS + _LISTING + (_TREE_POINT + _TREE_AXIS * dimensions) * point_count)


def certify_seconds(point_count: int, dimensions: int) -> float:
    """Upper estimate of the seconds of a `CertifyEvent` in more than `MOST_CELL_AXES` dimensions.

    Dense days take about a tenth.

    Args:
        point_count: Points of the day.
        dimensions: Of a point.
    """
    return number_seconds(point_count) + _TREE_POINT_S * _TREE_AXIS_FACTOR**dimensions * point_count


class CertifyEvent(Event, frozen=True, kw_only=True, tag="certify"):
    """Find core points, and enough near pairs to give the same clusters as all near pairs.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT`, `weight BIGINT` and the feature columns:
            all points of the day.
        columns: The feature columns: DOUBLE columns.
        point_count: Rows in all the files.
        metric: `euclidean`, `manhattan` or `chebyshev`.
        threshold: Pairs at most this far apart are near.
        min_samples: Entities within the threshold, the point's own included, that make it core.
        pairs: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`: near pairs of two cores that join whatever all of them join,
            and for each other point a near core, or more, of each cluster that has one.
        cores: Address of the Parquet file to write: `point_id BIGINT` of every core point.
        max_pairs: More pairs are refused.
    """

    written: ClassVar[tuple[str, ...]] = ("cores",)
    points: Texts
    columns: Texts
    point_count: Count
    metric: Text
    threshold: Positive
    min_samples: CountFrom1
    pairs: Text
    cores: Text
    max_pairs: Count


class CertifyReply(MeasureReply, frozen=True, kw_only=True):
    """The reply to a `CertifyEvent`; `bytes` counts the file of cores too.

    Attributes:
        cores: Rows of the file of cores.
        core_bytes: Bytes of it.
    """

    cores: int = 0
    core_bytes: int = 0


class JoinEvent(Event, frozen=True, kw_only=True, tag="join"):
    """Find the near pairs of texts or sets; a join that is too large is declined before it begins.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT` and the feature column.
        kind: `text` or `set`.
        column: VARCHAR, or ARRAY(VARCHAR) of distinct tokens, at least one.
        point_count: Rows in all the files.
        metric: `levenshtein`; or `jaccard`, `dice`, `overlap` or `cosine`.
        threshold: Pairs at most this far apart are near.
        output: Address of the Parquet files to write, without `-00000.parquet`: `point_a BIGINT,
            point_b BIGINT, distance DOUBLE`. None to count only.
        max_pairs: More near pairs are refused.
        max_tests: Approximate limit of the pairs that share a key and have to be compared.
        memory_mb: Memory in MiB that the join may use.
    """

    written: ClassVar[tuple[str, ...]] = ()

    points: Texts
    kind: Text
    column: Text
    point_count: Count
    metric: Text
    threshold: Positive
    output: Text | None
    max_pairs: Count
    max_tests: Count
    memory_mb: Positive


class JoinReply(MeasureReply, frozen=True, kw_only=True):
    """The reply to a `JoinEvent`.

    Attributes:
        declined: Why the join was declined: it would exceed a limit of the event. Empty otherwise.
    """

    declined: str = ""


def text_join_memory_mb(point_count: int, characters: int, edits: int) -> float:
    """Peak memory in MiB, within a quarter, of a `JoinEvent` of texts.

    Texts of many lengths take less, up to a third.

    Args:
        point_count: Texts.
        characters: Code points of all of them.
        edits: The largest edit distance of near texts.
    """
    reading = _READ_TEXT * point_count + _READ_CHARACTER * characters
    text = _TEXT + _TEXT_SEGMENT * (edits + 1)
    return mib(PROCESS + _JOIN_LISTING + max(reading, text * point_count + _CHARACTER * characters))


def set_join_memory_mb(point_count: int, tokens: int, token_bytes: int, distinct: int | None = None) -> float:
    """Peak memory in MiB, within a quarter, of a `JoinEvent` of sets.

    Args:
        point_count: Sets.
        tokens: Tokens of all of them.
        token_bytes: Bytes of these tokens.
        distinct: Number of distinct tokens; None if unknown, which assumes that all differ.
    """
    slots, known = _FIRST_SLOTS, tokens if distinct is None else distinct
    while 4 * known > 3 * slots:
        slots *= 2
    held = _SET * point_count + _TOKEN * tokens + _DISTINCT_TOKEN * known + token_bytes
    return mib(PROCESS + _JOIN_LISTING + held + _TOKEN_SLOT * slots)
