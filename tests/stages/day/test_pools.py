"""A pool with one slot lets one run at a time do a step, whatever process and pipeline it belongs to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import LONGEST_S

from cluster_assets.assets.graph import pipeline_assets
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline, scan_pipeline_files

if TYPE_CHECKING:
    import dagster as dg

pytestmark = pytest.mark.long

PROGRAM = Path(__file__).with_name("pooled_run.py")


def two_runs(folder: Path, how: str) -> list[str]:
    """What two runs of two pipelines at once say: whether they met."""
    folder.mkdir()
    programs = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), name, how], stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "other")
    ]
    said = [program.communicate(timeout=LONGEST_S)[0].split()[-1] for program in programs]
    assert [program.returncode for program in programs] == [0, 0]
    return said


def test_without_a_limit_two_runs_do_a_step_at_once(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert two_runs(tmp_path / "free", "wait") == ["met", "met"]


def test_with_one_slot_they_never_do(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    instance.event_log_storage.set_concurrency_slots("days", 1)
    assert two_runs(tmp_path / "limited", "look") == ["alone", "alone"]


def test_every_pipeline_takes_a_slot() -> None:
    for file in scan_pipeline_files([PACKAGED_DEFS]).files:
        assert pipeline_assets(load_pipeline(file.path), load_settings()).op.pool == "days"


def test_killed_runs_are_tried_again_and_failed_ones_are_not(instance: dg.DagsterInstance) -> None:
    assert instance.run_retries_enabled
    assert instance.run_monitoring_enabled
    assert instance.get_settings("run_retries")["retry_on_asset_or_op_failure"] is False
    assert instance.get_settings("run_monitoring")["free_slots_after_run_end_seconds"] > 0
