"""The progress bar and the lines of days that `run` and `backfill` show on standard error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from cluster_assets.operations.progress import parts_of
from cluster_assets.stages.sequence import STAGE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cluster_assets.domain.days import Day
    from cluster_assets.operations.progress import StageEvent
    from cluster_assets.spec.pipeline import PipelineSpec


class DayProgress:
    """A bar that counts stages and publications of days, with a line for each day and each failed check.

    Args:
        console: Where the lines go.
        progress: Where the bar goes.
        parts: Names of the stages and publications of a day.
    """

    def __init__(self, console: Console, progress: Progress, parts: Sequence[str]) -> None:
        self._console = console
        self._progress = progress
        self._task = progress.add_task("starting", total=0)
        self._total = 0
        self._parts = parts
        self._open: dict[str, set[str]] = {}

    def expect(self, days: Sequence[Day]) -> None:
        """Expect the events of all stages and publications of some days."""
        self._total += len(days) * len(self._parts)
        self._open |= {day.key: set(self._parts) for day in days}
        self._progress.update(self._task, total=self._total)

    def show(self, event: StageEvent) -> None:
        """Count a stage or publication that ended; a failed stage also ends all that follows of its day."""
        for word, text in event.checks:
            shown = Text(f"{word}: ", style="red" if word == "failed" else "yellow")
            self._console.print(shown.append(text, style="none"), soft_wrap=True)
        if event.line:
            self._console.print(event.line, highlight=False, soft_wrap=True)
        if event.failed:
            self._console.print(Text(f"{event.place} failed", style="red"), soft_wrap=True)
        left = self._open.get(event.day, set())
        ends_day = event.failed and event.stage in STAGE_NAMES
        ended = set(left) if ends_day else left & {event.stage}
        left -= ended
        self._progress.update(self._task, advance=len(ended), description=event.place)


@contextmanager
def day_progress(spec: PipelineSpec) -> Iterator[DayProgress]:
    """Show the progress of days on standard error while the context is open."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield DayProgress(console, progress, parts_of(spec))
