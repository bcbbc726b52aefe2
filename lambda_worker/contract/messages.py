"""Base classes of all events and replies: a version, strict types, and errors that name event and field.

Events and replies are frozen msgspec structs. Their annotations are the contract: decoding refuses missing
and unknown fields, wrong types and values out of bounds.
"""

from __future__ import annotations

import pkgutil
import re
import sys
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta, Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    T = TypeVar("T")

VERSION = 3
"""Version of the contract. A worker answers only events of its own version."""

ALL_ROWS = (0, 1)
"""The part that covers a whole shard."""

Text = Annotated[str, Meta(min_length=1)]
Texts = tuple[Text, ...]
Count = Annotated[int, Meta(ge=0)]
CountFrom1 = Annotated[int, Meta(ge=1)]
CountFrom2 = Annotated[int, Meta(ge=2)]
# The largest double refuses infinity, and every comparison with NaN is false.
Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]


class ContractError(ValueError):
    """An event or reply that is not of this contract."""


class InputError(ContractError):
    """An input file is missing, unreadable, or breaks the contract of its table."""


class PairLimitError(ContractError):
    """There are more near pairs than the event allows."""


class DeadlineError(ContractError):
    """The worker cannot finish before the event's deadline, or before Lambda would stop it."""


class CapacityError(ContractError):
    """The task does not fit into one invocation; a retry cannot help."""


class Event(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="operation"):
    """The task of one invocation; data is passed by address.

    Attributes:
        record: Address of a JSON file that keeps the reply. If the record and the results exist, the worker
            answers from them, so that retries, duplicates and reruns cost nothing. None: keep nothing.
        answer: Address of a JSON file that also receives the answer, whether reply, refusal or error, for a
            caller that does not keep the connection open. None: there is no such file.
        deadline: Seconds since 1970 after which the caller stops waiting. None: Lambda's own limit.
        seconds: Approximate duration of the work; a worker with less time left refuses it at once.
        version: Version of the contract.
    """

    written: ClassVar[tuple[str, ...]] = ("output",)

    record: Text | None = None
    answer: Text | None = None
    deadline: Finite | None = None
    seconds: Finite = 0.0
    version: int = VERSION

    @classmethod
    def operation(cls) -> str:
        """The name of the operation: the tag of the struct, and the field `operation` of its JSON."""
        return str(cls.__struct_config__.tag)

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return dict(msgspec.to_builtins(self))

    @property
    def results(self) -> tuple[str, ...]:
        """Addresses of all files that the event writes."""
        named = (getattr(self, name, None) for name in self.written)
        return tuple(address for address in named if address is not None)

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Check and read an event.

        Raises:
            ContractError: A field is missing, unknown, of the wrong type or value, or the version differs.
        """
        return _read(cls, body, f"the event {cls.operation()}")


class DayEvent(Event, frozen=True, kw_only=True):
    """An event about all points of a day.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT` among their columns.
        point_count: Points of the day; ids are 0..point_count-1.
        output: Address of the Parquet file to write.
    """

    points: Texts
    point_count: Count
    output: Text


class BinEvent(Event, frozen=True, kw_only=True):
    """An event about whole components or clusters.

    Attributes:
        points: Addresses of Parquet files with `point_id BIGINT, weight BIGINT, component BIGINT` and the
            feature columns; rows in any order.
        point_count: Rows in `points`.
        columns: The feature columns, as in the table `points` of their kind.
        output: Address of the Parquet file to write.
    """

    points: Texts
    point_count: Count
    columns: Texts
    output: Text


class ShardEvent(Event, frozen=True, kw_only=True):
    """An event that reads all rows of its files, or every n-th batch of them.

    Attributes:
        part: `(k, n)`: every n-th batch of rows, starting with the k-th, to split a file. All rows: `(0, 1)`.
    """

    part: tuple[Count, Count] = ALL_ROWS

    def __post_init__(self) -> None:
        number, parts = self.part
        if number >= parts:
            raise ContractError(f"part must be [k, n] with k < n, not {list(self.part)}")


class Reply(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The answer of an invocation.

    Attributes:
        ok: False when the worker refused the event; `error_type` and `error` then say why.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
        reused: Whether the reply comes from the event's record, without work.
        version: Version of the contract.
    """

    ok: bool
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    reused: bool = False
    error_type: str = ""
    error: str = ""
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The reply as a JSON object."""
        return dict(msgspec.to_builtins(self))

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Check and read a reply.

        Raises:
            ContractError: It is not such a reply of this version.
        """
        return _read(cls, body, f"the reply {cls.__name__}")


class TableReply(Reply, frozen=True, kw_only=True):
    """The reply to an event that writes one table.

    Attributes:
        rows: Rows of the written file.
        bytes: Its size in bytes.
        pairs: Pairs read, or rows of forests; 0 if the event reads none.
    """

    rows: int = 0
    bytes: int = 0
    pairs: int = 0


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of an algorithm, named as in a pipeline's YAML."""


def build_algorithm(description: Mapping[str, Any], known: Mapping[str, type[T] | str]) -> T:
    """Build the algorithm of an event, given as `{"type": "dbscan", "min_samples": 5}`.

    Args:
        description: Its type and its parameters.
        known: By type, its class with `Parameters` as a base, or `module:class` to load it when asked for.

    Raises:
        ContractError: The type is not known, or a parameter is missing, unknown or invalid.
    """
    name = description.get("type")
    if not isinstance(name, str) or name not in known:
        raise ContractError(f"algorithm type {name!r}; there are {', '.join(sorted(known))}")
    found = known[name]
    kind: type[T] = pkgutil.resolve_name(found) if isinstance(found, str) else found
    parameters = {field: value for field, value in description.items() if field != "type"}
    return _convert(kind, parameters, f"the algorithm {name}")


def _read(kind: type[T], body: object, name: str) -> T:
    if not isinstance(body, dict):
        raise ContractError(f"{name} must be an object, not {body!r}")
    if body.get("version") != VERSION:
        raise ContractError(f"{name} has version {body.get('version')!r}; this worker speaks {VERSION}")
    return _convert(kind, body, name)


def _convert(kind: type[T], body: dict[str, Any], name: str) -> T:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        field = path.strip(".`")
        if text.startswith("Invalid enum value"):
            text += f"; expected {_choices(kind, field)}"
        raise ContractError(f"{name}, {field}: {text}" if field else f"{name}: {text}") from error


def _choices(kind: Any, path: str) -> str:
    """Return the allowed values of a field such as `kind` or `parts[0].kind`."""
    for name in re.findall(r"[a-z]\w*", path):
        owner = kind if isinstance(kind, type) else get_args(kind)[0]
        kind = get_type_hints(owner)[name]
    return " or ".join(get_args(kind))
