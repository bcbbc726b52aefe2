"""Small batches, so that small files are read in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from lambda_worker.tables import reading

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


def in_batches(rows: int, call: Callable[..., R], *arguments: Any) -> R:
    """Call a function that reads files in batches of at most so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BATCH_ROWS", rows)
        return call(*arguments)
