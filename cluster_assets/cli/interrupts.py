"""Ctrl-C and SIGTERM end a command with one line and the exit status that shells expect: 130 or 143."""

from __future__ import annotations

import logging
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from cluster_assets.domain.errors import ClusterAssetsError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_MOST_SIGNALS = 4096


@contextmanager
def interruptible() -> Iterator[None]:
    """Run a command that SIGINT and SIGTERM end; published days remain.

    A wakeup socket reports the signal: while Dagster runs, its own handler receives both signals without the
    number.
    """
    reader, writer = socket.socketpair()
    with reader, writer, _handled_signals(writer), _quiet_loggers():
        reader.setblocking(False)
        try:
            yield
        except (ClusterAssetsError, OSError, SystemExit):
            raise
        except BaseException as error:
            # Catch any class, because libraries replace interrupts by their own errors.
            if (number := _first_signal(reader)) is None:
                raise
            _end(number, error)


@contextmanager
def _handled_signals(wakeup: socket.socket) -> Iterator[None]:
    ignored = {number for number in _WORDS if signal.getsignal(number) is signal.SIG_IGN}

    def interrupt(number: int, _: FrameType | None) -> None:
        # Shells start background commands with SIGINT ignored, and Dagster copies the handler of SIGINT to
        # SIGTERM: the handler for both must know which signal is ignored.
        if number not in ignored:
            raise Interrupted

    wakeup.setblocking(False)
    handlers = {number: signal.signal(number, interrupt) for number in _WORDS}
    previous = signal.set_wakeup_fd(wakeup.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Keep libraries such as SQLAlchemy from printing the traceback of an interrupt that they re-raise."""
    handler = logging.lastResort
    if handler is None:
        yield
        return
    handler.addFilter(_is_no_interrupt)
    try:
        yield
    finally:
        handler.removeFilter(_is_no_interrupt)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return error is None or isinstance(error, Exception)


def _first_signal(reader: socket.socket) -> signal.Signals | None:
    """Return the first signal that ends a command, or None."""
    try:
        received = reader.recv(_MOST_SIGNALS)
    except BlockingIOError:
        return None
    return next((signal.Signals(number) for number in received if number in _WORDS), None)


def _end(number: signal.Signals, error: BaseException) -> NoReturn:
    if sys.stderr.isatty():
        click.echo(err=True)  # the terminal shows ^C on the line it is on
    done = str(error) if isinstance(error, Interrupted) else ""
    click.echo(f"{_WORDS[number]}: {done}" if done else _WORDS[number], err=True)
    sys.exit(128 + number)
