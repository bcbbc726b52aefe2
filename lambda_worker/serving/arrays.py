"""One file of named arrays in the layout of safetensors, mapped instead of read.

The file is 8 bytes with the length of the header, the header as JSON, and the arrays end to end. The header
names type, shape and place of each array. Arrays lie in descending order of their item size behind a header
padded to 64 bytes, so each is aligned without gaps, and other readers of safetensors can open the file.
"""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from lambda_worker.contract import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_TYPES = {
    "F64": "<f8",
    "I64": "<i8",
    "U64": "<u8",
    "F32": "<f4",
    "I32": "<i4",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_LENGTH = 8
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 24
_FACTS = "facts"


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]], facts: bytes) -> int:
    """Write arrays.

    Args:
        path: The file to write.
        arrays: By name; float64, float32, int64, int32, uint64, uint8 or bool.
        facts: JSON that describes them; kept in the header.

    Returns:
        The size of the file in bytes.
    """
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header: dict[str, object] = {"__metadata__": {_FACTS: facts.decode()}}
    end = 0
    for name, array in ordered:
        header[name] = {
            "dtype": _NAMES[array.dtype.str],
            "shape": list(array.shape),
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = msgspec.json.encode(header)
    text += b" " * (-(len(text) + _LENGTH) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH, "little"))
        file.write(text)
        for _, array in ordered:
            file.write(np.ascontiguousarray(array).data)
    return _LENGTH + len(text) + end


def map_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], bytes]:
    """Map the arrays of a file, read-only; nothing is read until it is used.

    Returns:
        The arrays by name, and the facts. The file stays mapped as long as one of the arrays lives, even if
        it is deleted.

    Raises:
        InputError: The file is not of this layout.
        FileNotFoundError: There is no such file.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        if not 0 < length <= _LONGEST_HEADER:
            raise InputError(f"{path} is not a file of arrays: its header has {length} bytes")
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    try:
        header = msgspec.json.decode(mapped[_LENGTH : _LENGTH + length])
        facts = header.pop("__metadata__")[_FACTS].encode()
        data = mapped[_LENGTH + length :]
        return {name: _array(data, entry) for name, entry in header.items()}, facts
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path} is not a whole file of arrays: {error}") from error


def _array(data: memoryview, entry: dict[str, Any]) -> NDArray[Any]:
    kind = np.dtype(_TYPES[entry["dtype"]])
    shape = tuple(entry["shape"])
    start, end = entry["data_offsets"]
    if end - start != math.prod(shape) * kind.itemsize or not 0 <= start <= end <= len(data):
        raise ValueError(f"an array of shape {shape} does not fit into bytes {start} to {end}")
    return np.frombuffer(data[start:end], kind).reshape(shape)
