"""scikit-learn's HDBSCAN over its algorithms and orders of rows: a function, and a process that serves it.

scikit-learn sorts merges with `numpy.argsort`, whose order of equal numbers depends on the processor. The
process runs without vector instructions, so that its small sorts are stable.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.cluster import HDBSCAN

if TYPE_CHECKING:
    from collections.abc import Iterator

ALGORITHMS = ("brute", "kd_tree", "ball_tree")


def label_orders(places: list[list[float]], parameters: dict[str, Any], seed: int) -> list[list[int]]:
    """The different labels that scikit-learn gives; clusters are numbered in the order of their first rows.

    Every row comes first in a random order.
    """
    rows = np.array(places)
    rng = np.random.default_rng(seed)
    found = set()
    for first in range(len(rows)):
        order = np.append(first, rng.permutation(np.delete(np.arange(len(rows)), first)))
        for algorithm in ALGORITHMS:
            labels = np.empty(len(rows), np.int64)
            labels[order] = HDBSCAN(algorithm=algorithm, copy=True, **parameters).fit(rows[order]).labels_
            found.add(numbered(labels.tolist()))
    return [list(labels) for labels in sorted(found)]


def numbered(labels: list[int]) -> tuple[int, ...]:
    """Clusters numbered in the order of their first rows; noise stays -1."""
    numbers = {-1: -1}
    return tuple(numbers.setdefault(label, len(numbers) - 1) for label in labels)


class Served:
    """The function in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def label_orders(self, *arguments: Any) -> list[list[int]]:
        """As the function."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(arguments) + "\n")
        self._process.stdin.flush()
        answer: list[list[int]] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def without_vector_instructions() -> Iterator[Served]:
    """Serve the function from a process whose numpy uses plain instructions only."""
    command = [sys.executable, "-W", "ignore", __file__]
    features = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(features)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        yield Served(process)
        assert process.stdin is not None
        process.stdin.close()


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(label_orders(*json.loads(line))), flush=True)
