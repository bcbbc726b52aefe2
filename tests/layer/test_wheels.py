"""The lock as pip and the layer read it, and wheels by hash; nothing here reaches a network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from deploy.layer.archive import write_archive
from deploy.layer.errors import LayerError
from deploy.layer.lockfile import LockedPackage, read_lock
from deploy.layer.processors import ARM64, PROCESSORS, X86_64
from deploy.layer.wheels import ROOTS, cached_wheel, fetch_wheels, needed_packages

PROJECT = Path(__file__).resolve().parents[2]
A, B = "a" * 64, "b" * 64


def new_wheel(cache: Path, name: str, needs: tuple[str, ...] = ()) -> LockedPackage:
    """A wheel in the cache, and the lock's line for it."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n" + "".join(
        f"Requires-Dist: {need}\n" for need in needs
    )
    stem = f"{name.replace('-', '_')}-1.0"
    path = cache / f"{stem}-py3-none-any.whl"
    wheel = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    write_archive(path, {f"{stem}.dist-info/METADATA": metadata.encode(), f"{stem}.dist-info/WHEEL": wheel})
    return LockedPackage(name, "1.0", frozenset({hashlib.sha256(path.read_bytes()).hexdigest()}))


def lock_of(tmp_path: Path, text: str) -> dict[str, LockedPackage]:
    path = tmp_path / "requirements.lock"
    path.write_text(text)
    return read_lock(path, X86_64.marker_environment("3.13"))


@pytest.mark.parametrize("processor", PROCESSORS.values(), ids=lambda processor: processor.name)
@pytest.mark.parametrize("python", ["3.11", "3.13"])
def test_the_projects_lock_pins_every_root_once(processor: object, python: str) -> None:
    lock = read_lock(PROJECT / "requirements.lock", processor.marker_environment(python))  # type: ignore[attr-defined]
    assert set(ROOTS) <= lock.keys()
    assert all(len(digest) == 64 for package in lock.values() for digest in package.hashes)
    assert "pywin32" not in lock


def test_markers_are_those_of_lambda_and_not_of_this_python(tmp_path: Path) -> None:
    lock = lock_of(
        tmp_path,
        f"numpy==1.0 ; python_full_version < '3.12' \\\n    --hash=sha256:{A}\n"
        f"numpy==2.0 ; python_full_version >= '3.12' \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n"
        f"other==1 ; platform_machine == 'aarch64' --hash=sha256:{A}\n",
    )
    assert lock == {"numpy": LockedPackage("numpy", "2.0", frozenset({A, B}))}
    assert lock["numpy"].requirement == f"numpy==2.0 --hash=sha256:{A} --hash=sha256:{B}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("numpy==1.0\n", "numpy is not pinned with hashes"),
        (f"numpy>=1.0 --hash=sha256:{A}\n", "numpy is not pinned"),
        (f"a==1 --hash=sha256:{A}\nA==2 --hash=sha256:{A}\n", "names a twice"),
        ("-r other.txt\n", "not a line of a lock"),
    ],
)
def test_a_lock_that_does_not_pin_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LayerError, match=says):
        lock_of(tmp_path, text)


def test_a_missing_lock_is_said(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="there is no lock"):
        read_lock(tmp_path / "requirements.lock", {})


def test_wheels_come_from_the_cache_with_all_they_need(tmp_path: Path) -> None:
    needs = (
        "B.x>=1",
        "absent ; python_version < '3'",
        "absent ; extra == 'docs'",
        "arm ; platform_machine == 'aarch64'",
    )
    packages = [new_wheel(tmp_path, root, needs if root == "scipy" else ()) for root in ROOTS]
    packages += [
        new_wheel(tmp_path, "b-x", ("deeper",)),
        new_wheel(tmp_path, "deeper"),
        new_wheel(tmp_path, "idle"),
    ]
    lock = {package.name: package for package in packages}
    found = fetch_wheels(lock, X86_64, "3.13", tmp_path)
    assert [wheel.package.name for wheel in found] == sorted({*ROOTS, "b-x", "deeper"})
    with pytest.raises(LayerError, match="the lock lacks arm"):
        fetch_wheels(lock, ARM64, "3.13", tmp_path)


def test_a_cached_wheel_must_have_a_hash_of_the_lock(tmp_path: Path) -> None:
    package = new_wheel(tmp_path, "a")
    wheel = cached_wheel(package, tmp_path)
    assert wheel is not None
    assert wheel.sha256 in package.hashes
    assert cached_wheel(LockedPackage("a", "1.1", package.hashes), tmp_path) is None
    assert cached_wheel(LockedPackage("a", "1.0", frozenset({A})), tmp_path) is None
    wheel.path.write_bytes(wheel.path.read_bytes() + b"more")
    assert cached_wheel(package, tmp_path) is None


def test_the_needs_of_a_wheel_follow_the_environment(tmp_path: Path) -> None:
    package = new_wheel(tmp_path, "a", ("Typing_Extensions ; python_version < '3.12'", "b[fast]>=1"))
    wheel = cached_wheel(package, tmp_path)
    assert wheel is not None
    assert needed_packages(wheel.path, X86_64.marker_environment("3.13")) == {"b"}
    assert needed_packages(wheel.path, X86_64.marker_environment("3.11")) == {"b", "typing-extensions"}


def test_every_glibc_that_lambda_has_is_asked_for() -> None:
    tags = ARM64.platforms
    assert tags[0] == "manylinux_2_34_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux_2_24_aarch64", "manylinux_2_17_aarch64"} <= set(tags)
    assert tags[-1] == "manylinux2014_aarch64"


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip looks into instead of any registry."""
    folder = tmp_path / "offered"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pip_brings_what_the_cache_lacks_and_only_once(tmp_path: Path, offered: Path) -> None:
    packages = [new_wheel(offered, root, ("deeper",) if root == "scipy" else ()) for root in ROOTS]
    lock = {package.name: package for package in [*packages, new_wheel(offered, "deeper")]}
    cache = tmp_path / "cache"
    found = fetch_wheels(lock, ARM64, "3.13", cache)
    assert [wheel.path.parent for wheel in found] == [cache] * (len(ROOTS) + 1)
    for path in offered.iterdir():
        path.unlink()
    assert fetch_wheels(lock, ARM64, "3.13", cache) == found


def test_a_wheel_of_another_hash_is_not_taken(tmp_path: Path, offered: Path) -> None:
    packages = {root: new_wheel(offered, root) for root in ROOTS}
    packages["scipy"] = LockedPackage("scipy", "1.0", frozenset({A}))
    with pytest.raises(LayerError, match=r"(?s)pip could not fetch the wheels of arm64.*DO NOT MATCH"):
        fetch_wheels(packages, ARM64, "3.13", tmp_path / "cache")
