"""JSON objects that readers understand differently are refused, with file and line."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.ports import FileRelation
from cluster_assets.domain.errors import SourceSchemaError, SourceUnreadableError
from cluster_assets.domain.text_files import Use

if TYPE_CHECKING:
    from pathlib import Path


def relation(bench: Any, content: bytes, **uses: Use) -> FileRelation:
    bench.folder.mkdir(exist_ok=True)
    path: Path = bench.folder / "a.json"
    path.write_bytes(content)
    return FileRelation((str(path),), "json", uses=uses)


def ids(bench: Any, files: FileRelation) -> list[str]:
    rows = bench.engine.fetch(bench.statement("SELECT t.id AS id FROM t"), {"t": files}).rows
    return [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b'{"id": "a", "v": 1}\n\n{"id": "a", "V": 1}\n', ", line 3"),
        (b'{"id": "a", "V": 2, "v": 1}\n{"id": "b", "v": 1, "V": 2}\n', ", line 1"),
        (b'{"id": "a", "v": 1}\n{"id": "b", "v": 1, "V": 2}\n', ", line 2"),
        (b'[{"id": "a", "v": 1, "V": 2}]', ""),
    ],
)
def test_keys_of_two_spellings_in_one_file_are_refused(bench: Any, content: bytes, place: str) -> None:
    """Also where all objects have both: the reader would leave one out."""
    files = relation(bench, content, id=Use.TEXT, v=Use.NUMBER)
    with pytest.raises(SourceSchemaError, match="the keys V and v, which are one column") as caught:
        ids(bench, files)
    assert caught.value.where == files.uris[0] + place
    assert ids(bench, relation(bench, content, id=Use.TEXT))[0] == "a"  # where the column is not needed


LATE = b'{"id": "a", "v": {"x": {"y": 1}}}\n' * 2_100
TWICE = [
    (b'{"id": "a", "v": {"x": 1, "x": 2}}\n', True),
    (b'{"id": "a", "v": {"x": {"y": [{"z": 1, "z": 1}]}}}\n', True),
    (b'{"id": "a", "v": [{"x": 1}, {"x": 1, "\\u0078": 2}]}\n', True),
    (b'{"id": "a", "v": [{"x": 1}, {"x": {"x": 1, "X": 1}}]}\n', False),
    (b'{"id": "a", "v": "{\\"x\\": 1, \\"x\\": 2}"}\n', False),
]


@pytest.mark.parametrize("before", [b"", LATE], ids=["first", "late"])
@pytest.mark.parametrize(("line", "is_refused"), TWICE)
def test_a_key_that_an_inner_object_has_twice_is_refused(
    bench: Any, line: bytes, before: bytes, is_refused: bool
) -> None:
    """Readers differ in which of its values counts."""
    files = relation(bench, before + line, id=Use.TEXT, v=Use.TEXT)
    if before and b": [" in line[:20]:  # beside objects, the arrays are texts
        files = replace(files, types={"v": "varchar"})
    if not is_refused:
        assert ids(bench, files)[-1] == "a"
        return
    with pytest.raises(SourceUnreadableError, match="occurs twice") as caught:
        ids(bench, files)
    assert caught.value.where == f"{files.uris[0]}, line {before.count(bytes([10])) + 1}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"id": "a", "v": 1}\nnull\n', r"the line is null, not an object.*line 2"),
        (b"null\n", r"the line is null.*line 1"),
        (b'{"id": "a", "v": 1}\n\n  null\t\n{"id": "b"}', r"the line is null.*line 3"),
        (b'[{"id": "a", "v": 1}, null]', r"element 2 of the array is not an object: null"),
        (b"[null]", r"element 1 of the array is not an object: null"),
        (b'{"id": "a", "v": 1}\n5\n', r"a JSON int, not an object.*line 2"),
        (b'{"id": "a", "v": 1}\n"a"\n', r"a JSON str, not an object.*line 2"),
        (b'{"id": "a", "v": 1}\n[1]\n', r"a JSON list, not an object.*line 2"),
    ],
)
@pytest.mark.parametrize("needed", [("id", "v"), ("id",)], ids=["two", "one"])
def test_json_values_that_are_no_objects_are_refused(
    bench: Any, content: bytes, says: str, needed: tuple[str, ...]
) -> None:
    """One needed column is a case of its own: DuckDB would read the lines themselves as its values."""
    files = relation(bench, content, **dict.fromkeys(needed, Use.TEXT))
    with pytest.raises(SourceUnreadableError, match=f"(?s){says}"):
        ids(bench, files)
