"""Numbers of JSON files arrive as Python's json module reads them, in any row."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.errors import SourceSchemaError
from cluster_assets.domain.text_files import Use
from cluster_assets.stages.raw.files import check_columns
from tests.backends.duckdb.text_relations import FIRST, files, rows, written


def late_json(literal: str, early: str) -> str:
    """Numbers of a JSON file, which are read as such, and last a value as it is written in JSON."""
    return f'{{"id": "a", "v": {early}}}\n' * FIRST + f'{{"id": "b", "v": {literal}}}\n'


@pytest.mark.parametrize("early", ["7", "0.5"])
@pytest.mark.parametrize("literal", ["true", '"1_000"', '"abc"', "1e400", "1.5E+400", "[1]"])
def test_json_that_is_no_number_is_refused_behind_numbers(bench: Any, early: str, literal: str) -> None:
    relation = files(bench, late_json(literal, early), "json", id=Use.TEXT, v=Use.NUMBER)
    with pytest.raises(
        SourceSchemaError,
        match=r"v is not a number|v is beyond the largest double|v is an array in some objects and a single",
    ):
        bench.engine.describe_files(relation)


@pytest.mark.parametrize("early", ["7", "0.5", '"7"'])
@pytest.mark.parametrize("literal", ['"8"', '" 08"', "-0", "null", "2.0", "1e-7", '"Infinity"', "-Infinity"])
def test_json_numbers_in_quotes_and_without(bench: Any, early: str, literal: str) -> None:
    found = rows(bench, files(bench, late_json(literal, early), "json", id=Use.TEXT, v=Use.NUMBER))
    first, last = json.loads(early), json.loads(literal)
    assert found[0] == ("a", float(first))
    assert found[-1] == ("b", None if last is None else float(last))


def test_large_numbers_beside_the_fractions_of_another_file_are_text(bench: Any) -> None:
    uris = (written(bench, "a.csv", f"v,w\n{2**53 + 1},\n"), written(bench, "b.csv", "v,w\n0.5,\n"))
    relation = FileRelation(uris, "csv", uses={"v": Use.VALUE})
    assert check_columns(bench.engine, relation, ("v",), {})["v"] == "varchar"
    assert rows(bench, relation) == [(str(2**53 + 1),), ("0.5",)]
    with pytest.raises(SourceSchemaError, match=r"(?s)would round.*a\.csv, line 2"):
        rows(bench, FileRelation(uris, "csv", uses={"v": Use.NUMBER}))
