"""Building from small wheels: what is left out, bytecode, equal bytes, sizes, libraries, interpreters."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from deploy.layer.__main__ import write_manifest
from deploy.layer.archive import contents_digest, is_shared_object, read_archive, write_archive
from deploy.layer.build import build_function, build_layer, check_libraries
from deploy.layer.contents import is_needed, read_wheel
from deploy.layer.errors import LayerError
from deploy.layer.interpreter import VARIABLE, find_interpreter
from deploy.layer.lockfile import LockedPackage
from deploy.layer.processors import ARM64, X86_64, Processor
from deploy.layer.sizes import GOAL, LIMIT, PackageSize, check_size, size_table
from deploy.layer.trial import runs_here
from deploy.layer.wheels import Wheel

PYTHON = "{}.{}".format(*sys.version_info)
INTERPRETER = Path(sys.executable)
HERE = next(processor for processor in (X86_64, ARM64) if runs_here(processor))
EXTENSION = next((Path(np.__file__).parent / "fft").glob("*.so"))  # needs no library but libc
SOURCE = b'''"""A module."""
from __future__ import annotations

NAMES = {"b", "a", "c"}


def f():
    """Doc."""
'''


def new_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Wheel:
    path = folder / f"{name}-1.0-py3-none-any.whl"
    write_archive(path, {f"{name}-1.0.dist-info/METADATA": f"Name: {name}\n".encode()} | files)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(LockedPackage(name, "1.0", frozenset({digest})), path, digest)


def run(program: str, *folders: Path) -> str:
    setup = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}; "
    command = [sys.executable, "-I", "-S", "-B", "-c", setup + program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "path",
    [
        "numpy/tests/test_x.py",
        "joblib/test/test_x.py",
        "numpy/_core/_simd.cpython-313-x86_64-linux-gnu.so",
        "numpy/_core/_multiarray_tests.cpython-313-aarch64-linux-gnu.so",
        "numpy/_core/include/numpy/arrayobject.h",
        "numpy/_core/lib/libnpymath.a",
        "scipy/special/cython_special.pxd",
        "scipy/integrate/_test_multivariate.cpython-313-x86_64-linux-gnu.so",
        "scipy/_lib/_test_ccallback.cpython-313-x86_64-linux-gnu.so",
        "sklearn/datasets/data/iris.csv",
        "sklearn/tree/_tree.pyx",
        "arro3/core/py.typed",
        "arro3/core/_core.pyi",
        "numpy-2.5.5.dist-info/RECORD",
        "arro3_io-0.9.1.dist-info/sboms/x.json",
    ],
)
def test_what_no_invocation_needs_is_left_out(path: str) -> None:
    assert not is_needed(path)


@pytest.mark.parametrize(
    "path",
    [
        "numpy/__init__.py",
        "numpy/testing/__init__.py",
        "numpy/_core/_multiarray_umath.cpython-313-x86_64-linux-gnu.so",
        "numpy.libs/libscipy_openblas64_-4b78795a.so",
        "scipy.libs/libgfortran-83c28eba.so.5.0.0",
        "scipy/special/cython_special.cpython-313-x86_64-linux-gnu.so",
        "scipy/_lib/_testutils.py",
        "sklearn/datasets/_base.py",
        "sklearn/utils/_repr_html/estimator.css",
        "numpy-2.5.5.dist-info/METADATA",
        "numpy-2.5.5.dist-info/licenses/LICENSE.txt",
        "numpy-2.5.5.dist-info/licenses/numpy/random/LICENSE.md",
        "six-1.0.dist-info/LICENSE",
    ],
)
def test_what_is_imported_and_the_licences_stay(path: str) -> None:
    assert is_needed(path)


def test_a_wheel_spreads_its_data_folders(tmp_path: Path) -> None:
    files = {
        "a-1.0.data/purelib/a.py": b"",
        "a-1.0.data/scripts/a": b"",
        "b.py": b"",
        "a-1.0.data/data/c": b"",
    }
    wheel = new_wheel(tmp_path, "a", files)
    assert sorted(read_wheel(wheel.path)) == ["a-1.0.dist-info/METADATA", "a.py", "b.py"]


@pytest.mark.parametrize("path", ["../a.py", "/a.py", "a/../../b.py"])
def test_a_wheel_cannot_write_outside_the_layer(tmp_path: Path, path: str) -> None:
    with pytest.raises(LayerError, match="outside itself"):
        read_wheel(new_wheel(tmp_path, "a", {path: b""}).path)


def test_a_layer_built_twice_is_the_same_bytes(tmp_path: Path) -> None:
    files = {"a/__init__.py": SOURCE, "a/tests/x.py": b"", "a/b.so": EXTENSION.read_bytes(), "a/z.css": b"."}
    wheels = [new_wheel(tmp_path, "a", files), new_wheel(tmp_path, "b", {"b.py": SOURCE})]
    first = build_layer(wheels, HERE, INTERPRETER, tmp_path / "one.zip")
    second = build_layer(wheels, HERE, INTERPRETER, tmp_path / "other" / "two.zip")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert [path for path in first.files if "b.so" not in path] == [
        "python/a-1.0.dist-info/METADATA",
        "python/a/z.css",
        "python/a/__init__.pyc",
        "python/b-1.0.dist-info/METADATA",
        "python/b.pyc",
    ]
    with zipfile.ZipFile(first.path) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        modes = {info.filename: oct(info.external_attr >> 16) for info in archive.infolist()}
        archive.extractall(tmp_path / "opt")
    assert modes["python/a/b.so"] == "0o100755"
    assert modes["python/b.pyc"] == "0o100644"
    program = "import a, b; f = a.f; same = a.NAMES == b.NAMES and a.__file__.endswith('.pyc'); "
    program += "print(f.__code__.co_filename, f.__doc__, same)"
    assert run(program, tmp_path / "opt" / "python") == "/opt/python/a/__init__.py None True"


def test_the_manifest_follows_from_the_build_alone(tmp_path: Path) -> None:
    wheel = new_wheel(tmp_path, "a", {"a.py": SOURCE})
    layer = build_layer([wheel], HERE, INTERPRETER, tmp_path / "layer.zip")
    function = build_function(new_package(tmp_path), INTERPRETER, PYTHON, tmp_path / "function.zip")
    write_manifest(tmp_path / "one.json", PYTHON, {HERE.name: layer}, function)
    write_manifest(tmp_path / "two.json", PYTHON, {HERE.name: layer}, function)
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    described = json.loads((tmp_path / "one.json").read_text())
    assert described["runtime"] == f"python{PYTHON}"
    found = described["layers"][HERE.name]
    assert found["sha256"] == hashlib.sha256((tmp_path / "layer.zip").read_bytes()).hexdigest()
    assert found["unzipped_bytes"] == sum(len(content) for content in layer.files.values())
    assert found["packages"] == [{"name": "a", "version": "1.0", "unzipped_bytes": found["unzipped_bytes"]}]
    assert found["wheels"] == {wheel.path.name: wheel.sha256}


def new_package(folder: Path) -> Path:
    package = folder / "worker"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_bytes(SOURCE)
    (package / "inner" / "__init__.py").write_text("STATE = 'shipped'\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "stale.cpython-39.pyc").write_bytes(b"stale")
    return package


def test_the_function_ships_sources_and_bytecode_that_follows_an_edit(tmp_path: Path) -> None:
    package = new_package(tmp_path)
    built = build_function(package, INTERPRETER, PYTHON, tmp_path / "function.zip")
    tag = sys.implementation.cache_tag
    assert sorted(built.files) == [
        "worker/__init__.py",
        f"worker/__pycache__/__init__.{tag}.pyc",
        "worker/inner/__init__.py",
        f"worker/inner/__pycache__/__init__.{tag}.pyc",
    ]
    task = tmp_path / "task"
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(task)
    loaded = "import worker; print(worker.f.__doc__)"
    assert run(loaded, task) == "Doc."
    (task / "worker" / "inner" / "__init__.py").write_text("STATE = 'edited!'\n")
    assert run("import worker.inner; print(worker.inner.STATE)", task) == "edited!"


def test_a_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    wheel = new_wheel(tmp_path, "a", {"a/bad.py": b"def"})
    with pytest.raises(LayerError, match=r"/opt/python/a/bad\.py"):
        build_layer([wheel], HERE, INTERPRETER, tmp_path / "layer.zip")


def test_two_wheels_with_one_file_are_refused(tmp_path: Path) -> None:
    wheels = [new_wheel(tmp_path, name, {"same.py": b""}) for name in ("a", "b")]
    with pytest.raises(LayerError, match=r"two wheels hold same\.pyc"):
        build_layer(wheels, HERE, INTERPRETER, tmp_path / "layer.zip")


def test_a_truncated_shared_object_stops_the_build(tmp_path: Path) -> None:
    wheel = new_wheel(tmp_path, "a", {"a/b.so": EXTENSION.read_bytes()[:-100_000]})
    with pytest.raises(LayerError, match="broken"):
        build_layer([wheel], HERE, INTERPRETER, tmp_path / "layer.zip")
    assert not (tmp_path / "layer.zip").exists()


def test_a_shared_object_of_the_other_processor_stops_the_build(tmp_path: Path) -> None:
    wheel = new_wheel(tmp_path, "a", {"a/b.so": EXTENSION.read_bytes()})
    other: Processor = ARM64 if HERE is X86_64 else X86_64
    with pytest.raises(LayerError, match="its machine is"):
        build_layer([wheel], other, INTERPRETER, tmp_path / "layer.zip")


def test_a_library_that_nothing_brings_is_named() -> None:
    umath = next((Path(np.__file__).parent / "_core").glob("_multiarray_umath*.so"))
    blas = next((Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"))
    files = {"numpy/x.so": umath.read_bytes()}
    with pytest.raises(LayerError, match=r"nothing brings.*openblas"):
        check_libraries(files, HERE)
    libraries = {f"numpy.libs/{path.name}": path.read_bytes() for path in blas.parent.glob("*.so*")}
    check_libraries(files | libraries, HERE)


def test_the_gate_is_lambdas_limit_for_layer_and_function_together() -> None:
    assert "goal 180: met" in check_size(GOAL, 0, "layer.zip")
    assert "goal 180: missed" in check_size(GOAL, 1, "layer.zip")
    check_size(LIMIT - 10, 10, "layer.zip")
    with pytest.raises(LayerError, match="at most 250 MiB"):
        check_size(LIMIT - 10, 11, "layer.zip")


def test_the_table_is_ordered_by_what_is_shipped() -> None:
    rows = [PackageSize("small", "1.0", 9 << 20, 1 << 20), PackageSize("large", "2.0", 8 << 20, 7 << 20)]
    lines = size_table("layer", rows).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["large", "small", "total"]
    assert lines[-1].split() == ["total", "17.0", "8.0"]


def test_equal_contents_have_equal_digests_in_any_order() -> None:
    assert contents_digest({"a": b"1", "b": b"2"}) == contents_digest({"b": b"2", "a": b"1"})
    assert contents_digest({"a": b"1", "b": b"2"}) != contents_digest({"a": b"12", "b": b""})


def test_an_archive_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = {"a/b.txt": b"text" * 1000, "c": b""}
    for compress in (True, False):
        write_archive(tmp_path / "x.zip", files, compress)
        assert read_archive(tmp_path / "x.zip") == files
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("a/b.so", True), ("libx.so.5.0.0", True), ("a.so/b.py", False), ("a.sort", False), ("a.pyc", False)],
)
def test_shared_objects_are_known_by_name(path: str, expected: bool) -> None:
    assert is_shared_object(path) is expected


def test_the_interpreter_is_of_the_version_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_interpreter(PYTHON) == INTERPRETER
    with pytest.raises(LayerError, match=r"there is no CPython 3\.99"):
        find_interpreter("3.99")
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert find_interpreter(PYTHON) == INTERPRETER
    with pytest.raises(LayerError, match=r"is not CPython 3\.99"):
        find_interpreter("3.99")
    monkeypatch.setenv(VARIABLE, "/nowhere/python")
    with pytest.raises(LayerError, match="/nowhere/python"):
        find_interpreter(PYTHON)
