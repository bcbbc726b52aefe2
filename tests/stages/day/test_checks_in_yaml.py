"""Checks in a pipeline's YAML, and one clear error for each invalid value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pipeline_yaml import GOOD_YAML

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.checks import Checks
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from pathlib import Path

YAML = GOOD_YAML
CHECKS_LINE = YAML.count("\n") + 1


def load(tmp_path: Path, checks: str) -> Checks:
    path = tmp_path / "demo" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(YAML + checks)
    return load_pipeline(path).checks


def test_everything_has_a_default(tmp_path: Path) -> None:
    checks = load(tmp_path, "")
    assert checks == Checks()
    assert (checks.structure.on_failure, checks.source_rows.on_failure) == ("block", "block")
    names = [trend.name for stage in STAGES for trend in stage.trends]
    assert sorted(names) == ["clusters", "continued_share", "drift", "entities", "noise_ratio", "rows"]
    assert {getattr(checks, name).on_failure for name in names} == {"warn"}


def test_each_can_be_said(tmp_path: Path) -> None:
    said = """\
  checks:
    days: 7
    min_days: 2
    source_rows: {on_failure: skip}
    rows: {on_failure: block, tolerance: 0.5, deviations: 3}
    noise_ratio: {tolerance: 0.05}
    drift: {max_psi: 0.1, on_failure: block}
"""
    checks = load(tmp_path, said)
    assert (checks.days, checks.min_days, checks.rows.tolerance, checks.drift.max_psi) == (7, 2, 0.5, 0.1)
    assert checks.rows.on_failure == checks.drift.on_failure == "block"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rows: {on_failure: stop}", "'block', 'warn' or 'skip'"),
        ("rows: {tolerance: -1}", "greater than or equal to 0"),
        ("rows: {tolerance: .nan}", "finite"),
        ("noise_ratio: {tolerance: 15}", "less than or equal to 1"),
        ("drift: {max_psi: 0}", "greater than 0"),
        ("drift: {tolerance: 1}", "tolerance"),
        ("days: 0", "greater than or equal to 1"),
        ("volume: {}", "volume"),
        ("rows: false", "rows"),
    ],
)
def test_an_error_names_line_and_word(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, f"  checks:\n    {line}\n")
    assert message in str(raised.value)
    assert f":{CHECKS_LINE + 1}" in str(raised.value)


def test_more_days_are_needed_than_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="min_days 5 is more than days 3"):
        load(tmp_path, "  checks: {days: 3, min_days: 5}\n")
