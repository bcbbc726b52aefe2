"""The kernel and its numpy fallbacks write the same bytes; without a compiler only the fallbacks run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_worker.handler import handler
from lambda_worker.kernel import VARIABLE, library, loaded
from lambda_worker.kernel.compiler import SOURCES, CompilerError, compile_kernel, find_compiler

needs_kernel = pytest.mark.skipif(
    find_compiler() is None, reason="no compiler on this machine: the twins are all there is to test"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernel")


def write(path: Path, **columns: Any) -> str:
    arrays = [Array.from_numpy(np.ascontiguousarray(column)) for column in columns.values()]
    arro3.io.write_parquet(RecordBatch.from_arrays(arrays, names=list(columns)), path)
    return str(path)


@st.composite
def days(draw: st.DrawFn) -> tuple[int, Any, Any]:
    """Points with weights, and pairs with distances, many of them tied."""
    count = draw(st.integers(2, 60))
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    a, b = np.triu_indices(count, 1)
    kept = np.flatnonzero(chance.random(len(a)) < draw(st.sampled_from([0.02, 0.1, 0.5])))
    chance.shuffle(kept)
    distance = chance.integers(1, 6, len(kept)) / 4.0
    weights = chance.integers(1, 5, count) if draw(st.booleans()) else np.ones(count, np.int64)
    return count, weights, (a[kept], b[kept], distance)


def events(folder: Path, day: tuple[int, Any, Any]) -> dict[str, dict[str, Any]]:
    """Return one event of each operation that has a fallback; each writes one file."""
    count, weights, (a, b, distance) = day
    points = write(folder / "points.parquet", point_id=np.arange(count), weight=weights)
    pairs = write(folder / "pairs.parquet", point_a=a, point_b=b, distance=distance)
    degree = weights.astype(np.int64) + 0
    np.add.at(degree, a, weights[b])
    np.add.at(degree, b, weights[a])
    cores = write(folder / "cores.parquet", point_id=np.flatnonzero(degree >= 4))
    shard = {"version": 3, "candidates": [pairs], "point_count": count, "output": str(folder / "out.parquet")}
    whole = {**shard, "operation": "cluster", "points": [points]}
    return {
        "degrees": {**shard, "operation": "degrees", "points": [points]},
        "degrees of single entities": {**shard, "operation": "degrees", "points": []},
        "spanning": {**shard, "operation": "forest", "kind": "spanning"},
        "attachments": {**shard, "operation": "forest", "kind": "spanning", "cores": [cores]},
        "minimum": {**shard, "operation": "forest", "kind": "minimum"},
        "dbscan": {**whole, "algorithm": {"type": "dbscan", "min_samples": 4}},
        "components": {**whole, "algorithm": {"type": "connected_components"}},
        "single linkage": {**whole, "algorithm": {"type": "single_linkage", "threshold": 0.75}},
    }


def answer(event: dict[str, Any], switch: str) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, switch)
        assert (loaded() is None) == (switch == "off")
        reply = handler(event, None)
    assert reply["ok"], reply["error"]
    return Path(event["output"]).read_bytes()


@needs_kernel
@given(day=days())
@settings(max_examples=60)
def test_both_write_the_same_bytes(folder: Path, day: tuple[int, Any, Any]) -> None:
    for name, event in events(folder, day).items():
        assert answer(event, "on") == answer(event, "off"), name


@needs_kernel
def test_many_points_and_batches_too(folder: Path) -> None:
    """More than one batch of rows, more than one block of ids, and chains that a naive union-find climbs."""
    chance = np.random.default_rng(4)
    count = 300_000
    chain = np.arange(count - 1)
    extra = np.sort(chance.integers(0, count, (200_000, 2)), axis=1)
    extra = extra[extra[:, 0] < extra[:, 1]]
    a = np.concatenate([chain[::3], extra[:50_000, 0]])
    b = np.concatenate([chain[::3] + 1, extra[:50_000, 1]])
    day = count, np.ones(count, np.int64), (a, b, chance.integers(1, 9, len(a)) / 8.0)
    for name, event in events(folder, day).items():
        assert answer(event, "on") == answer(event, "off"), name


@needs_kernel
def test_pairs_out_of_order_never_reach_it(folder: Path) -> None:
    points = write(folder / "two.parquet", point_id=np.arange(2), weight=np.ones(2, np.int64))
    for a, b in ((-1, 1), (1, 0), (0, 2), (1, 1), (0, 2**40)):
        pairs = write(
            folder / "bad.parquet", point_a=np.array([a]), point_b=np.array([b]), distance=np.array([1.0])
        )
        reply = handler(
            {
                "operation": "cluster", "version": 3, "point_count": 2,
                "points": [points], "candidates": [pairs],
                "output": str(folder / "out.parquet"), "algorithm": {"type": "connected_components"},
            },
            None,
        )  # fmt: skip
        assert not reply["ok"]
        assert f"({a}, {b}) is no pair" in reply["error"]


@needs_kernel
def test_a_library_of_other_sources_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = find_compiler()
    assert compiler is not None
    compile_kernel(compiler, tmp_path / "kernel.so")
    library.Kernel(tmp_path / "kernel.so")
    monkeypatch.setattr(library, "VERSION", library.VERSION + 1)
    with pytest.raises(library.KernelError, match="make kernel"):
        library.Kernel(tmp_path / "kernel.so")


def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path) -> None:
    for compiler in ((sys.executable, "-c", "import sys; sys.exit('no such flag')"), ("/nowhere/cc",)):
        with pytest.raises(CompilerError, match=r"no such flag|cannot be run"):
            compile_kernel(compiler, tmp_path / "kernel.so")
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_the_build_says_so_and_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lambda_worker.kernel.compiler"],
        env={**os.environ, "CC": "/nowhere/cc", "PYTHONPATH": str(SOURCES.parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "equal results" in done.stderr


@needs_kernel
def test_no_access_lies_outside_its_array(folder: Path, tmp_path: Path) -> None:
    """The same calls under the compiler's address sanitizer, where it has one."""
    compiler = find_compiler()
    assert compiler is not None
    checked = tmp_path / "checked.so"
    flags = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g")
    try:
        compile_kernel((*compiler, *flags), checked)
    except CompilerError:
        pytest.skip("this compiler has no sanitizer")
    sanitizer = subprocess.run(
        [*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True
    ).stdout.strip()
    if not Path(sanitizer).is_absolute():
        pytest.skip("this compiler has no sanitizer library to load beforehand")
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("kernel_trial.py")), str(checked), str(folder)],
        env={**os.environ, "LD_PRELOAD": sanitizer, "ASAN_OPTIONS": "detect_leaks=0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "certified" in done.stdout
