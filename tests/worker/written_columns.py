"""What the worker wrote: columns of its Parquet files, and their bytes."""

from __future__ import annotations

from typing import Any

import arro3.io
import numpy as np


def read_columns(path: Any, *names: str) -> list[Any]:
    """Whole columns of a file, as doubles."""
    batches = list(arro3.io.read_parquet(str(path)))
    return [np.concatenate([np.empty(0), *(batch[name].to_numpy() for batch in batches)]) for name in names]


def read_bytes(path: Any) -> bytes:
    """The bytes of a file."""
    with open(path, "rb") as file:  # noqa: PTH123  # addresses are texts
        return file.read()
