"""Mistakes of newcomers: a mistyped command, a day before the first, a check before there is any data."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.cli import COMMANDS, commands
from cluster_assets.cli.demo import PIPELINES
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import SampleMissingError, SpecError
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path


def test_doctor_passes_without_the_sample_data_and_says_how_to_write_it(home: Path) -> None:
    before = CliRunner().invoke(commands, ["doctor"])
    assert before.exit_code == 0, before.output
    notes = [line for line in before.output.splitlines() if line.startswith("note ")]
    assert [line.split(":")[0].split()[-1] for line in notes] == sorted(PIPELINES)
    assert before.output.count("cluster-assets sample") == len(PIPELINES)
    assert before.output.splitlines()[-1] == "4 of 4 checks passed, 3 notes"

    write_sample(SampleConfig(output=home / "lake", first_day=parse_day("2013-03-04"), days=1, entities=50))
    after = CliRunner().invoke(commands, ["doctor"])
    assert after.exit_code == 0, after.output
    assert "source has 1 file, " in after.output
    assert after.output.splitlines()[-1] == "7 of 7 checks passed"


def test_doctor_fails_for_other_missing_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_REAL_DATA", str(home / "nowhere"))
    done = CliRunner().invoke(commands, ["doctor"])
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.output.splitlines() if "pipeline" in line][1:] == ["failed"] * 3
    assert done.output.splitlines()[-1] == "4 of 7 checks passed"


def test_doctor_says_what_to_do_about_a_folder_it_cannot_write(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.write_text("a file where the folder should be")
    done = CliRunner().invoke(commands, ["doctor"])
    assert done.exit_code == 1
    first = done.output.partition("SQL engine")[0]
    assert first.startswith(f"failed folder {home}: the system refused: ")
    assert "remedy: check that the path can be made" in first


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.usefixtures("home")
def test_the_missing_sample_says_how_to_write_it(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # `run` sets it for the process; a test must not leave its own behind.
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")
    done = CliRunner().invoke(commands, [command, "attackers", "--day", "2013-03-04"])
    assert isinstance(done.exception, SampleMissingError)
    assert "cluster-assets sample" in str(done.exception)


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.usefixtures("home")
def test_a_day_outside_the_partitions_is_refused(command: str) -> None:
    for day in ("2013-03-02", "2013-09-09"):
        done = CliRunner().invoke(commands, [command, "attackers", "--day", day])
        assert isinstance(done.exception, SpecError)
        assert f"{day} is not a partition of attackers" in str(done.exception)


@pytest.mark.parametrize("command", ["run", "backfill"])
def test_a_pipeline_that_begins_in_the_future_says_when(home: Path, tmp_path: Path, command: str) -> None:
    begins = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=30)
    path = tmp_path / "defs" / "later" / "defs.yaml"
    path.parent.mkdir(parents=True)
    (tmp_path / "a.csv").write_text(f"id,at,x\na,{begins} 10:00:00,1\n")
    options = ["--files", str(tmp_path / "a.csv"), "--time-column", "at", "--entity", "id"]
    options += ["--vector", "max(x)", "--threshold", "1", "--defs", str(path.parent.parent)]
    made = CliRunner().invoke(commands, ["new", "later", *options])
    ends = f"{begins} has not ended: it becomes a partition on {begins + dt.timedelta(days=1)} at 00:00 UTC"
    assert ends in made.output
    environment = {"CLUSTER_DEFS": str(path.parent.parent)}
    last = ["--day"] if command == "run" else ["--to", str(begins), "--from"]
    done = CliRunner().invoke(commands, [command, "later", *last, str(begins)], env=environment)
    assert isinstance(done.exception, SpecError)
    assert f"later: {ends}" in str(done.exception)
    assert f"start_date {begins}: there is no partition yet" in str(done.exception)
    looked = CliRunner().invoke(commands, ["doctor"], env=environment)
    assert f"its first day, {ends}" in looked.output
    assets = pipeline_assets(load_pipeline(path), load_settings())
    assert assets.partitions_def is not None
    assert list(assets.partitions_def.get_partition_keys()) == []
    told = f"A day becomes a partition when it has ended, UTC; the first one is {begins}."
    assert all(told in str(one.description) for one in assets.specs)


@pytest.mark.parametrize(
    ("typed", "meant"), [("shwo", "show"), ("exprot", "export"), ("backfil", "backfill")]
)
def test_a_mistyped_command_gets_a_suggestion(typed: str, meant: str) -> None:
    done = CliRunner().invoke(commands, [typed])
    assert done.exit_code == 2
    assert f"Did you mean '{meant}'?" in done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_within_80_columns(command: str) -> None:
    done = CliRunner().invoke(commands, [command, "--help"], catch_exceptions=False)
    assert done.exit_code == 0
    assert max(map(len, done.output.splitlines())) <= 80
    for word in ("mend", "whoever", "comes to be", "brought about", "nobody"):
        assert word not in done.output.lower()
