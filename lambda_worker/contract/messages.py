"""What all events and replies share: a version, JSON, and errors that name the field."""

from __future__ import annotations

from dataclasses import MISSING, Field, asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Reader = Callable[[Any, str], Any]
    Readers = Mapping[str, Reader]

VERSION = 2
"""Of the contract. A worker answers events of its own version only."""


class ContractError(ValueError):
    """An event or reply that is not of this contract."""


class InputError(ContractError):
    """An input file is missing, unreadable, or breaks the contract of its table."""


class PairLimitError(ContractError):
    """More pairs are near than the event allows."""


class DeadlineError(ContractError):
    """The worker cannot finish before the event's deadline, or before Lambda would stop it."""


class CapacityError(ContractError):
    """What is asked for does not fit into one invocation, however often it is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What one invocation is asked to do; data travels by address.

    Attributes:
        record: Address of a JSON file that keeps the reply. An event whose record and results stand is
            answered from it, so that retries, duplicates and reruns cost nothing. None: nothing is kept.
        answer: Address of a JSON file that gets the answer too, be it a reply, a refusal or an error: for a
            caller that does not wait on the line. None: there is no such file.
        deadline: Seconds since 1970, after which nobody waits for the answer. None: Lambda's own limit.
        seconds: How long the work will take, about; a worker with less time left refuses it at once.
        version: Version of the contract.
    """

    operation: ClassVar[str]
    readers: ClassVar[Readers] = {}
    written: ClassVar[tuple[str, ...]] = ("output",)

    record: str | None = None
    answer: str | None = None
    deadline: float | None = None
    seconds: float = 0.0
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return {"operation": self.operation, **_plain(asdict(self))}

    @property
    def results(self) -> tuple[str, ...]:
        """Addresses of all files the event is asked to write."""
        named = (getattr(self, name, None) for name in self.written)
        return tuple(address for address in named if address is not None)

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Check and read an event; unknown keys (such as those of Dagster Pipes) are ignored.

        Each field is read by its reader in `readers`, else by its name, else by its type.

        Raises:
            ContractError: A field is missing, of another type or value, or the version is unknown.
        """
        known = _checked(body, "event")
        own = {}
        for one in fields(cls):
            if one.name in known:
                own[one.name] = _reader(cls, one)(known[one.name], one.name)
            elif one.default is MISSING:
                raise ContractError(f"the event has no field {one.name!r}")
        return cls(**own)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an invocation answers.

    Attributes:
        ok: False when the worker refused; then `error_type` and `error` say why.
        seconds: Wall time inside the handler.
        peak_memory_mb: Highest resident memory of the process so far, in MiB.
        reused: Answered from the event's record, without work.
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
        return dict(_plain(asdict(self)))

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Check and read a reply.

        Raises:
            ContractError: It is no such reply of this version.
        """
        known = _checked(body, "reply")
        try:
            return cls(**cls._read(known))
        except TypeError as error:
            raise ContractError(f"not a worker reply: {error}") from error

    @classmethod
    def _read(cls, body: dict[str, Any]) -> dict[str, Any]:
        """The fields as the subclass holds them, where JSON cannot say it."""
        return body


def text_field(value: object, name: str) -> str:
    """A field that must be a text that is not empty; raises ContractError otherwise."""
    if not isinstance(value, str) or not value:
        raise ContractError(f"{name} must be a non-empty text, not {value!r}")
    return value


def texts_field(value: object, name: str) -> tuple[str, ...]:
    """A field that must be a list of such texts; raises ContractError otherwise."""
    if not isinstance(value, list):
        raise ContractError(f"{name} must be a list of texts, not {value!r}")
    return tuple(text_field(item, name) for item in value)


def count_field(value: object, name: str) -> int:
    """A field that must be a whole number from 0; raises ContractError otherwise."""
    return _count(value, name, 0)


def count_from(least: int) -> Reader:
    """A reader of whole numbers from a least one on; it raises ContractError otherwise."""
    return lambda value, name: _count(value, name, least)


def number_field(value: object, name: str) -> float:
    """A field that must be a finite number; raises ContractError otherwise."""
    # A comparison with NaN is false, as is one with what is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ContractError(f"{name} must be a finite number, not {value!r}")
    return float(value)


def positive_field(value: object, name: str) -> float:
    """A field that must be a finite number above 0; raises ContractError otherwise."""
    number = number_field(value, name)
    if number <= 0:
        raise ContractError(f"{name} must be a number > 0, not {value!r}")
    return number


def flag_field(value: object, name: str) -> bool:
    """A field that must be true or false; raises ContractError otherwise."""
    if not isinstance(value, bool):
        raise ContractError(f"{name} must be true or false, not {value!r}")
    return value


def object_field(value: object, name: str) -> dict[str, Any]:
    """A field that must be a JSON object; raises ContractError otherwise."""
    if not isinstance(value, dict):
        raise ContractError(f"{name} must be an object, not {value!r}")
    return value


def optional(reader: Reader) -> Reader:
    """A reader that takes null, too."""
    return lambda value, name: None if value is None else reader(value, name)


def part_field(value: object, name: str) -> tuple[int, int]:
    """`[k, n]` with 0 <= k < n: every n-th batch from the k-th on; raises ContractError otherwise."""
    if not isinstance(value, list) or len(value) != len(ALL_ROWS):
        raise ContractError(f"{name} must be [k, n], not {value!r}")
    number, parts = (count_field(item, name) for item in value)
    if number >= parts:
        raise ContractError(f"{name} must be [k, n] with k < n, not {value!r}")
    return number, parts


ALL_ROWS = (0, 1)
"""The part that is all of a shard."""

_BY_NAME: Readers = {"part": part_field, "threshold": positive_field, "memory_mb": positive_field}
_BY_TYPE: Readers = {
    "str": text_field,
    "str | None": optional(text_field),
    "tuple[str, ...]": texts_field,
    "tuple[str, ...] | None": optional(texts_field),
    "int": count_field,
    "float": number_field,
    "float | None": optional(number_field),
    "bool": flag_field,
    "dict[str, Any]": object_field,
}


def _reader(kind: type[Event], one: Field[Any]) -> Reader:
    own = kind.readers.get(one.name)
    # Annotations are texts in these modules; a type that is not listed is a fault of the class.
    return own or _BY_NAME.get(one.name) or _BY_TYPE[str(one.type)]


def _count(value: object, name: str, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ContractError(f"{name} must be a number >= {least}, not {value!r}")
    return value


def _checked(body: object, name: str) -> dict[str, Any]:
    known = object_field(body, f"the {name}")
    if known.get("version") != VERSION:
        raise ContractError(f"{name} version {known.get('version')!r}; this worker speaks version {VERSION}")
    return known


def _plain(value: Any) -> Any:
    """A value as JSON would give it back: lists instead of tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
