"""Imports and runs what was built, in an interpreter that sees nothing else; prints one line of JSON.

    python -I -S -B trial_program.py forest|sklearn|serving|modules FOLDER [FOLDER ...]

The folders (function, layer) become the import path, behind the standard library. Run by Lambda's Python.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAVY = {"scipy", "sklearn", "joblib", "pandas", "boto3", "narwhals"}
SIX_POINTS = [0.0, 0.1, 0.2, 9.0, 9.1, 50.0]


def forest(_folders: list[str]) -> dict[str, object]:
    """Cluster six points through the handler: two clusters and one noise point."""
    seconds = _import("lambda_worker.handler")
    handler = sys.modules["lambda_worker.handler"].handler
    event = importlib.import_module("lambda_worker.contract").ClusterEvent
    with tempfile.TemporaryDirectory() as folder:
        points, candidates = f"{folder}/points.parquet", f"{folder}/candidates.parquet"
        _write(points, point_id=([0, 1, 2, 3, 4, 5], "int64"), weight=([1] * 6, "int64"))
        pairs: dict[str, tuple[Sequence[float], str]] = {
            "point_a": ([0, 1, 3], "int64"),
            "point_b": ([1, 2, 4], "int64"),
        }
        _write(candidates, **pairs, distance=([0.1] * 3, "float64"))
        day = event(
            points=(points,),
            candidates=(candidates,),
            point_count=6,
            output=f"{folder}/labels.parquet",
            algorithm={"type": "dbscan", "min_samples": 2},
        )
        reply = handler(day.to_json(), None)
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in sys.modules})
    right = [reply["ok"], reply["clusters"], reply["noise_entities"]] == [True, 2, 1]
    wrong = [] if right else [str(reply)]
    if importlib.import_module("lambda_worker.kernel").loaded() is None:
        wrong.append("the kernel is not there")
    return {"seconds": seconds, "wrong": wrong, "heavy": heavy}


def sklearn(_folders: list[str]) -> dict[str, object]:
    """Import scikit-learn's clusterers and let each cluster the six points."""
    seconds = _import("sklearn.cluster")
    numpy, cluster = importlib.import_module("numpy"), sys.modules["sklearn.cluster"]
    points = numpy.array(SIX_POINTS).reshape(-1, 1)
    clusterers = [
        cluster.DBSCAN(eps=0.5, min_samples=2),
        cluster.HDBSCAN(min_cluster_size=2, copy=True),
        cluster.OPTICS(min_samples=2),
        cluster.KMeans(3, n_init=1, random_state=0),
        cluster.MiniBatchKMeans(3, n_init=1, random_state=0),
        cluster.BisectingKMeans(3, random_state=0),
        cluster.Birch(n_clusters=3),
        cluster.MeanShift(bandwidth=1.0),
        cluster.AgglomerativeClustering(3),
        cluster.AffinityPropagation(random_state=0),
        cluster.SpectralClustering(3, random_state=0, affinity="nearest_neighbors", n_neighbors=3),
    ]
    labels = {type(one).__name__: one.fit_predict(points).tolist() for one in clusterers}
    wrong = [f"{name}: {found}" for name, found in labels.items() if len({found[0], found[3]}) != 2]
    return {"seconds": seconds, "wrong": wrong, "clusterers": len(labels)}


def serving(_folders: list[str]) -> dict[str, object]:
    """Ask the handler over an empty lake on this machine; boto3 comes with Lambda and is not needed here."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"CLUSTER_TARGET": "local", "CLUSTER_HOME": folder, "CLUSTER_PROJECT": folder}
        seconds = _import("cluster_assets.api.entrances.lambda_function")
        handler = sys.modules["cluster_assets.api.entrances.lambda_function"].handler
        http = {"method": "GET", "path": "/health", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"}
        context = {"http": http, "stage": "$default", "domainName": "trial"}
        event = {"version": "2.0", "rawQueryString": "", "headers": {}, "requestContext": context}
        with contextlib.redirect_stdout(io.StringIO()):
            answer = handler(event, None)
    heavy = sorted(HEAVY & {name.partition(".")[0] for name in sys.modules})
    right = [answer["statusCode"], json.loads(answer["body"])] == [200, {"status": "ok", "days": {}}]
    return {"seconds": seconds, "wrong": [] if right else [str(answer)], "heavy": heavy}


def modules(folders: list[str]) -> dict[str, object]:
    """Import every module; third-party modules that need an unshipped package are listed separately."""
    shipped = {path.name.partition(".")[0] for folder in folders for path in Path(folder).iterdir()}
    names = sorted({name for folder in folders for name in _module_names(Path(folder))})
    optional, wrong = {}, []
    for name in names:
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                importlib.import_module(name)
        except ModuleNotFoundError as error:
            absent = (error.name or "").partition(".")[0]
            if absent and absent not in shipped and not name.startswith("lambda_worker"):
                optional[name] = absent
            else:
                wrong.append(f"{name}: {error}")
        except BaseException as error:  # noqa: BLE001 - reported; a module may even exit
            wrong.append(f"{name}: {type(error).__name__}: {error}")
    return {"modules": len(names), "optional": optional, "wrong": wrong}


def _module_names(folder: Path) -> list[str]:
    names = []
    for path in sorted(folder.rglob("*")):
        stem = path.name.partition(".")[0]
        if path.suffix not in {".py", ".pyc", ".so"} or "__pycache__" in path.parts or stem == "__main__":
            continue
        parts = [*path.relative_to(folder).parts[:-1], *([] if stem == "__init__" else [stem])]
        if parts and all(part.isidentifier() for part in parts):
            names.append(".".join(parts))
    return names


def _import(name: str) -> float:
    """Return the CPU seconds of an import, because wall time depends on what else is running."""
    start = time.process_time()
    importlib.import_module(name)
    return time.process_time() - start


def _write(path: str, **columns: tuple[Sequence[float], str]) -> None:
    numpy = importlib.import_module("numpy")
    core, parquet = importlib.import_module("arro3.core"), importlib.import_module("arro3.io")
    arrays = {name: core.Array.from_numpy(numpy.array(*column)) for name, column in columns.items()}
    parquet.write_parquet(core.Table.from_pydict(arrays), path)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.path += sys.argv[2:]
    trials = {"forest": forest, "sklearn": sklearn, "serving": serving, "modules": modules}
    sys.stdout.write(json.dumps(trials[sys.argv[1]](sys.argv[2:])) + "\n")
