"""A user's first five minutes: a CSV nobody saw before, a YAML, a run, a look, a file."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.cluster import DBSCAN

from cluster_assets.cli import commands
from cluster_assets.settings import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


def write_orders(path: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Shops with two numbers each, two days; some rows twice; ids that sort unlike their numbers."""
    rng = np.random.default_rng(5)
    days: dict[str, list[tuple[str, float, float]]] = {}
    rows: list[tuple[str, str, float, float]] = []
    for day in ("2026-02-03", "2026-02-04"):
        centres = rng.uniform(0, 50, (4, 2))
        places = np.round(centres[rng.integers(0, 4, 120)] + rng.normal(0, 0.6, (120, 2)), 2)
        days[day] = sorted((f"shop {number}", x, y) for number, (x, y) in enumerate(places.tolist()))
        for name, x, y in days[day]:
            rows += [(f"{day} 10:00:00", name, x, y)] * int(rng.integers(1, 3))
    rng.shuffle(rows)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sold at", "shop", "margin", "Volume"])
        writer.writerows(rows)
    return days


@pytest.mark.parametrize("name", ["orders.csv", pytest.param("orders.csv.gz", marks=pytest.mark.long)])
def test_new_run_show_export(
    name: str, tmp_path: Path, defs_folder: Path, cluster_assets: Callable[..., object]
) -> None:
    truth = write_orders(tmp_path / name)
    made = cluster_assets(
        "new", "orders", "--files", str(tmp_path / name), "--time-column", "sold at", "--entity", "shop",
        "--vector", "max(margin)", "--vector", 'max("Volume")', "--metric", "euclidean", "--threshold", "0.9",
        "--algorithm", "dbscan", "--min-samples", "4",
    )  # fmt: skip
    assert (defs_folder / "orders" / "defs.yaml").exists()
    assert "2026-02-03" in made.stdout  # the first day was found in the data
    cluster_assets("run", "orders", "--day", "2026-02-03", "--to", "2026-02-04")

    for day, shops in truth.items():
        summary = json.loads(cluster_assets("show", "orders", "--day", day, "--format", "json").stdout)
        output = tmp_path / f"{day}.csv"
        cluster_assets("export", "orders", "clusters", "--day", day, "--output", str(output))
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        expected = DBSCAN(eps=0.9, min_samples=4).fit([(x, y) for _, x, y in shops]).labels_
        assert [row["entity"] for row in rows] == [shop for shop, _, _ in shops]
        assert np.array_equal([int(row["cluster"]) for row in rows], expected)
        assert summary["entities"] == len(shops)
        assert summary["clusters"] == expected.max() + 1
        assert summary["noise"] == int((expected == -1).sum())
        assert {row["role"] for row in rows if row["cluster"] == "-1"} <= {"noise"}
    everything = json.loads(cluster_assets("show", "orders", "--format", "json").stdout)
    assert [summary["day"] for summary in everything] == list(truth)
    assert "2026-02-03" in cluster_assets("show", "orders").stdout


@dataclass(frozen=True)
class Orders:
    """A pipeline with one day that was run once, and what the run said."""

    environment: dict[str, str]
    said: str


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    folder = tmp_path_factory.mktemp("orders")
    (folder / "pipelines").mkdir()
    write_orders(folder / "orders.csv")
    places = {"CLUSTER_HOME": str(folder / "home"), "CLUSTER_DEFS": str(folder / "pipelines")}
    steps = (
        [
            "new", "orders", "--files", str(folder / "orders.csv"), "--time-column", "sold at",
            "--entity", "shop",
            "--vector", 'max(margin), max("Volume")', "--threshold", "0.9",
        ],
        ["run", "orders", "--day", "2026-02-03"],
    )  # fmt: skip
    executable = str(Path(sys.executable).with_name("cluster-assets"))
    for arguments in steps:
        done = subprocess.run(
            [executable, *arguments],
            env=os.environ | places,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    return Orders(places, done.stderr)


@pytest.fixture
def at_orders(orders: Orders, home: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """The commands of a test see that pipeline."""
    for name, value in orders.environment.items():
        monkeypatch.setenv(name, value)
    return orders


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".json", ".jsonl"])
def test_every_table_in_every_format(ending: str, tmp_path: Path, at_orders: Orders) -> None:
    for table in ("points", "members", "candidates", "clusters", "lineage", "profiles", "cluster_features"):
        output = tmp_path / f"{table}{ending}"
        arguments = ["export", "orders", table, "--day", "2026-02-03", "--output", str(output)]
        done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        reader = {".parquet": "read_parquet", ".csv": "read_csv"}.get(ending, "read_json")
        rows = duckdb.execute(f"SELECT count(*) FROM {reader}('{output}')").fetchall()[0][0]
        assert rows > 0


def test_no_other_format_and_no_other_table(at_orders: Orders, cluster_assets: Callable[..., object]) -> None:
    cluster_assets("export", "orders", "clusters", "--day", "2026-02-03", "--output", "x.xls", fails=True)
    cluster_assets("export", "orders", "nothing", "--day", "2026-02-03", "--output", "x.csv", fails=True)


def test_an_unchanged_day_is_not_computed_again(
    at_orders: Orders, cluster_assets: Callable[..., object]
) -> None:
    assert "unchanged" not in at_orders.said
    assert "unchanged" in cluster_assets("run", "orders", "--day", "2026-02-03").stderr


@pytest.mark.long
def test_an_unchanged_day_is_computed_again_when_forced(
    at_orders: Orders, cluster_assets: Callable[..., object]
) -> None:
    assert "unchanged" not in cluster_assets("run", "orders", "--day", "2026-02-03", "--force").stderr
