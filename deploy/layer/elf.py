"""Reads shared objects the way the dynamic loader does, and refuses what it would trip over.

Layouts and tags: System V ABI, "Object Files" and "Program Loading and Dynamic Linking" (ELF-64, little
endian, which both processors are).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from deploy.layer.errors import ElfError

MAGIC = b"\x7fELF"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_DYNAMIC_ENTRY = struct.Struct("<qQ")
_SECTION_HEADER_SIZE = 64
_CLASS_64_LITTLE_ENDIAN = b"\x02\x01"
_SHARED_OBJECT = 3  # ET_DYN
LOAD, DYNAMIC = 1, 2  # PT_LOAD, PT_DYNAMIC
_NULL, _NEEDED, _STRTAB, _STRSZ = 0, 1, 5, 10  # dynamic tags
# Tags whose value is an address of bytes in the file: PLTGOT, HASH, STRTAB, SYMTAB, RELA, JMPREL, RELR,
# INIT_ARRAY, FINI_ARRAY, GNU_HASH, VERSYM, VERDEF, VERNEED.
_ADDRESSES = {4, 5, 6, 7, 23, 25, 26, 36, 0x6FFFFEF5, 0x6FFFFFF0, 0x6FFFFFFC, 0x6FFFFFFE}


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: `size` bytes at `offset` of the file go to `address`, up to `memory` bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory: int
    alignment: int

    @property
    def end(self) -> int:
        """The first byte of the file behind it."""
        return self.offset + self.size


@dataclass(frozen=True, slots=True)
class SharedObject:
    """What the loader reads of a shared object.

    Attributes:
        machine: `e_machine`.
        headers_offset: Where its program headers start.
        segments: Its program headers, in order.
        needed: Names of the libraries it is linked to.
    """

    machine: int
    headers_offset: int
    segments: tuple[Segment, ...]
    needed: tuple[str, ...]

    @property
    def loads(self) -> tuple[Segment, ...]:
        """The segments that are mapped into memory."""
        return tuple(segment for segment in self.segments if segment.kind == LOAD)


def is_elf(data: bytes) -> bool:
    """Whether the bytes claim to be ELF."""
    return data[:4] == MAGIC


def read_shared_object(data: bytes, name: str, machine: int) -> SharedObject:
    """Read and check a shared object.

    Args:
        data: The whole file.
        name: Its path, for errors.
        machine: The `e_machine` it must have.

    Raises:
        ElfError: It is truncated, of another processor, or a header, a segment or the dynamic section
            points outside the file.
    """
    _require(len(data) >= HEADER.size and is_elf(data), "it is not ELF", name)
    fields = HEADER.unpack_from(data)
    ident, kind, found, headers_offset = fields[0], fields[1], fields[2], fields[5]
    _require(ident[4:6] == _CLASS_64_LITTLE_ENDIAN, "it is not 64-bit little-endian", name)
    _require(kind == _SHARED_OBJECT, f"its type is {kind}, not a shared object", name)
    _require(found == machine, f"its machine is {found}, not {machine}", name)
    _check_sections(fields, len(data), name)
    segments = _read_segments(data, fields, name)
    _check_loads(tuple(segment for segment in segments if segment.kind == LOAD), name)
    return SharedObject(found, headers_offset, segments, _read_needed(data, segments, name))


def _read_segments(data: bytes, fields: tuple[int, ...], name: str) -> tuple[Segment, ...]:
    offset, entry_size, count = fields[5], fields[9], fields[10]
    _require(entry_size == PROGRAM_HEADER.size and count > 0, "it has no program headers", name)
    _require(offset + entry_size * count <= len(data), "its program headers lie outside the file", name)
    segments = []
    for index in range(count):
        kind, flags, *numbers = PROGRAM_HEADER.unpack_from(data, offset + index * entry_size)
        segment = Segment(kind, flags, *numbers)
        _require(
            segment.end <= len(data), f"segment {index} ends at {segment.end} of {len(data)} bytes", name
        )
        segments.append(segment)
    return tuple(segments)


def _check_loads(loads: tuple[Segment, ...], name: str) -> None:
    _require(bool(loads), "nothing of it is loaded", name)
    behind = 0
    for load in loads:
        align = load.alignment or 1
        _require(align & (align - 1) == 0, f"alignment {align} is no power of two", name)
        _require(
            (load.offset - load.address) % align == 0, f"the load at {load.address:#x} is misaligned", name
        )
        _require(load.size <= load.memory, f"the load at {load.address:#x} is larger than its memory", name)
        _require(load.address >= behind, f"the load at {load.address:#x} overlaps another", name)
        behind = load.address + load.memory


def _check_sections(fields: tuple[int, ...], size: int, name: str) -> None:
    """Sections are for linkers and debuggers, but a table behind the end shows a truncated file."""
    offset, count = fields[6], fields[12]
    _require(offset == 0 or offset + count * _SECTION_HEADER_SIZE <= size, "its sections lie outside", name)


def _read_needed(data: bytes, segments: tuple[Segment, ...], name: str) -> tuple[str, ...]:
    dynamics = [segment for segment in segments if segment.kind == DYNAMIC]
    _require(len(dynamics) == 1, f"it has {len(dynamics)} dynamic sections", name)
    dynamic = dynamics[0]
    _require(
        _file_offset(segments, dynamic.address) == dynamic.offset, "its dynamic section is not loaded", name
    )
    entries = []
    whole = dynamic.end - dynamic.size % _DYNAMIC_ENTRY.size
    for tag, value in _DYNAMIC_ENTRY.iter_unpack(data[dynamic.offset : whole]):
        if tag == _NULL:
            break
        entries.append((tag, value))
    else:
        raise ElfError("its dynamic section has no end", where=name)
    for tag, value in entries:
        if tag in _ADDRESSES:
            _require(_file_offset(segments, value) is not None, f"dynamic tag {tag:#x} points outside", name)
    numbers = dict(entries)
    strings = _file_offset(segments, numbers.get(_STRTAB, -1))
    _require(strings is not None, "it has no table of names", name)
    table = data[strings : (strings or 0) + numbers.get(_STRSZ, 0)]
    return tuple(_text(table, value, name) for tag, value in entries if tag == _NEEDED)


def _file_offset(segments: tuple[Segment, ...], address: int) -> int | None:
    """Where in the file the byte at an address is, None where no file byte is loaded there."""
    for segment in segments:
        if segment.kind == LOAD and segment.address <= address < segment.address + segment.size:
            return segment.offset + address - segment.address
    return None


def _text(table: bytes, start: int, name: str) -> str:
    end = table.find(b"\0", start)
    _require(start < end, f"name {start} lies outside the table of names", name)
    return table[start:end].decode("ascii", errors="replace")


def _require(holds: bool, what: str, name: str) -> None:
    if not holds:
        raise ElfError(f"the shared object is broken: {what}", where=name, remedy="fetch the wheel again")
