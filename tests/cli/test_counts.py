"""Messages use singular and plural correctly: 1 file, 2 files."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.counts import counted
from cluster_assets.project import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLURAL = re.compile(
    r" (?:[a-z]+ )?(?:files|rows|days|points|pairs|entities|clusters|columns|bytes|invocations|objects|"
    r"manifests|tables|pipelines|checks|events|members|shards|blocks|keys|values|characters|centres|"
    r"dimensions|messages|processes|tokens|texts|versions|parts|runs|comparisons|folders|workers|bins|others)\b"
)
# Names and texts; and numbers above a limit that is far beyond 1.
NO_COUNTS = {
    "name",
    "pipeline",
    "prefix_uri",
    "relation.format",
    "algorithm.type",
    "self.job.spec.algorithm.type",
}
LARGE = {
    "size",
    "file.bytes",
    "len(text)",
    "len(body)",
    "report.size",
    "len(parts)",
    "dimensions",
    "identities",
}
OTHERS = {"counted[0]", "self.rows_per_entity", "len(PIPELINES)"}


def suspects(path: Path) -> Iterator[str]:
    """Formatted numbers that are followed by a plural, with no singular for 1."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, text in zip(node.values, node.values[1:], strict=False):
            if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
                number = ast.unparse(value.value)
                if PLURAL.match(str(text.value)) and not is_no_count(number):
                    yield f"{path.relative_to(PROJECT_ROOT)}:{value.lineno}: {number}{text.value}"


def is_no_count(expression: str) -> bool:
    if re.fullmatch(r"[A-Z_]+", expression) or expression.startswith(("counted(", "', '.join(")):
        return True
    return expression in NO_COUNTS | LARGE | OTHERS


def test_numbers_agree_with_their_nouns() -> None:
    found = [
        one for path in sorted((PROJECT_ROOT / "cluster_assets").rglob("*.py")) for one in suspects(path)
    ]
    assert not found, "use cluster_assets.domain.counts.counted:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "file", "0 files"),
        (1, "file", "1 file"),
        (1_000_000, "entity", "1,000,000 entities"),
        (2, "query", "2 queries"),
        (2, "day", "2 days"),
        (2, "match", "2 matches"),
        (2, "superseded manifest", "2 superseded manifests"),
    ],
)
def test_plurals(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text
