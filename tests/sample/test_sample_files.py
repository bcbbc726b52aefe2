"""The files of a sample: columns, determinism, dirt, and what happens to bad requests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.domain.days import Day, parse_day
from cluster_assets.domain.errors import SpecError
from cluster_assets.sample import SampleConfig, write_sample

if TYPE_CHECKING:
    from pathlib import Path

FIRST = parse_day("2026-01-30")
SCHEMA = [
    ("event_time", "TIMESTAMP"),
    ("sensor", "VARCHAR"),
    ("src_ip", "VARCHAR"),
    ("protocol", "VARCHAR"),
    ("icmp_type", "SMALLINT"),
    ("src_port", "INTEGER"),
    ("dst_port", "INTEGER"),
    ("country_code", "VARCHAR"),
    ("country", "VARCHAR"),
    ("region", "VARCHAR"),
    ("latitude", "DOUBLE"),
    ("longitude", "DOUBLE"),
]
TRUTH_SCHEMA = [
    (name, "VARCHAR") for name in ("entity", "campaign", "place", "behaviour", "event", "previous_campaign")
]
EVENTS_SCHEMA = [
    *[(name, "VARCHAR") for name in ("campaign", "event", "previous_campaign")],
    ("members", "BIGINT"),
]
WRITE = """
import sys
from pathlib import Path
from cluster_assets.domain.days import parse_day
from cluster_assets.sample import SampleConfig, write_sample
write_sample(SampleConfig(Path(sys.argv[1]), parse_day(sys.argv[2]), days=2, entities=40000))
"""


def ask(sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(sql, values or None).fetchall()


def schema_of(path: Path) -> list[tuple[Any, ...]]:
    return [row[:2] for row in ask("describe from read_parquet($path)", path=str(path))]


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_columns_and_order_of_time(tmp_path: Path) -> None:
    report = write_sample(SampleConfig(tmp_path, FIRST, days=3, entities=300))
    assert [path.name for path in report.files] == [
        "honeypot_2026-01-30.parquet",
        "honeypot_2026-01-31.parquet",
        "honeypot_2026-02-01.parquet",
    ]
    for path in report.files:
        day = path.stem[-10:]
        assert schema_of(path) == SCHEMA
        assert schema_of(tmp_path / "truth" / f"campaigns_{day}.parquet") == TRUTH_SCHEMA
        assert schema_of(tmp_path / "truth" / f"events_{day}.parquet") == EVENTS_SCHEMA
        times = [row[0] for row in ask("select event_time from read_parquet($path)", path=str(path))]
        assert times == sorted(times)
        assert {time.date().isoformat() for time in times} == {day}
    counted = ask("select count(*) from read_parquet($path)", path=str(tmp_path / "*.parquet"))
    assert counted == [(report.rows,)]
    assert report.bytes == sum(path.stat().st_size for path in report.files)
    assert not list(tmp_path.rglob("*.partial"))


def test_columns_are_those_of_the_real_data(tmp_path: Path, real_data: Path) -> None:
    report = write_sample(SampleConfig(tmp_path, FIRST, days=1, entities=10))
    assert schema_of(report.files[0]) == schema_of(real_data / "honeypot_2013.parquet")


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    # More than one row group a day, so that the two threads of the writer have something to race for.
    for name in ("one", "two"):
        command = [sys.executable, "-W", "error", "-c", WRITE, str(tmp_path / name), FIRST.key]
        subprocess.run(command, check=True)
    first = digests(tmp_path / "one")
    groups = ask(
        "select count(distinct row_group_id) from parquet_metadata($path)",
        path=str(tmp_path / "one" / f"honeypot_{FIRST}.parquet"),
    )
    assert groups[0][0] > 1
    assert len(first) == 6
    assert first == digests(tmp_path / "two")


def test_a_day_does_not_depend_on_the_others(tmp_path: Path) -> None:
    week = SampleConfig(tmp_path / "week", FIRST, days=7, entities=400)
    write_sample(week)
    alone = replace(week, output=tmp_path / "alone", first_day=parse_day("2026-02-02"), days=1)
    write_sample(alone)
    whole = digests(tmp_path / "week")
    assert len(whole) == 21
    assert digests(tmp_path / "alone").items() <= whole.items()


def test_another_seed_is_another_world(tmp_path: Path) -> None:
    config = SampleConfig(tmp_path / "seven", FIRST, days=1, entities=400)
    write_sample(config)
    write_sample(replace(config, output=tmp_path / "eight", seed=8))
    paths = [str(tmp_path / name / f"honeypot_{FIRST}.parquet") for name in ("seven", "eight")]
    both = ask("select count(distinct src_ip) from read_parquet($paths)", paths=paths)
    assert both == [(800,)]


def test_dirt_is_there_and_can_be_switched_off(tmp_path: Path) -> None:
    sql = """
        with entity as (
            select src_ip, count(dst_port) as ports, max(latitude) as latitude from sample group by src_ip
        )
        select (select count(*) from sample where dst_port is null and protocol = 'ICMP') as pings,
               (select count(*) from sample where (icmp_type is null) = (protocol = 'ICMP')) as mixed,
               (select count(*) from sample where (dst_port is null) <> (protocol = 'ICMP')) as mixed_ports,
               (select count(*) from entity where ports = 0) as portless,
               (select count(*) from entity where latitude is null) as placeless,
               (select count(*) from sample where latitude is null and country is not null) as country_only,
               (select count(*) from entity where latitude > 90) as impossible,
               (select count(*) - count(distinct sample) from sample) as repeated,
               (select count(*) from sample) as all_rows
    """
    found = {}
    for dirt in (True, False):
        folder = tmp_path / str(dirt)
        write_sample(SampleConfig(folder, FIRST, days=1, entities=5000, dirt=dirt))
        with duckdb.connect() as connection:
            connection.from_parquet(str(folder / "*.parquet")).create_view("sample")
            answer = connection.execute(sql)
            names = [column[0] for column in answer.description or ()]
            found[dirt] = dict(zip(names, answer.fetchall()[0], strict=True))
    dirty, clean = found[True], found[False]
    for answer_of in (dirty, clean):
        assert answer_of["pings"] > 0
        assert answer_of["mixed"] == answer_of["mixed_ports"] == 0
    for flaw in ("portless", "placeless", "country_only", "impossible"):
        assert dirty[flaw] > 0
        assert clean[flaw] == 0
    # Some repetitions are natural, since times are minutes.
    assert dirty["repeated"] - clean["repeated"] > 0.005 * clean["all_rows"]


@pytest.mark.parametrize("seed", range(8))
def test_one_entity(tmp_path: Path, seed: int) -> None:
    # Eight worlds: some have their only campaign alive on that day, some do not.
    report = write_sample(SampleConfig(tmp_path, FIRST, days=1, entities=1, seed=seed))
    assert ask("select count(distinct src_ip) from read_parquet($p)", p=str(report.files[0])) == [(1,)]
    assert schema_of(report.files[0]) == SCHEMA
    assert schema_of(tmp_path / "truth" / f"campaigns_{FIRST}.parquet") == TRUTH_SCHEMA
    assert schema_of(tmp_path / "truth" / f"events_{FIRST}.parquet") == EVENTS_SCHEMA


@settings(max_examples=15)
@given(
    entities=st.integers(1, 700),
    rows=st.floats(1, 25),
    seed=st.integers(0, 2**63 - 1),
    ordinal=st.integers(1, 3652059),
    dirt=st.booleans(),
)
def test_any_day_of_any_world_is_sound(
    tmp_path_factory: pytest.TempPathFactory, entities: int, rows: float, seed: int, ordinal: int, dirt: bool
) -> None:
    day = Day(FIRST.date.fromordinal(ordinal))
    folder = tmp_path_factory.mktemp("world")
    report = write_sample(SampleConfig(folder, day, 1, entities, rows, seed, dirt))
    truth = folder / "truth" / f"campaigns_{day}.parquet"
    answer = ask(
        """select count(distinct src_ip), count(distinct event_time::date), min(src_port) >= 0,
                  max(src_port) < 65536, min(dst_port) > 0, max(dst_port) < 65536,
                  bool_and(longitude between -180 and 180),
                  (select count(*) - count(distinct entity) from read_parquet($truth)),
                  (select count(*) from read_parquet($truth) where entity not in
                      (select src_ip from read_parquet($rows)))
           from read_parquet($rows)""",
        rows=str(report.files[0]),
        truth=str(truth),
    )[0]
    addresses, days, *sound, repeated, absent = answer
    # Two draws may meet in one address, though hardly ever.
    assert entities - 2 <= addresses <= entities * 1.2 + 1
    assert days == 1
    assert all(flag in (True, None) for flag in sound)
    assert repeated == absent == 0


@pytest.mark.parametrize("asked", [1.0, 3.2, 12.0])
def test_rows_per_entity_is_about_what_was_asked(tmp_path: Path, asked: float) -> None:
    report = write_sample(SampleConfig(tmp_path, FIRST, days=2, entities=3000, rows_per_entity=asked))
    assert report.rows / 6000 == pytest.approx(asked, rel=0.25)


def test_an_interrupted_day_leaves_the_old_file(tmp_path: Path) -> None:
    config = SampleConfig(tmp_path, FIRST, days=1, entities=50)
    write_sample(config)
    path = tmp_path / f"honeypot_{FIRST}.parquet"
    before = path.read_bytes()
    # A folder in the place of the next day's file makes that day fail after its rows were written.
    (tmp_path / f"honeypot_{FIRST.next}.parquet").mkdir()
    with pytest.raises(SpecError, match="honeypot_2026-01-31"):
        write_sample(replace(config, days=2))
    assert path.read_bytes() == before
    assert not list(tmp_path.rglob("*.partial"))


def test_progress_names_each_file_when_it_is_there(tmp_path: Path) -> None:
    seen: list[Path] = []

    def note(path: Path) -> None:
        assert path.stat().st_size > 0
        seen.append(path)

    report = write_sample(SampleConfig(tmp_path, FIRST, days=3, entities=5), on_day=note)
    assert tuple(seen) == report.files


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("days", 0),
        ("days", 1.5),
        ("days", 10**7),
        ("entities", 0),
        ("entities", -3),
        ("entities", True),
        ("entities", 10**9),
        ("seed", -1),
        ("rows_per_entity", 0.5),
        ("rows_per_entity", float("nan")),
        ("rows_per_entity", float("inf")),
        ("rows_per_entity", 1e6),
        ("first_day", parse_day("9999-12-30")),
    ],
)
def test_impossible_requests_name_the_setting(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(SpecError, match=f"sample: .*{field}") as refusal:
        replace(SampleConfig(tmp_path / "x", FIRST), **{field: value})  # type: ignore[arg-type]
    assert refusal.value.remedy
    assert not (tmp_path / "x").exists()


def test_the_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] *sample* {1}"
    report = write_sample(SampleConfig(folder, FIRST, days=1, entities=5))
    assert report.files[0].parent == folder
    assert len(digests(folder)) == 3


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(SpecError, match="taken"):
        write_sample(SampleConfig(tmp_path / "taken", FIRST))
    assert (tmp_path / "taken").read_text() == "mine"
