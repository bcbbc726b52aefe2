"""A user's first five minutes: a new CSV file, a YAML, a run, a summary, an export."""

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
from waiting import LONGEST_S

from cluster_assets.cli import commands, run_command
from cluster_assets.project import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


DAYS = ("2026-02-03", "2026-02-04")


def write_orders(path: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Shops with two numbers each, two days; some rows twice; ids that sort unlike their numbers."""
    rng = np.random.default_rng(5)
    days: dict[str, list[tuple[str, float, float]]] = {}
    rows: list[tuple[str, str, float, float]] = []
    for day in DAYS:
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


@dataclass(frozen=True)
class Orders:
    """A pipeline made by `new`, and two days of it that were run once, each by a command of its own."""

    environment: dict[str, str]
    truth: dict[str, list[tuple[str, float, float]]]
    made: str
    said: str


def start_pipeline(folder: Path, name: str) -> Orders:
    """What a user types, as the installed command."""
    (folder / "pipelines").mkdir()
    truth = write_orders(folder / name)
    places = {"CLUSTER_HOME": str(folder / "home"), "CLUSTER_DEFS": str(folder / "pipelines")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        executable = str(Path(sys.executable).with_name("cluster-assets"))
        done = subprocess.run(
            [executable, *arguments],
            env=os.environ | places,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
        assert done.returncode == 0, done.stderr
        return done

    made = run(
        "new", "orders", "--files", str(folder / name), "--time-column", "sold at", "--entity", "shop",
        "--vector", "max(margin)", "--vector", 'max("Volume")', "--metric", "euclidean", "--threshold", "0.9",
        "--algorithm", "dbscan", "--min-samples", "4",
    )  # fmt: skip
    assert (folder / "pipelines" / "orders" / "defs.yaml").exists()
    ran = run("run", "orders", "--day", DAYS[0], "--to", DAYS[1])
    return Orders(places, truth, made.stdout, ran.stderr)


@pytest.fixture(scope="session")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    return start_pipeline(tmp_path_factory.mktemp("orders"), "orders.csv")


@pytest.fixture
def at_orders(orders: Orders, home: Path, monkeypatch: pytest.MonkeyPatch) -> Orders:
    """The commands of a test see that pipeline."""
    for name, value in orders.environment.items():
        monkeypatch.setenv(name, value)
    return orders


def test_new_run_show_export(
    tmp_path: Path, at_orders: Orders, cluster_assets: Callable[..., object]
) -> None:
    assert_journey(at_orders, tmp_path)
    assert DAYS[0] in cluster_assets("show", "orders").stdout  # type: ignore[attr-defined]


@pytest.mark.long
def test_new_run_show_export_of_a_packed_file(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = start_pipeline(tmp_path, "orders.csv.gz")
    for name, value in packed.environment.items():
        monkeypatch.setenv(name, value)
    assert_journey(packed, tmp_path)


def assert_journey(orders: Orders, folder: Path) -> None:
    """The labels are scikit-learn's, and every command reports the same numbers."""
    assert DAYS[0] in orders.made  # the first day was found in the data
    for day, shops in orders.truth.items():
        summary = json.loads(stdout_of("show", "orders", "--day", day, "--format", "json"))
        output = folder / f"{day}.csv"
        stdout_of("export", "orders", "clusters", "--day", day, "--output", str(output))
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        expected = DBSCAN(eps=0.9, min_samples=4).fit([(x, y) for _, x, y in shops]).labels_
        assert [row["entity"] for row in rows] == [shop for shop, _, _ in shops]
        assert np.array_equal([int(row["cluster"]) for row in rows], expected)
        assert summary["entities"] == len(shops)
        assert summary["clusters"] == expected.max() + 1
        assert summary["noise"] == int((expected == -1).sum())
        assert {row["role"] for row in rows if row["cluster"] == "-1"} <= {"noise"}
    everything = json.loads(stdout_of("show", "orders", "--format", "json"))
    assert [summary["day"] for summary in everything] == list(orders.truth)


def stdout_of(*arguments: str) -> str:
    """What a command that reads prints; it is called here, for a process takes a second to load."""
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".json", ".jsonl"])
def test_every_table_in_every_format(ending: str, tmp_path: Path, at_orders: Orders) -> None:
    for table in ("points", "members", "candidates", "clusters", "lineage", "profiles", "cluster_features"):
        output = tmp_path / f"{table}{ending}"
        stdout_of("export", "orders", table, "--day", DAYS[0], "--output", str(output))
        reader = {".parquet": "read_parquet", ".csv": "read_csv"}.get(ending, "read_json")
        rows = duckdb.execute(f"SELECT count(*) FROM {reader}('{output}')").fetchall()[0][0]
        assert rows > 0


@pytest.mark.parametrize(("table", "output"), [("clusters", "x.xls"), ("nothing", "x.csv")])
def test_no_other_format_and_no_other_table(
    at_orders: Orders, table: str, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["export", "orders", table, "--day", DAYS[0], "--output", output]
    monkeypatch.setattr(sys, "argv", ["cluster-assets", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command(commands)
    assert ended.value.code not in (0, None)
    assert not Path(output).exists()


def test_an_unchanged_day_is_not_computed_again(
    at_orders: Orders, cluster_assets: Callable[..., object]
) -> None:
    assert "unchanged" not in at_orders.said
    assert "unchanged" in cluster_assets("run", "orders", "--day", DAYS[0]).stderr  # type: ignore[attr-defined]


@pytest.mark.long
def test_an_unchanged_day_is_computed_again_when_forced(
    at_orders: Orders, cluster_assets: Callable[..., object]
) -> None:
    said = cluster_assets("run", "orders", "--day", DAYS[0], "--force").stderr  # type: ignore[attr-defined]
    assert "unchanged" not in said
