"""Every benchmark at a small size: its results are checked against peers, its times are not looked at."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import MODULES
from benchmarks.measure.options import Options


@pytest.mark.parametrize("name", MODULES)
def test_the_results_of_every_benchmark_are_those_of_its_peers(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module(f"benchmarks.bench_{name}").main(Options(small=True))
    assert capsys.readouterr().out


def test_the_definitions_of_many_pipelines_are_measured() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.orchestration.definitions", "2"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 pipelines: " in done.stdout
