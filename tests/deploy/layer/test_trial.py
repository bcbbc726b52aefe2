"""The trial of a built layer: it must fail if an import would fail on Lambda."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.layer.archive import write_archive
from deploy.layer.errors import LayerError
from deploy.layer.trial import GOALS, import_times, run_trial, try_archives

INTERPRETER = Path(sys.executable)
WORKER = {
    "lambda_worker/__init__.py": b"",
    "lambda_worker/handler.py": b"""
import package
def handler(event, context):
    return {"ok": True, "clusters": 2, "noise_entities": event["point_count"] - 5}
""",
    "lambda_worker/kernel.py": b"def loaded(): return True",
    "lambda_worker/contract.py": b"""
class ClusterEvent:
    def __init__(self, points, candidates, point_count, output, algorithm):
        self.point_count = point_count
    def to_json(self):
        return {"point_count": self.point_count}
""",
}
# Stand-ins for what the trial writes its input with.
PARQUET = {
    "numpy.py": b"def array(values, kind): return values\n",
    "arro3/core.py": b"class Array:\n    from_numpy = list\nclass Table:\n    from_pydict = dict\n",
    "arro3/io.py": b"def write_parquet(table, path): pass\n",
}


def unpack(folder: Path, files: dict[str, bytes]) -> list[str]:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [str(folder)]


def test_every_module_that_can_be_imported_is(tmp_path: Path) -> None:
    files = {
        "package/__init__.py": b"",
        "package/whole.py": b"from package import sound\n",
        "package/sound.py": b"",
        "package/optional.py": b"import nobody_ships_this\n",
        "package/__main__.py": b"raise SystemExit(1)\n",
    }
    found = run_trial("modules", unpack(tmp_path, files), INTERPRETER)
    assert found == {"modules": 4, "optional": {"package.optional": "nobody_ships_this"}, "wrong": []}


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (b"import package.left_out\n", "No module named 'package.left_out'"),
        (b"from package import left_out\n", "cannot import name"),
        (b"open(__file__ + '.data')\n", "FileNotFoundError"),
        (b"assert f.__doc__\n", "NameError"),
        (b"raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_module_that_misses_what_was_left_out_fails_the_trial(
    tmp_path: Path, source: bytes, says: str
) -> None:
    folders = unpack(tmp_path, {"package/__init__.py": b"", "package/broken.py": source})
    with pytest.raises(LayerError, match=r"package\.broken") as caught:
        run_trial("modules", folders, INTERPRETER)
    assert says in str(caught.value)


def test_the_trial_sees_the_folders_and_nothing_of_this_environment(tmp_path: Path) -> None:
    folders = unpack(tmp_path, {"package/__init__.py": b"import duckdb\n"})
    found = run_trial("modules", folders, INTERPRETER)
    assert found["optional"] == {"package": "duckdb"}


def test_a_forest_path_that_imports_something_heavy_is_refused(tmp_path: Path) -> None:
    files = WORKER | PARQUET
    light = unpack(tmp_path / "light", files | {"package.py": b""})
    found = run_trial("forest", light, INTERPRETER)
    assert (found["wrong"], found["heavy"]) == ([], [])
    heavy = unpack(tmp_path / "heavy", files | {"package.py": b"import scipy\n", "scipy.py": b""})
    with pytest.raises(LayerError, match="the forest path imports scipy"):
        run_trial("forest", heavy, INTERPRETER)


def test_a_wrong_answer_is_refused(tmp_path: Path) -> None:
    wrong = WORKER["lambda_worker/handler.py"].replace(b'"clusters": 2', b'"clusters": 3')
    files = WORKER | PARQUET | {"package.py": b"", "lambda_worker/handler.py": wrong}
    with pytest.raises(LayerError, match="the forest trial found"):
        run_trial("forest", unpack(tmp_path, files), INTERPRETER)


def test_an_empty_layer_is_refused(tmp_path: Path) -> None:
    for name, files in (("layer", {"python/readme.txt": b""}), ("function", WORKER)):
        write_archive(tmp_path / f"{name}.zip", Path(*unpack(tmp_path / name, files)))
    with pytest.raises(LayerError, match="No module named 'package'"):
        try_archives(tmp_path / "layer.zip", tmp_path / "function.zip", INTERPRETER, ["forest"])


def test_a_module_of_the_worker_must_find_every_package(tmp_path: Path) -> None:
    folders = unpack(tmp_path, {"lambda_worker/__init__.py": b"", "lambda_worker/x.py": b"import absent\n"})
    with pytest.raises(LayerError, match=r"lambda_worker\.x: No module named 'absent'"):
        run_trial("modules", folders, INTERPRETER)


def test_import_times_are_judged_by_their_median() -> None:
    goal = GOALS["forest"]
    assert f"(least {goal:.3f}), goal {goal} s: met" in import_times("forest", [goal, goal, 9.0])
    assert "missed" in import_times("forest", [0.1, goal + 0.01, 9.0])
