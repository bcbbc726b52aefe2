"""`cluster-assets new` finds out how times are spelled, and asks where the values do not tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from click.testing import CliRunner

from cluster_assets.cli import commands, new_times
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.spec.yaml.files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def call(folder: Path, values: str, *options: str, typed: str | None = None) -> Result:
    select = f"SELECT w AS \"at\", 'e' AS id, 1.5::DOUBLE AS x FROM (VALUES {values}) AS t(w)"
    duckdb.execute(f"COPY ({select}) TO '{folder}/a.parquet' (FORMAT parquet)")
    given = ["--files", f"{folder}/a.parquet", "--entity", "id", "--vector", "avg(x)", "--threshold", "1"]
    if not any(option.startswith(("--partition", "--fixed-day", "--time-column")) for option in options):
        given += ["--time-column", "at"]
    return CliRunner().invoke(commands, ["new", "mine", *given, *options], input=typed)


@pytest.mark.parametrize(
    ("values", "form", "day"),
    [
        ("('02/03/2026'), ('13/03/2026')", "%d/%m/%Y", "2026-03-02"),
        ("('03/02/2026 10:00 AM'), ('03/13/2026 11:00 PM')", "%m/%d/%Y %I:%M %p", "2026-03-02"),
        ("('Jan 1 2000')", "%b %d %Y", "2000-01-01"),
        ("('[10/Oct/2000:13:55:36 -0700]')", "[%d/%b/%Y:%H:%M:%S %z]", "2000-10-10"),
        ("('2026-03-02 10:00:00,123')", "%Y-%m-%d %H:%M:%S,%f", "2026-03-02"),
        ("('20260302T100000Z')", "%Y%m%dT%H%M%SZ", "2026-03-02"),
        ("('Mon, 2 Mar 2026 10:00:00 GMT')", "%a, %d %b %Y %H:%M:%S GMT", "2026-03-02"),
        ("('02MAR2026:10:00:00')", "%d%b%Y:%H:%M:%S", "2026-03-02"),
        ("('2026-03-02T10:00:00Z')", None, "2026-03-02"),
        ("(1772409600), (1772409601)", "epoch_seconds", "2026-03-02"),
        ("(1772409600123)", "epoch_millis", "2026-03-02"),
        ("(20260302)", "%Y%m%d", "2026-03-02"),
    ],
)
def test_the_one_format_that_fits_is_written(
    tmp_path: Path, defs_folder: Path, values: str, form: str | None, day: str
) -> None:
    done = call(tmp_path, values)
    assert done.exit_code == 0, done.exception
    made = load_pipeline(defs_folder / "mine" / "defs.yaml")
    assert (made.raw.time_format, made.start_date) == (form, day)


def test_two_that_fit_are_refused_where_nobody_can_be_asked(tmp_path: Path, defs_folder: Path) -> None:
    done = call(tmp_path, "('02/03/2026'), ('05/03/2026')")
    assert isinstance(done.exception, ClusterAssetsError)
    told = "'02/03/2026' reads as 2 March 2026 (%d/%m/%Y) or 3 February 2026 (%m/%d/%Y)"
    assert told in str(done.exception)
    assert "set --time-format to one of %d/%m/%Y, %m/%d/%Y" in str(done.exception)
    assert list(defs_folder.iterdir()) == []
    done = call(tmp_path, "('02/03/2026'), ('05/03/2026')", "--time-format", "%m/%d/%Y")
    assert load_pipeline(defs_folder / "mine" / "defs.yaml").start_date == "2026-02-03"


def test_two_that_fit_are_asked_for_on_a_terminal(
    tmp_path: Path, defs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_times, "is_terminal", lambda: True)
    done = call(tmp_path, "('02/03/2026'), ('05/03/2026')", typed="2\n")
    assert done.exit_code == 0, done.exception
    assert "1: 2 March 2026 (%d/%m/%Y)" in done.output
    assert load_pipeline(defs_folder / "mine" / "defs.yaml").raw.time_format == "%m/%d/%Y"


def test_a_source_without_any_date(tmp_path: Path, defs_folder: Path) -> None:
    done = call(tmp_path, "(1)", "--fixed-day", "2026-03-02")
    assert done.exit_code == 0, done.exception
    made = load_pipeline(defs_folder / "mine" / "defs.yaml")
    assert (made.raw.fixed_day, made.first_day, made.last_day) == (
        "2026-03-02",
        made.first_day,
        made.first_day,
    )


def test_a_file_name_that_says_the_day(tmp_path: Path, defs_folder: Path) -> None:
    lake = tmp_path / "sales_20260302"
    lake.mkdir()
    done = call(lake, "(1)", "--partition", "sales_%Y%m%d")
    assert done.exit_code == 0, done.exception
    made = load_pipeline(defs_folder / "mine" / "defs.yaml")
    assert (made.raw.partition, made.start_date) == ("sales_%Y%m%d", "2026-03-02")


def test_doctor_shows_the_readings_of_an_undeclared_format(tmp_path: Path, defs_folder: Path) -> None:
    call(tmp_path, "('02/03/2026'), ('05/03/2026')", "--time-format", "%m/%d/%Y")
    path = defs_folder / "mine" / "defs.yaml"
    path.write_text(path.read_text().replace("time_format", "# time_format"))
    looked = CliRunner().invoke(commands, ["doctor"])
    assert looked.exit_code == 1
    assert "'02/03/2026' reads as 2 March 2026 (%d/%m/%Y) or 3 February 2026 (%m/%d/%Y)" in looked.output


@pytest.mark.parametrize(
    ("folders", "suggested"),
    [
        (("day=2026-03-02", "day=2026-03-03"), "--partition-column day"),
        (("lake=x/dt=2026-03-02", "lake=x/dt=2026-03-03"), "--partition-column dt"),
        (("day=2026-03-02", "day=other"), None),
        (("2026-03-02", "2026-03-03"), None),
    ],
)
def test_a_folder_for_each_day_is_noticed(
    tmp_path: Path, defs_folder: Path, folders: tuple[str, ...], suggested: str | None
) -> None:
    for name in folders:
        folder = tmp_path / "lake" / name
        folder.mkdir(parents=True)
        day = name[-10:] if name[-1].isdigit() else "2026-03-04"
        select = f"SELECT TIMESTAMP '{day} 10:00:00' AS \"at\", 'e' AS id, 1.5::DOUBLE AS x"
        duckdb.execute(f"COPY ({select}) TO '{folder}/a.parquet' (FORMAT parquet)")
    given = ("--files", f"{tmp_path}/lake/**/*.parquet", "--entity", "id", "--vector", "avg(x)")
    done = CliRunner().invoke(commands, ["new", "mine", *given, "--threshold", "1", "--time-column", "at"])
    assert done.exit_code == 0, done.exception
    assert ("a day reads 2 files" in done.output) == (suggested is not None)
    assert suggested is None or f"{suggested} instead of --time-column" in done.output
    without = CliRunner().invoke(commands, ["new", "other", *given, "--threshold", "1"])
    assert isinstance(without.exception, ClusterAssetsError)
    assert (f"add {suggested}," in str(without.exception)) == (suggested is not None)
    assert ("exactly one of --time-column" in str(without.exception)) == (suggested is None)


@pytest.mark.parametrize("form", ["epoch_seconds", "epoch_micros"])
def test_a_declared_unit_that_is_another_is_refused(tmp_path: Path, form: str) -> None:
    done = call(tmp_path, "(1772409600123)", "--time-format", form)
    assert isinstance(done.exception, ClusterAssetsError)
    assert 'set --time-format "epoch_millis"' in str(done.exception)


def test_an_expression_of_epoch_seconds_is_kept(tmp_path: Path, defs_folder: Path) -> None:
    done = call(tmp_path, "(1772409600)", "--time-column", "from_unixtime(at)")
    assert done.exit_code == 0, done.exception
    made = load_pipeline(defs_folder / "mine" / "defs.yaml")
    assert (made.raw.time_column, made.raw.time_format) == ("from_unixtime(at)", None)
    assert made.start_date == "2026-03-02"


def test_new_and_doctor_refuse_what_the_second_reader_of_a_run_refuses(
    tmp_path: Path, defs_folder: Path
) -> None:
    """DuckDB reads a comma before a closing bracket, and Python does not."""
    file = tmp_path / "a.json"
    good = '{"id": "a", "at": "2026-03-02", "x": 1}\n'
    file.write_text(good)
    options = ["--entity", "id", "--vector", "avg(x)", "--threshold", "1", "--time-column", "at"]
    command = ["new", "mine", "--files", str(file), *options, "--replace"]
    assert CliRunner().invoke(commands, command).exit_code == 0
    file.write_text(good + good.replace("1}", "1,}"))
    done = CliRunner().invoke(commands, command)
    assert isinstance(done.exception, ClusterAssetsError)
    assert "a.json: the line is not a JSON object" in str(done.exception)
    assert ", line 2" in str(done.exception)
    report = CliRunner().invoke(commands, ["doctor"]).output
    assert "failed pipeline mine" in report
    assert ", line 2" in report
