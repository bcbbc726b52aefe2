"""Which SQL a stage depends on: its own folder, and what that includes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from cluster_assets import stages
from cluster_assets.backends.statements import SQL_ROOT, texts_of

STAGES = ("points", "candidates", "clusters", "lineage", "profiles", "report")
# Checks are no input of a day, and the statements of `raw` only locate its rows.
NO_INPUT = ("checks/", "raw/")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_runs_only_statements_of_its_own_folder(stage: str) -> None:
    bound = set()
    for path in (Path(stages.__path__[0]) / stage).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                bound |= set(re.findall(r"^[\w/]+\.(?:sql|jinja)$", node.value))
    others = {name for name in bound if not name.startswith((f"{stage}/", *NO_INPUT))}
    assert bound
    assert not others
    assert {name for name in bound if not name.startswith(NO_INPUT)} <= texts_of(stage).keys()


@pytest.mark.parametrize("stage", STAGES)
def test_the_texts_of_a_stage_hold_everything_that_they_include(stage: str) -> None:
    texts = texts_of(stage)
    assert {name for name in texts if not name.startswith(f"{stage}/")} <= {
        path.relative_to(SQL_ROOT).as_posix() for path in (SQL_ROOT / "shared").iterdir()
    }
    for text in texts.values():
        assert {
            name for name in meta.find_referenced_templates(Environment(autoescape=True).parse(text)) if name
        } <= texts.keys()


def test_two_stages_share_a_part_and_no_stage_depends_on_the_report() -> None:
    assert "shared/ranges.jinja" in texts_of("profiles")
    assert "shared/ranges.jinja" in texts_of("candidates")
    for stage in STAGES[:-1]:
        assert not [name for name in texts_of(stage) if name.startswith("report/")]
