"""Published days that today's YAML would compute differently, found from their manifests alone.

`stages/sequence.py` also looks at the source and at every stage; this module reads manifests only, so that
it is cheap for many days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.days import parse_day
from cluster_assets.stages.candidates import stage as candidates
from cluster_assets.stages.clusters import stage as clusters
from cluster_assets.stages.points import stage as points
from cluster_assets.stages.points import window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger

YAML_CHANGED = "the pipeline's YAML has changed"
VERSION_CHANGED = "another version of cluster-assets computed them"
REFERENCE_CHANGED = "the reference day was computed again"
WINDOW_CHANGED = "rows of an earlier day of the window have changed"
_REASONS = {
    "spec": YAML_CHANGED,
    "weights": YAML_CHANGED,
    "window": YAML_CHANGED,
    "sql": VERSION_CHANGED,
    "worker": VERSION_CHANGED,
}


@dataclass(frozen=True, slots=True)
class Present:
    """The inputs from which days would be computed today.

    Attributes:
        scales: Digest of the reference day's statistics; None if each day scales itself or the reference
            day is not published.
        ledger: Has the days of `raw` that windows include.
    """

    spec: PipelineSpec
    scales: str | None
    ledger: Ledger

    def changes(self, manifests: Mapping[str, Manifest]) -> tuple[str, ...]:
        """Return why a published day is stale; empty if its manifests show no change.

        Args:
            manifests: The manifests of the day by stage, each computed from the others.
        """
        return tuple(dict.fromkeys(self._changes(manifests)))

    def _changes(self, manifests: Mapping[str, Manifest]) -> Iterator[str]:
        made, pairs = manifests["points"], manifests["candidates"]
        wanted = {
            "points": points.inputs_of(self.spec),
            "candidates": candidates.inputs_of(self.spec, made),
            "clusters": clusters.inputs_of(self.spec, made, pairs),
        }
        for stage, inputs in wanted.items():
            recorded = manifests[stage].inputs
            yield from (reason for name, reason in _REASONS.items() if recorded.get(name) != inputs.get(name))
        yield from self._scale_changes(made)
        yield from self._window_changes(made)

    def _scale_changes(self, made: Manifest) -> Iterator[str]:
        """Compare the statistics of the reference day, which scale every day but itself."""
        wanted, recorded = (
            None if day == made.day.key else day
            for day in (self.spec.features.scale.reference_day, made.metrics.get("reference_day"))
        )
        if wanted is not None and self.scales is None:
            changed = wanted != recorded
        else:
            changed = made.inputs.get("scales") != (None if wanted is None else self.scales)
        if changed:
            yield REFERENCE_CHANGED if wanted == recorded else YAML_CHANGED

    def _window_changes(self, made: Manifest) -> Iterator[str]:
        """Compare the days of `raw` with those that a window was computed from."""
        recorded = made.inputs.get("days_before")
        if self.spec.window is None or made.inputs.get("window") != str(self.spec.window.days):
            return  # the YAML has changed
        published = (self.ledger.current("raw", day) for day in self.spec.window_of(made.day)[:-1])
        if recorded != window.states_of(raw for raw in published if raw is not None):
            yield WINDOW_CHANGED


def present_inputs(spec: PipelineSpec, ledger: Ledger) -> Present:
    """Read the inputs that all days share, from one manifest at most.

    Raises:
        IntegrityError: The manifest of the reference day is damaged.
    """
    day = spec.features.scale.reference_day
    reference = ledger.current("points", parse_day(day)) if day is not None else None
    scales = reference.tables.get("scales") if reference is not None else None
    return Present(spec, None if scales is None else scales.content_digest, ledger)
