"""Building from small wheels: the lock, what is left out, bytecode, equal bytes, sizes, interpreters."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.layer.__main__ import write_manifest
from deploy.layer.archive import Archive, write_archive
from deploy.layer.build import LIMIT, build_function, build_layer, check_size
from deploy.layer.errors import LayerError
from deploy.layer.functions import FUNCTIONS, Function
from deploy.layer.interpreter import PYTHON, VARIABLE, find_interpreter
from deploy.layer.processors import ARM64, PROCESSORS, X86_64

HERE = Path(sys.executable)
SOURCE = '''"""A module."""
NAMES = {"b", "a", "c"}


def f():
    """Doc."""
'''


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip looks into instead of any registry."""
    folder = tmp_path / "offered"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def offer(folder: Path, name: str, files: dict[str, str], tag: str = "py3-none-any", needs: str = "") -> str:
    """Put a wheel into a folder; its line of a lock."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}"
    described = {"METADATA": metadata, "WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n", "RECORD": ""}
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in (
            files | {f"{name}-1.0.dist-info/{key}": described[key] for key in described}
        ).items():
            wheel.writestr(member, text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def lock_of(folder: Path, *lines: str) -> Path:
    path = folder / "test.lock"
    path.write_text("".join(lines))
    return path


def names_of(archive: Archive) -> list[str]:
    with zipfile.ZipFile(archive.path) as packed:
        return packed.namelist()


def run(program: str, archive: Archive, folder: Path, below: str = ".") -> str:
    """Run a program that sees the unpacked archive and nothing of this environment."""
    with zipfile.ZipFile(archive.path) as packed:
        packed.extractall(folder)
    setup = f"import sys; sys.path[:0] = [{str(folder / below)!r}]; "
    command = [sys.executable, "-I", "-S", "-B", "-c", setup + program]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def pins(lock: Path) -> set[str]:
    pinned = re.findall(r"^([a-z0-9-]+)(?:\[.*\])?(==[^ ]+)", lock.read_text(), re.MULTILINE)
    return {name + version for name, version in pinned}


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=list(FUNCTIONS))
def test_a_layers_lock_pins_what_the_projects_lock_pins(function: Function) -> None:
    lock = function.lock
    assert pins(lock) <= pins(lock.with_name("project.lock"))
    wanted = set(lock.with_suffix(".in").read_text().splitlines()[1:])
    assert wanted <= {pin.partition("==")[0] for pin in pins(lock)}
    assert ";" not in lock.read_text(), "a marker would be evaluated for the Python that runs pip"


def test_the_wheels_are_those_of_lambda_and_not_of_this_machine(tmp_path: Path, offered: Path) -> None:
    tag = f"cp{PYTHON.replace('.', '')}-cp{PYTHON.replace('.', '')}-manylinux_2_28_"
    newer = f"Requires-Python: >={PYTHON}\nRequires-Dist: not-in-the-lock\n"
    lines = []
    for processor in PROCESSORS.values():
        source = {"a.py": f"MACHINE = {processor.machine!r}"}
        lines.append(offer(offered, "a", source, tag + processor.machine, newer))
    lock = lock_of(tmp_path, lines[0].strip() + lines[1].removeprefix("a==1.0"))
    for processor in PROCESSORS.values():
        layer = build_layer(processor, HERE, tmp_path / f"{processor.name}.zip", lock)
        found = run("import a; print(a.MACHINE)", layer, tmp_path / processor.name, "python")
        assert found == processor.machine


def test_wheels_and_output_may_be_relative_paths(
    tmp_path: Path, offered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_of(tmp_path, offer(offered, "a", {"a.py": "X = 1"}))
    expected = build_layer(X86_64, HERE, tmp_path / "layer.zip", lock)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_FIND_LINKS", offered.name)
    built = build_layer(X86_64, HERE, Path("out") / "layer.zip", Path(lock.name))
    assert (tmp_path / "out" / "layer.zip").read_bytes() == expected.path.read_bytes()
    assert built.path == Path("out/layer.zip")


def test_every_glibc_that_lambda_has_is_asked_for() -> None:
    tags = ARM64.platforms
    assert tags[0] == "manylinux_2_34_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux_2_24_aarch64", "manylinux_2_17_aarch64"} <= set(tags)
    assert tags[-1] == "manylinux2014_aarch64"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"a==1.0 --hash=sha256:{'a' * 64}\n", "DO NOT MATCH"),
        ("a==1.0\n", "hash"),
        (f"absent==1.0 --hash=sha256:{'a' * 64}\n", "absent"),
    ],
)
def test_a_wheel_that_the_lock_does_not_name_is_refused(
    tmp_path: Path, offered: Path, line: str, says: str
) -> None:
    offer(offered, "a", {"a.py": ""})
    with pytest.raises(LayerError, match=rf"(?is)cannot install the wheels of x86_64.*{says}"):
        build_layer(X86_64, HERE, tmp_path / "layer.zip", lock_of(tmp_path, line))
    assert not (tmp_path / "layer.zip").exists()


def test_a_layer_built_twice_is_the_same_bytes(tmp_path: Path, offered: Path) -> None:
    left_out = {
        "a/tests/x.py": "",
        "a/tests/tests/x.py": "",
        "a/test/y.txt": "",
        "a-1.0.data/scripts/z": "#!python\n",
    }
    first = offer(offered, "a", {"a/__init__.py": SOURCE, "a/testing.py": "", "a/z.css": "."} | left_out)
    lock = lock_of(tmp_path, first, offer(offered, "b", {"b.py": SOURCE}))
    one = build_layer(X86_64, HERE, tmp_path / "one.zip", lock)
    two = build_layer(X86_64, HERE, tmp_path / "other" / "two.zip", lock)
    assert one.path.read_bytes() == two.path.read_bytes()
    names = names_of(one)
    assert names == sorted(names)
    assert [name for name in names if "dist-info" not in name] == [
        "python/a/__init__.pyc",
        "python/a/testing.pyc",
        "python/a/z.css",
        "python/b.pyc",
    ]
    assert not [name for name in names if name.endswith("RECORD")]
    with zipfile.ZipFile(one.path) as archive:
        infos = archive.infolist()
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {stat.filemode(info.external_attr >> 16) for info in infos} == {"-rw-r--r--"}
    assert one.unzipped == sum(info.file_size for info in infos)
    program = "import a, b; print(a.f.__code__.co_filename, a.f.__doc__, a.NAMES == b.NAMES)"
    assert run(program, one, tmp_path / "opt", "python") == "/opt/python/a/__init__.py None True"


def new_package(folder: Path) -> Path:
    package = folder / "worker"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text(SOURCE)
    (package / "inner" / "__init__.py").write_text("STATE = 'shipped'\n")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "stale.cpython-39.pyc").write_bytes(b"stale")
    return package


def test_the_function_ships_sources_and_bytecode_that_follows_an_edit(tmp_path: Path) -> None:
    library = tmp_path / "library.so"
    library.write_bytes(b"machine code")
    libraries = {"worker/inner/library.so": library}
    package = new_package(tmp_path)
    built = build_function([package], HERE, tmp_path / "function.zip", libraries)
    again = build_function([package], HERE, tmp_path / "again.zip", libraries)
    assert built.path.read_bytes() == again.path.read_bytes()
    tag = sys.implementation.cache_tag
    assert names_of(built) == [
        "worker/__init__.py",
        f"worker/__pycache__/__init__.{tag}.pyc",
        "worker/inner/__init__.py",
        f"worker/inner/__pycache__/__init__.{tag}.pyc",
        "worker/inner/library.so",
    ]
    task = tmp_path / "task"
    assert run("import worker; print(worker.f.__doc__)", built, task) == "Doc."
    edit = f"open({str(task / 'worker/inner/__init__.py')!r}, 'w').write('STATE = 2'); "
    assert run(edit + "import worker.inner; print(worker.inner.STATE)", built, task) == "2"


def test_a_source_that_does_not_compile_is_named(tmp_path: Path) -> None:
    (new_package(tmp_path) / "bad.py").write_text("def")
    with pytest.raises(LayerError, match=r"/var/task/worker/bad\.py"):
        build_function([tmp_path / "worker"], HERE, tmp_path / "function.zip")
    assert not (tmp_path / "function.zip").exists()


def test_the_manifest_describes_the_archives(tmp_path: Path) -> None:
    function = build_function([new_package(tmp_path)], HERE, tmp_path / "function.zip")
    write_manifest(tmp_path / "manifest.json", FUNCTIONS["worker"], {"arm64": function}, function)
    described = json.loads((tmp_path / "manifest.json").read_text())
    assert described["runtime"] == f"python{PYTHON}"
    assert (
        described["function"]
        == described["layers"]["arm64"]
        == {
            "file": "function.zip",
            "sha256": hashlib.sha256((tmp_path / "function.zip").read_bytes()).hexdigest(),
            "bytes": (tmp_path / "function.zip").stat().st_size,
            "unzipped_bytes": function.unzipped,
        }
    )


def test_the_gate_is_lambdas_limit_for_layer_and_function_together() -> None:
    layer, function = Archive(Path("layer.zip"), LIMIT - 10), Archive(Path("function.zip"), 10)
    assert check_size(layer, function) == "layer.zip and function.zip: 250.0 of 250 MiB unzipped"
    with pytest.raises(LayerError, match="of 250 MiB"):
        check_size(layer, Archive(Path("function.zip"), 11))


def test_an_archive_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"old")
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "folder" / "inner" / "a.txt").write_bytes(b"text" * 1000)
    assert write_archive(path, tmp_path / "folder") == Archive(path, 4000)
    assert names_of(Archive(path, 0)) == ["inner/a.txt"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "x.zip"]


def test_the_interpreter_is_of_the_version_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "{}.{}".format(*sys.version_info)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert find_interpreter(here) == HERE
    with pytest.raises(LayerError, match=r"not CPython 3\.99"):
        find_interpreter("3.99")
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert find_interpreter(here) == HERE
    for other in (sys.executable, "/nowhere/python"):
        monkeypatch.setenv(VARIABLE, other)
        with pytest.raises(LayerError, match=rf"{other} .*not CPython 3\.99"):
            find_interpreter("3.99")
