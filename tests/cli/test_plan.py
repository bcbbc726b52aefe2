"""`cluster-assets plan`: a table for people, JSON for programs, nothing left behind."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.domain.days import parse_day
from cluster_assets.sample import SampleConfig, write_sample

if TYPE_CHECKING:
    from pathlib import Path


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_a_day_before_it_is_run(home: Path) -> None:
    write_sample(SampleConfig(output=home / "lake", first_day=parse_day("2013-03-04"), days=1, entities=200))
    told = json.loads(invoke("plan", "attackers", "--day", "2013-03-04", "--format", "json"))
    assert told["stages"] == dict.fromkeys(
        ("raw", "points", "candidates", "clusters", "lineage", "profiles", "report", "index"), "to compute"
    )
    assert 0 < told["bytes_to_scan"] < told["source_bytes"]
    assert told["pairs"] is None
    table = invoke("plan", "origins", "--day", "2013-03-04")
    assert "bytes to scan" in table
    assert "unknown until the points" in table
    assert not (home / "warehouse").exists() or not any((home / "warehouse").rglob("*.parquet"))


def test_a_day_that_has_not_ended_is_marked(home: Path, tmp_path: Path) -> None:
    today = dt.datetime.now(dt.UTC).date()
    (tmp_path / "a.csv").write_text(f"id,at,x\na,{today} 00:00:00,1\n")
    defs = tmp_path / "defs"
    options = ["--files", str(tmp_path / "a.csv"), "--time-column", "at", "--entity", "id"]
    invoke("new", "now", *options, "--vector", "max(x)", "--threshold", "1", "--defs", str(defs))
    ends = f"{today} has not ended: it becomes a partition on {today + dt.timedelta(days=1)} at 00:00 UTC"
    for form in ("table", "json"):
        done = CliRunner().invoke(
            commands,
            ["plan", "now", "--day", str(today), "--format", form],
            env={"CLUSTER_DEFS": str(defs), "COLUMNS": "200"},
        )
        assert ends in done.output, done.exception
