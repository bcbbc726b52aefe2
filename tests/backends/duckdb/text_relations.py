"""CSV and JSON files as relations of an engine under test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cluster_assets.backends.ports import FileRelation

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.text_files import Use

LATE = 20_480  # rows that a sample would show
FIRST = 2_100  # rows that the first look sees, and some more


def written(bench: Any, name: str, text: str) -> str:
    bench.folder.mkdir(exist_ok=True)
    path: Path = bench.folder / name
    path.write_bytes(text.encode())
    return str(path)


def files(bench: Any, text: str, kind: str = "csv", **uses: Use) -> FileRelation:
    return FileRelation((written(bench, f"a.{kind}", text),), kind, uses=uses)


def rows(bench: Any, relation: FileRelation) -> list[tuple[Any, ...]]:
    """All rows of the columns in use; the engine gives them in the order of the file."""
    columns = ", ".join(f't."{name}" AS "{name}"' for name in relation.uses)
    found = bench.engine.fetch(bench.statement(f"SELECT {columns} FROM t"), {"t": relation}).rows
    return [tuple(row.values()) for row in found]
