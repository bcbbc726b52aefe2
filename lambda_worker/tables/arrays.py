"""Numpy arrays in a file, which the rounds of an operation exchange and no SQL engine reads."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_worker.contract import InputError
from lambda_worker.runtime.storage import local_copy, written_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


def write_arrays(address: str, arrays: Mapping[str, NDArray[Any]]) -> int:
    """Write arrays of numbers by name; equal arrays give equal bytes.

    Returns:
        The size of the file in bytes.
    """
    with written_whole(address) as path:
        with path.open("wb") as file:  # given a path, numpy would add a suffix
            np.savez(file, allow_pickle=False, **arrays)
        return path.stat().st_size


def read_arrays(address: str, names: tuple[str, ...]) -> tuple[NDArray[Any], ...]:
    """Read arrays by name.

    Raises:
        InputError: The file is missing, or does not contain these arrays.
    """
    with local_copy(address) as path:
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return tuple(arrays[name] for name in names)
        except (OSError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
            raise InputError(f"{address} does not hold the arrays {', '.join(names)}: {error}") from error
