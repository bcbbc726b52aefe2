"""What all events and replies share: a version, JSON, and errors that name the field."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

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
        record: Address of a JSON file that keeps the reply, written once. An event whose record stands is
            answered from it, so that retries, duplicates and reruns cost nothing. None: nothing is kept.
        deadline: Seconds since 1970, after which nobody waits for the answer. None: Lambda's own limit.
        seconds: How long the work will take, about; a worker with less time left refuses it at once.
        version: Version of the contract.
    """

    operation: ClassVar[str]

    record: str | None = None
    deadline: float | None = None
    seconds: float = 0.0
    version: int = VERSION

    def to_json(self) -> dict[str, Any]:
        """The event as a JSON object."""
        return {"operation": self.operation, **_plain(asdict(self))}

    @classmethod
    def from_json(cls, body: object) -> Self:
        """Check and read an event; unknown keys (such as those of Dagster Pipes) are ignored.

        Raises:
            ContractError: A field is missing, of another type or value, or the version is unknown.
        """
        known = _checked(body, "event")
        try:
            own = cls._fields(known)
        except KeyError as error:
            raise ContractError(f"the event has no field {error}") from error
        record, deadline = known.get("record"), known.get("deadline")
        return cls(
            **own,
            record=None if record is None else text_field(record, "record"),
            deadline=None if deadline is None else number_field(deadline, "deadline"),
            seconds=number_field(known.get("seconds", 0.0), "seconds"),
        )

    @classmethod
    def _fields(cls, body: dict[str, Any]) -> dict[str, Any]:
        """The checked fields of the subclass; raises ContractError, or KeyError for a missing one."""
        raise NotImplementedError


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


def optional_texts_field(value: object, name: str) -> tuple[str, ...] | None:
    """A list of texts or null; raises ContractError otherwise."""
    return None if value is None else texts_field(value, name)


def count_field(value: object, name: str = "point_count") -> int:
    """A field that must be a whole number from 0; raises ContractError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ContractError(f"{name} must be a number >= 0, not {value!r}")
    return value


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


def object_field(value: object, name: str) -> dict[str, Any]:
    """A field that must be a JSON object; raises ContractError otherwise."""
    if not isinstance(value, dict):
        raise ContractError(f"{name} must be an object, not {value!r}")
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
