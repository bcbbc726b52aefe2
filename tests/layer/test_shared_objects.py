"""The ELF check and the trimming, on shared objects of this environment and on broken ones."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from arro3 import core
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.layer.elf import DYNAMIC, HEADER, LOAD, PROGRAM_HEADER, read_shared_object
from deploy.layer.elf_trim import check_same, trim
from deploy.layer.errors import ElfError
from deploy.layer.processors import PROCESSORS

NUMPY = Path(np.__file__).parent
REPAIRED = sorted(
    (NUMPY.parent / "numpy.libs").glob("*.so*")
)  # given further segments by a wheel repair tool
EXTENSIONS = sorted((NUMPY / "linalg").glob("*.so")) + sorted((NUMPY / "fft").glob("*.so"))
MACHINE = struct.unpack_from("<H", EXTENSIONS[0].read_bytes(), 18)[0]
OTHER = ({processor.elf_machine for processor in PROCESSORS.values()} - {MACHINE}).pop()


def segments_of(entries: list[tuple[int, ...]], body: bytes) -> bytes:
    """An x86-64 shared object by hand: header, program headers, body."""
    header = HEADER.pack(
        b"\x7fELF\x02\x01\x01".ljust(16, b"\0"), 3, 62, 1, 0, 64, 0, 0, 64, 56, len(entries), 64, 0, 0
    )
    return header + b"".join(PROGRAM_HEADER.pack(*entry) for entry in entries) + body


def small_object(gap: int) -> bytes:
    """Two loads with `gap` bytes that nothing covers between them; the second holds the dynamic section."""
    dynamic = struct.pack("<qQqQqQqQ", 5, 0x10040, 10, 7, 1, 1, 0, 0)
    second = dynamic + b"\0lib.1\0"
    first_size = 64 + 56 * 3
    offset = 4096 + gap // 4096 * 4096
    entries = [
        (LOAD, 5, 0, 0, 0, first_size, first_size, 4096),
        (LOAD, 6, offset, 0x10000, 0x10000, len(second), len(second), 4096),
        (DYNAMIC, 6, offset, 0x10000, 0x10000, len(dynamic), len(dynamic), 8),
    ]
    return segments_of(entries, b"") + b"?" * (offset - first_size) + second + b"symbols"


@pytest.mark.parametrize("path", [*EXTENSIONS, *REPAIRED], ids=lambda path: path.name)
def test_a_real_shared_object_is_read_and_trimmed(path: Path) -> None:
    data = path.read_bytes()
    before = read_shared_object(data, path.name, MACHINE)
    trimmed = trim(data, path.name, MACHINE)
    after = read_shared_object(trimmed, path.name, MACHINE)
    assert before.needed
    assert after.needed == before.needed
    assert len(trimmed) <= len(data)
    for old, new in zip(before.loads[1:], after.loads[1:], strict=True):
        assert (old.address, old.size, old.memory) == (new.address, new.size, new.memory)
    assert trim(trimmed, path.name, MACHINE) == trimmed


def test_numpy_computes_with_its_shared_objects_trimmed(tmp_path: Path) -> None:
    # The BLAS library too: it has segments behind its sections, which makes binutils' strip misalign it.
    for folder in ("numpy", "numpy.libs"):
        ignored = shutil.ignore_patterns("tests", "__pycache__", "*.pyi", "include")
        shutil.copytree(NUMPY.parent / folder, tmp_path / folder, ignore=ignored)
    saved = 0
    for path in tmp_path.rglob("*.so*"):
        data = path.read_bytes()
        trimmed = trim(data, path.name, MACHINE)
        saved += len(data) - len(trimmed)
        path.write_bytes(trimmed)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import numpy as n; a = n.eye(300) * 2; "
    program += "print(n.__file__, n.linalg.inv(a @ a).trace(), n.fft.fft(n.ones(8))[0].real)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "numpy" / "__init__.py"), "75.0", "8.0"]
    assert saved > 500_000


def test_a_truncated_shared_object_is_refused_wherever_it_is_cut() -> None:
    data = EXTENSIONS[0].read_bytes()
    for share in range(100):
        with pytest.raises(ElfError, match="broken") as caught:
            trim(data[: len(data) * share // 100], "cut.so", MACHINE)
        assert caught.value.where == "cut.so"


def test_a_trimmed_and_then_truncated_one_is_refused_too() -> None:
    trimmed = trim(EXTENSIONS[0].read_bytes(), "x.so", MACHINE)
    with pytest.raises(ElfError, match="ends at"):
        read_shared_object(trimmed[:-1], "x.so", MACHINE)


def test_another_processor_is_refused() -> None:
    with pytest.raises(ElfError, match=f"its machine is {MACHINE}, not {OTHER}"):
        trim(EXTENSIONS[0].read_bytes(), "x.so", OTHER)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"text" * 100, b"\x7fELF" + bytes(100)])
def test_what_is_no_shared_object_is_refused(data: bytes) -> None:
    with pytest.raises(ElfError):
        trim(data, "x.so", MACHINE)


def test_a_program_is_no_shared_object() -> None:
    data = bytearray(EXTENSIONS[0].read_bytes())
    data[16] = 2
    with pytest.raises(ElfError, match="its type is 2"):
        trim(bytes(data), "x.so", MACHINE)


@settings(deadline=None, max_examples=150)
@given(offset=st.integers(64, 64 + 56 * 9 - 1), value=st.integers(1, 255))
def test_a_flipped_program_header_is_refused_or_loads_the_same(offset: int, value: int) -> None:
    data = bytearray(EXTENSIONS[0].read_bytes())
    data[offset] ^= value
    try:
        before = read_shared_object(bytes(data), "x.so", MACHINE)
    except ElfError:
        return
    trimmed = trim(bytes(data), "x.so", MACHINE)
    check_same(bytes(data), before, trimmed, "x.so")


@pytest.mark.parametrize(("gap", "left"), [(0, 4096), (4096, 4096), (3 * 4096, 4096)])
def test_a_hole_between_segments_closes_by_whole_alignments(gap: int, left: int) -> None:
    trimmed = trim(small_object(gap), "small.so", 62)
    loads = read_shared_object(trimmed, "small.so", 62).loads
    assert loads[1].offset == left
    assert loads[1].address == 0x10000
    assert trimmed.endswith(b"\0lib.1\0")
    assert b"symbols" not in trimmed


def test_changed_bytes_of_a_segment_are_noticed() -> None:
    data = EXTENSIONS[0].read_bytes()
    before = read_shared_object(data, "x.so", MACHINE)
    trimmed = bytearray(trim(data, "x.so", MACHINE))
    trimmed[before.loads[0].size - 8] ^= 1
    with pytest.raises(ElfError, match="would change what is loaded"):
        check_same(data, before, bytes(trimmed), "x.so")


def test_the_libraries_a_shared_object_needs_are_named() -> None:
    path = next(Path(core.__file__).parent.glob("*.so"))
    assert "libc.so.6" in read_shared_object(path.read_bytes(), path.name, MACHINE).needed
