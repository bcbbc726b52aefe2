"""Drops from a shared object what the dynamic loader never reads: symbols, debug data, section headers.

Own code instead of binutils' strip: one program for both processors, the same bytes on every machine, and
right for libraries that a wheel repair tool gave further segments behind the sections. No byte of a segment
is changed or put at another address; only the file offsets in the program headers shrink, by multiples of
the largest alignment, so that each stays congruent to its address.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

from deploy.layer.elf import HEADER, PROGRAM_HEADER, Segment, SharedObject, read_shared_object
from deploy.layer.errors import ElfError

_PROGRAM_HEADERS_FIELD = struct.Struct("<QQ")  # e_phoff, e_shoff
_SECTION_COUNT_FIELD = struct.Struct("<HH")  # e_shnum, e_shstrndx


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `start` to `end` of the old file, `moved` bytes nearer to its start in the new one."""

    start: int
    end: int
    moved: int


def trim(data: bytes, name: str, machine: int) -> bytes:
    """The shared object without the bytes that no program header covers.

    Args:
        data: The whole file.
        name: Its path, for errors.
        machine: The `e_machine` it must have.

    Raises:
        ElfError: The input is broken, or (a fault of this code) the output would not load the same bytes.
    """
    before = read_shared_object(data, name, machine)
    pieces = _pieces(before)
    trimmed = bytearray(pieces[-1].end - pieces[-1].moved)
    for piece in pieces:
        trimmed[piece.start - piece.moved : piece.end - piece.moved] = data[piece.start : piece.end]
    headers_offset = before.headers_offset - _moved(pieces, before.headers_offset)
    _PROGRAM_HEADERS_FIELD.pack_into(trimmed, 32, headers_offset, 0)
    _SECTION_COUNT_FIELD.pack_into(trimmed, 60, 0, 0)
    for index, segment in enumerate(before.segments):
        moved = replace(segment, offset=segment.offset - _moved(pieces, segment.offset))
        _write_header(trimmed, headers_offset + index * PROGRAM_HEADER.size, moved)
    result = bytes(trimmed)
    check_same(data, before, result, name)
    return result


def check_same(old: bytes, before: SharedObject, new: bytes, name: str) -> None:
    """Check that a trimmed file loads the same bytes to the same addresses.

    Raises:
        ElfError: It does not.
    """
    after = read_shared_object(new, name, before.machine)
    same = after.needed == before.needed and len(after.segments) == len(before.segments)
    masked_old, masked_new = _without_headers(old, before), _without_headers(new, after)
    for first, second in zip(before.segments, after.segments, strict=False):
        same &= replace(first, offset=0) == replace(second, offset=0)
        same &= masked_old[first.offset : first.end] == masked_new[second.offset : second.end]
    if not same:
        raise ElfError("trimming would change what is loaded", where=name, remedy="report it; do not ship")


def _pieces(shared: SharedObject) -> list[_Piece]:
    """The parts of the file that something covers, in order, and how far each moves."""
    headers_end = shared.headers_offset + PROGRAM_HEADER.size * len(shared.segments)
    spans = [(0, HEADER.size), (shared.headers_offset, headers_end)]
    spans += [(segment.offset, segment.end) for segment in shared.segments if segment.size]
    step = max(load.alignment or 1 for load in shared.loads)
    pieces: list[_Piece] = []
    for start, end in sorted(spans):
        if pieces and start <= pieces[-1].end:
            last = pieces.pop()
            pieces.append(replace(last, end=max(last.end, end)))
        elif pieces:
            gap = start - pieces[-1].end
            pieces.append(_Piece(start, end, pieces[-1].moved + gap // step * step))
        else:
            pieces.append(_Piece(start, end, 0))
    return pieces


def _moved(pieces: list[_Piece], offset: int) -> int:
    """How far the byte at an offset moves; an empty segment moves with the piece before it."""
    return max((piece.moved for piece in pieces if piece.start <= offset), default=0)


def _write_header(data: bytearray, offset: int, segment: Segment) -> None:
    numbers = (segment.offset, segment.address, segment.physical, segment.size, segment.memory)
    PROGRAM_HEADER.pack_into(data, offset, segment.kind, segment.flags, *numbers, segment.alignment)


def _without_headers(data: bytes, shared: SharedObject) -> bytes:
    """The file with its ELF and program headers zeroed, for they hold the offsets that change."""
    masked = bytearray(data)
    size = PROGRAM_HEADER.size * len(shared.segments)
    masked[: HEADER.size] = bytes(HEADER.size)
    masked[shared.headers_offset : shared.headers_offset + size] = bytes(size)
    return bytes(masked)
