"""Whole files are counted by a second reader; a difference keeps the day from being published."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from arro3.io import read_parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.row_counts import LocalRowCounter
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import CheckFailedError, SourceUnreadableError
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.stages.day.conftest import Pipeline

DAYS = tuple(days_between(parse_day("2026-01-01"), parse_day("2026-01-03")))
TEXTS = {
    "csv": {
        'id,v\na,1\n"b\n2",2\n#c,3\n': 3,
        "\ufeffid,v\r\na,1\r\n\r\nb,it's\r\n": 2,
        "id,v\na,1": 1,
        'id\na\n\n""\nb\n\n': 5,
        "id,v\n": 0,
        "": 0,
        f'id,v\n"{"x" * 200_000}",1\n': 1,
    },
    "json": {
        '{"a": 1}\n\n{"a": "\\n"}\n': 2,
        '\ufeff\n [ {"a": "]"} , {"a": [1, 2]},7 ]\n': 3,
        "[]": 0,
        "": 0,
        "\n\n": 0,
        '{"a": ",}"}\n{"a": ",]"}\n \t\n{"a": "\\n,}"}': 3,
        '{"a": 1}\n' * 300_000 + "\n\n" + '{"a": 2}': 300_001,
        json.dumps([{"a": "x" * 70, "n": n} for n in range(30_000)]): 30_000,
        json.dumps(list(range(170_000))): 170_000,
    },
}


class CountingCounter(LocalRowCounter):
    """A second reader that sees a row more in the file of a day, and remembers what it was asked."""

    def __init__(self, strange: str = "no file") -> None:
        self.asked: list[str] = []
        self.strange = strange

    def count_rows(self, relation: FileRelation, uri: str) -> int:
        self.asked.append(uri)
        return super().count_rows(relation, uri) + (self.strange in uri)


@pytest.mark.parametrize(
    ("kind", "text", "rows"),
    [pytest.param(k, t, n, id=f"{k}-{n}-{len(t)}") for k, texts in TEXTS.items() for t, n in texts.items()],
)
def test_text_files_are_counted(kind: str, text: str, rows: int, tmp_path: Path) -> None:
    plain, zipped = tmp_path / f"a.{kind}", tmp_path / f"b.{kind}.gz"
    plain.write_text(text, encoding="utf-8", newline="")
    zipped.write_bytes(gzip.compress(text.encode()))
    relation = FileRelation((str(plain), str(zipped)), kind)
    assert [LocalRowCounter().count_rows(relation, uri) for uri in relation.uris] == [rows, rows]


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("csv", 'id,v\na,"1\n', "after line 1"),
        ("csv", b"id,v\na,\xff\n", "utf-8"),
        ("json", '[{"a": 1},\n {"a": ', "line 2"),
        ("json", '[{"a": 1},\n {"a": 2},\n]', "line 3"),
        ("json", '[{"a": 1},\n {"a": [2, ]}]', "line 2"),
        ("json", '{"a": 1}\n{"a": 2,}\n', "line 2"),
        ("json", '{"a": ",}"}\n\n{"a": [2 , ]}\n', "line 3"),
        ("json", '{"a": 1}\n' * 200_000 + '{"a": 2,}', "line 200001"),
        ("json", b"[\xff", "UTF-8, read as Latin-1: '\\[ÿ'|not UTF-8"),
        ("parquet", "id", "no number of rows"),
    ],
)
def test_a_file_that_the_second_reader_cannot_read_names_the_place(
    kind: str, text: str | bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(text if isinstance(text, bytes) else text.encode())
    relation = FileRelation((str(tmp_path / "a"),), kind)
    with pytest.raises(SourceUnreadableError, match=words) as raised:
        LocalRowCounter().count_rows(relation, relation.uris[0])
    assert str(raised.value.where).startswith(relation.uris[0])


@settings(max_examples=15)
@given(rows=st.integers(0, 5000), group=st.integers(1, 3), columns=st.integers(1, 40))
def test_footers_say_what_the_data_holds(
    rows: int, group: int, columns: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("parquet") / "a.parquet"
    nested = "i % 2 = 0 AS b, [i, i] AS l, {'a': i} AS s, MAP {i: 'x'} AS m"
    many = ", ".join(f"i AS c{number}" for number in range(columns))
    duckdb.sql(
        f"COPY (SELECT {nested}, {many} FROM range({rows}) AS t(i)) TO '{path}' "
        f"(FORMAT parquet, ROW_GROUP_SIZE {2048 * group})"
    )
    counted = LocalRowCounter().count_rows(FileRelation((str(path),)), str(path))
    assert counted == read_parquet(path).read_all().num_rows == rows


@pytest.fixture
def watched(make_pipeline: Callable[..., Pipeline]) -> Callable[..., tuple[Pipeline, CountingCounter]]:
    """Makes a pipeline of three days, and what counts its files."""

    def make(name: str, strange: str = "no file", **attributes: Any) -> tuple[Pipeline, CountingCounter]:
        pipeline, counter = make_pipeline(name, **attributes), CountingCounter(strange)
        pipeline.backend = replace(pipeline.backend, row_counter=counter)
        for day in DAYS:
            pipeline.write(day)
        return pipeline, counter

    return make


def test_a_file_with_lost_rows_prevents_the_publication_of_its_days(
    watched: Callable[..., tuple[Pipeline, CountingCounter]],
) -> None:
    pipeline, _ = watched("lost", "2026-01-02")
    with pytest.raises(
        CheckFailedError, match=r"2026-01-02\.parquet: the engine reads 8 rows, .* 9"
    ) as raised:
        pipeline.run(DAYS[0])
    assert [outcome.name for outcome in raised.value.outcomes if outcome.blocks] == ["source_rows"]
    assert pipeline.ledger.days("points") == ()


def test_a_file_is_counted_once_in_each_state(
    watched: Callable[..., tuple[Pipeline, CountingCounter]],
) -> None:
    pipeline, counter = watched("once")
    for day in DAYS:
        pipeline.run(day)
    files = sorted(str(pipeline.lake / f"{day}.parquet") for day in DAYS)
    assert counter.asked == files
    pipeline.write(DAYS[1], rows=9)
    pipeline.run(DAYS[1])
    assert counter.asked == [*files, files[1]]


def test_a_check_that_is_skipped_counts_nothing(
    watched: Callable[..., tuple[Pipeline, CountingCounter]],
) -> None:
    pipeline, counter = watched("skipped", checks={"source_rows": {"on_failure": "skip"}})
    pipeline.run(DAYS[0])
    assert counter.asked == []


def test_the_parts_of_this_machine_have_a_second_reader(home: Path) -> None:
    with open_backend(load_settings()) as backend:
        assert isinstance(backend.row_counter, LocalRowCounter)
