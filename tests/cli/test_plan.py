"""`cluster-assets plan`: a table for people, JSON for programs, nothing left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.domain.partitions import parse_day
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
        ("raw", "points", "candidates", "clusters", "lineage", "profiles", "report"), "to compute"
    )
    assert 0 < told["bytes_to_scan"] < told["source_bytes"]
    assert told["pairs"] is None
    table = invoke("plan", "origins", "--day", "2013-03-04")
    assert "bytes to scan" in table
    assert "unknown until points" in table
    assert not (home / "warehouse").exists() or not any((home / "warehouse").rglob("*.parquet"))
