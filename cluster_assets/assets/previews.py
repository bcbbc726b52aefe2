"""Dagster features in preview or beta that the project needs: checks of days, backfill policies, windows."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def accepted_previews() -> Iterator[None]:
    """Hide Dagster's warnings about these features: a user cannot act on them. Also a decorator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield
