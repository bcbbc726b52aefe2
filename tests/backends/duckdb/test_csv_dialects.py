"""CSV files of other dialects, and broken ones: read as declared, or refused with file, line and remedy."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from cluster_assets.backends.ports import FileRelation
from cluster_assets.backends.text_files.blanks import may_have_blanks
from cluster_assets.domain.errors import SourceSchemaError, SourceUnreadableError
from cluster_assets.domain.text_files import NO_USE, RFC_4180, Use
from cluster_assets.spec.source.csv_files import Csv
from cluster_assets.stages.raw.files import check_columns

if TYPE_CHECKING:
    from pathlib import Path


def relation(bench: Any, content: bytes, name: str = "a.csv", **options: Any) -> FileRelation:
    bench.folder.mkdir(exist_ok=True)
    path: Path = bench.folder / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    uses = {"id": Use.TEXT, "v": Use.NUMBER}
    kind = "json" if "json" in name else "csv"
    return FileRelation((str(path),), kind, uses=uses, dialect=Csv(**options).dialect)


def rows(bench: Any, files: FileRelation) -> list[tuple[Any, Any]]:
    found = bench.engine.fetch(bench.statement("SELECT t.id AS id, t.v AS v FROM t"), {"t": files}).rows
    return [(row["id"], row["v"]) for row in found]


@pytest.mark.parametrize(
    ("content", "options", "wanted"),
    [
        ("id,v\nNA,1\na,-\n\\N,2\n", {"null_values": ["NA", "-", "\\N"]},
         [(None, 1), ("a", None), (None, 2)]),
        ("id;v\na;48,8566\nb;-1\n", {"decimal": ","}, [("a", 48.8566), ("b", -1.0)]),
        ("id;v\n1,50;2\n", {"decimal": ","}, [("1,50", 2)]),
        ('id,v\na,"1,5"\n', {"decimal": ","}, [("a", 1.5)]),
        ("id\tv\na,b\t1\n", {}, [("a,b", 1)]),
        ("id|v\na|1\n", {}, [("a", 1)]),
        ('"id;x",v,id\nq,1,a\n', {}, [("a", 1)]),
        ("id^v\na^1\n", {"delimiter": "^"}, [("a", 1)]),
        ("id,v\n'a,b',1\n'it''s',2\n", {"quote": "'"}, [("a,b", 1), ("it's", 2)]),
        ('id,v\n"a\\"b",1\n', {"escape": "\\"}, [('a"b', 1)]),
        ('id,v\n5" nail",1\n"x,2\n', {"quote": ""}, [('5" nail"', 1), ('"x', 2)]),
        ("a,1\nb,2\n", {"names": ["id", "v"]}, [("a", 1), ("b", 2)]),
        ("id,v\nMüller,1\n", {"encoding": "latin-1"}, [("Müller", 1)]),
        ("id,v\nMüller,1\n", {"encoding": "utf-16"}, [("Müller", 1)]),
        ("\ufeffid,v\r\na,1\r\n", {}, [("a", 1)]),
        ("id , v\na,1\n", {}, [("a", 1)]),
        ("id,v\rb,1\r", {}, [("b", 1)]),
        ('id,v\n" ""x""", 1\n', {}, [(' "x"', 1)]),
        ('id,v\n"a, ""b"" ",1\n x ,2\n', {}, [('a, "b" ', 1), (" x ", 2)]),
        ('id,v\n "a",1\n', {"quote": ""}, [(' "a"', 1)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_declared_dialect(
    bench: Any, content: str, options: dict[str, Any], wanted: list[tuple[Any, Any]], ending: str
) -> None:
    encoded = content.encode(options.get("encoding", "utf-8"))
    assert rows(bench, relation(bench, encoded, f"a.{ending}", **options)) == wanted


def test_files_of_one_day_may_differ_in_columns_and_delimiters(bench: Any) -> None:
    one = relation(bench, b"id,v\na,1\n", "a.csv")
    two = relation(bench, b"w;v;ID\n0;2.5;b\n", "b.csv")
    both = FileRelation((*one.uris, *two.uris), "csv", uses=one.uses)
    assert rows(bench, both) == [("a", 1), ("b", 2.5)]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"id,v\n" + b"a,1\n" * 30_000 + b"b,1,x\n", r"3 fields, .* has 2.*line 30002.*quotes"),
        ("a.csv", b'id,v\n"a\nb",1\nc\n', r"1 field, .*line 4"),
        ("a.csv", b'id,v\na,1\nb,"2\nc,3\n', r"quotes.*line 3.*quote"),
        ("a.csv", "id,v\na,1\nMüller,2\n".encode("latin-1"), r"'Müller,2'.*line 3.*encoding: latin-1"),
        ("a.csv", b"id,v\na,1\r\nb,2\n", r"lines end with .*line 2.*one line end"),
        ("a.csv", b"id,v\n" + b'"a",1\n' * 30_000 + b' "b",2\n', r"blanks before its opening.*line 30002"),
        ("a.csv", b'"id", "v"\na,1\n', r"blanks before its opening quote.*line 1"),
        ("a.csv", b'id,v\n"a" ,1\n', r"quotes.*line 2"),
        ("a.csv", "id,v\na,1\n".encode("utf-16"), r"is UTF-16.*line 1.*encoding: utf-16"),
        ("a.csv", b"sep=;\nid;v\na;1\n", r"tells Excel the delimiter.*line 1.*remove the line"),
        ("a.json", b'{"id": "a", "v": 1}\n{"id": "\\ud83d", "v": 1}\n', r"half of a surrogate pair.*line 2"),
        ("a.json", b'[{"id": "\\ud83d", "v": 1}]', r"half of a surrogate pair"),
        ("a.csv", b"\nid,v\na,1\n", r"first line is blank.*line 1"),
        ("a.json", b'{"id": "a", "v": 1}\n{"id": "b", \n', r"not a JSON object.*line 2.*one JSON object"),
        ("a.json", b'{"id": "a", "v": 1}\n[1]\n', r"a JSON list, not an object.*line 2"),
        ("a.json", b'{"id": "a", "v": 1, "v": 2}\n', r"key v occurs twice.*line 1"),
        ("a.json", b'{"id":\n"a"}\n', r"not a JSON object.*line 1"),
        ("a.json", b'[{"id": "a", "v": 1},\n {"id": }]', r"not JSON.*line 2.*array of objects"),
        ("a.json", b'[{"id": "a", "v": 1}, 2]', r"element 2 .* not an object"),
        ("a.json", '{"id": "ü", "v": 1}\n'.encode("latin-1"), r"not UTF-8.*line 1"),
        ("a.json", b'{"id": "a", "v": 1}\r{"id": "b", "v": 1}\r', r"carriage return alone.*line 1"),
        ("a.csv", gzip.compress(b"id,v\na,1\n", mtime=0), r"is gzip, not CSV.*name it \.gz"),
        ("a.json", gzip.compress(b'{"id": "a", "v": 1}\n', mtime=0), r"is gzip, not JSON.*name it \.gz"),
        ("a.csv.gz", gzip.compress(b"id,v\na,1\n", mtime=0), r"is gzip, not CSV.*compress it once"),
        ("a.csv", b"PK\x03\x04 a workbook", r"\.xlsx files are, not CSV.*write it as CSV"),
        ("a.csv", b"PAR1\x15\x04", r"is Parquet, not CSV"),
        ("a.csv", "id,v\na,1\n".encode("utf-32"), r"is UTF-32, not CSV"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_line(bench: Any, name: str, content: bytes, says: str) -> None:
    files = relation(bench, content, name)
    for read in (lambda: check_columns(bench.engine, files, ("id", "v"), {}), lambda: rows(bench, files)):
        with pytest.raises(SourceUnreadableError, match=f"(?s){says}") as caught:
            read()
        assert files.uris[0] in str(caught.value.where)


@pytest.mark.parametrize(("value", "is_hinted"), [("1,5", True), ("1,000", False), ("1,2,3", False)])
def test_a_decimal_comma_is_recognized(bench: Any, value: str, is_hinted: bool) -> None:
    """1,000 may as well be a thousand."""
    with pytest.raises(SourceSchemaError, match="is not a number") as caught:
        rows(bench, relation(bench, f"id;v\na;{value}\n".encode()))
    assert ('declare raw.csv: {decimal: ","}' in str(caught.value.remedy)) == is_hinted


@pytest.mark.parametrize("first", [b'["x", "y"]', b'"x"'])
@pytest.mark.parametrize("split", [False, True], ids=["one file", "two files"])
def test_a_list_beside_single_values_is_refused(bench: Any, first: bytes, split: bool) -> None:
    """As texts, the list would be one token, and its members nowhere; declared as texts, that is meant."""
    other = b'"x"' if first.startswith(b"[") else b'["x", "y"]'
    early, late = (b'{"id": ' + value + b', "v": 1}\n' for value in (first, other))
    contents = [early * 3_000, late] if split else [early * 3_000 + late]
    uris = tuple(uri for n, text in enumerate(contents) for uri in relation(bench, text, f"{n}.json").uris)
    files = FileRelation(uris, "json", uses={"id": Use.TEXT, "v": Use.NUMBER})
    with pytest.raises(SourceSchemaError, match=r"(?s)id is an array in .*single value.*\{id: varchar\}"):
        rows(bench, files)
    declared = FileRelation(uris, "json", {"id": "varchar"}, uses=files.uses)
    assert {row[0] for row in rows(bench, declared)} == {'["x","y"]', "x"}


def test_a_list_may_be_null_in_a_whole_file(bench: Any) -> None:
    one = relation(bench, b'{"id": ["x"], "v": 1}\n', "a.json")
    two = relation(bench, b'{"id": null, "v": 2}\n', "b.json")
    for uris in ((*one.uris, *two.uris), (*two.uris, *one.uris)):
        files = FileRelation(uris, "json", uses=one.uses)
        check_columns(bench.engine, files, ("id", "v"), {})
        assert sorted(rows(bench, files), key=lambda row: row[1]) == [(["x"], 1), (None, 2)]


@pytest.mark.parametrize("content", [b"{}\n", b"{}\n\n{}\n", b"[{}]", b"[{}, {}]"])
def test_objects_without_any_key_are_refused(bench: Any, content: bytes) -> None:
    """Their rows would be lost: there is no column to read."""
    files = relation(bench, content, "a.json")
    with pytest.raises(SourceSchemaError, match=r"(?s)no object of the file has a key.*a\.json"):
        rows(bench, files)


def test_a_file_named_gz_that_is_not_compressed(bench: Any) -> None:
    bench.folder.mkdir(exist_ok=True)
    (bench.folder / "b.csv.gz").write_bytes(b"id,v\na,1\n")
    files = FileRelation((str(bench.folder / "b.csv.gz"),), "csv", uses={"id": Use.TEXT})
    with pytest.raises(SourceUnreadableError, match=r"(?s)cannot be unzipped.*name it without \.gz"):
        rows(bench, files)


def test_too_few_names(bench: Any) -> None:
    with pytest.raises(SourceUnreadableError, match=r"(?s)lists 1 columns?.*has 2"):
        rows(bench, relation(bench, b"a,1\n", names=["id"]))


def test_a_file_without_a_header_leads_to_names(bench: Any) -> None:
    files = relation(bench, b"a,1\nb,2\n")
    with pytest.raises(SourceSchemaError, match="column id is missing") as caught:
        check_columns(bench.engine, files, ("id", "v"), {})
    assert "name all 2 columns of the file: raw.csv: {names: [id, …]}" in str(caught.value.remedy)
    with pytest.raises(SourceSchemaError, match="If another character separates the values"):
        check_columns(bench.engine, relation(bench, b"id v\na 1\n"), ("id", "v"), {})
    named = relation(bench, b"a,1\nb,2\n", names=["id", "v"])
    assert rows(bench, named) == [("a", 1), ("b", 2)]


def test_names_for_a_file_with_a_header_are_refused(bench: Any) -> None:
    """Its header would be a row."""
    files = relation(bench, b"ID, v\na,1\n", names=["id", "v"])
    with pytest.raises(SourceUnreadableError, match=r"(?s)line 1 is a header.*a\.csv, line 1.*remove raw"):
        rows(bench, files)


def test_a_missing_key_is_named_beside_those_that_are_there(bench: Any) -> None:
    files = relation(bench, b'[{"ident": "a", "v": 1}]', "a.json")
    with pytest.raises(SourceSchemaError, match=r"(?s)column id is missing.*ident, v"):
        check_columns(bench.engine, files, ("id", "v"), {})


def test_a_name_of_other_characters_that_look_the_same_is_explained(bench: Any) -> None:
    """A Mac writes ü as u with a diaeresis that combines."""
    files = relation(bench, "id,v,gru\u0308n\na,1,2\n".encode())
    with pytest.raises(SourceSchemaError, match=r"(?s)column grün is missing.*copy the name from there"):
        check_columns(bench.engine, files, ("gr\u00fcn",), {})


def test_a_declared_column_may_be_null_by_a_word(bench: Any) -> None:
    files = relation(bench, b"id,v\na,NA\nb,1.5\n", null_values=["NA"])
    typed = FileRelation(files.uris, "csv", {"v": "double"}, uses={"v": NO_USE}, dialect=files.dialect)
    assert bench.one("SELECT sum(t.v) AS v FROM t", t=typed) == 1.5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"delimiter": "||"}, "one ASCII character"),
        ({"delimiter": '"'}, "is also the quote"),
        ({"encoding": "cp1252"}, "latin-1"),
        ({"quote": "", "escape": "\\"}, "escape needs a quote"),
        ({"names": ["a", "A"]}, "twice"),
        ({"comment": "#"}, "comment"),
    ],
)
def test_options_are_checked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Csv(**options)


def test_a_doubled_quote_at_the_end_of_a_block_is_not_taken_for_a_blank(tmp_path: Path) -> None:
    """It would have every record read by Python's csv module, which takes several times as long."""
    path = tmp_path / "a.csv"
    line, first = 'a,"say, ""hi"" now",1\n', "id,v,w\na,,1\n"
    filler = "x" * ((1 << 20) - len(first) - line.index('"hi'))  # the block ends between the two quotes
    path.write_text(first.replace(",,", f",{filler},") + line)
    assert not may_have_blanks(str(path), RFC_4180)
    path.write_text(path.read_text() + 'a, "b",1\n')
    assert may_have_blanks(str(path), RFC_4180)
