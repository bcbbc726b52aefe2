"""A day of a stage in one line of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    from cluster_assets.stages.day.job import DayResult
    from cluster_assets.stages.day.stage import Stage


def day_line(stage: Stage, result: DayResult) -> str:
    """Return a line such as `2026-01-05 points: 300 entities, 120 points (0.42 s)`."""
    manifest = result.manifest
    numbers = [counted(int(manifest.metrics.get(name, 0)), one, many) for name, one, many in stage.numbers]
    state = "unchanged" if result.reused else f"{float(manifest.metrics.get('seconds', 0.0)):.2f} s"
    return f"{manifest.day} {stage.name}: {', '.join(numbers)} ({state})"
