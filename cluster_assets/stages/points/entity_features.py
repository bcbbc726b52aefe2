"""The features of a day's entities in scratch tables: measured, limited, validated and scaled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.domain.scratch_tables import FREQUENCIES, features_contract
from cluster_assets.domain.tables import SCALES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Relation, Statement, WrittenFile
    from cluster_assets.domain.manifests import Metric
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.day.sql import Fill
    from cluster_assets.stages.ledger.ledger import Attempt
    from cluster_assets.stages.points.kinds import FeaturePlan
    from cluster_assets.stages.points.kinds.plans import ScalePlan, TokenPlan


@dataclass(frozen=True, slots=True)
class EntityFeatures:
    """The features from which points are computed.

    Attributes:
        relation: The table `features` that the plan's statement `points` reads.
        measured: The same table before scaling.
        valid: Number of entities with valid features, before scaling.
        excluded: Number of entities with invalid features.
        scales: Files of the day's own table `scales`; None if it has none.
        metrics: Metrics of the optional steps.
        bytes_scanned: Bytes of the source that were read.
    """

    relation: Relation
    measured: Relation
    valid: int
    excluded: int
    scales: tuple[WrittenFile, ...] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    bytes_scanned: int = 0


class FeatureSteps:
    """Runs the statements of a plan up to the points.

    Args:
        fill: Fills a scratch table; what `run` returns is read before the scratch ends. Measured features
            are files, because expressions of the pipeline run in an engine of their own, and scales are sums
            in the order of the rows.
        reference: The table `scales` of the reference day; None if the day scales itself.
    """

    def __init__(
        self,
        job: DayJob,
        attempt: Attempt,
        plan: FeaturePlan,
        fill: Fill,
        reference: Relation | None = None,
    ) -> None:
        self._fill = fill
        self._job = job
        self._attempt = attempt
        self._plan = plan
        self._reference = reference
        self._contract = features_contract(plan.columns)

    def run(self, raw: Relation) -> EntityFeatures:
        """Fill the scratch tables.

        Raises:
            InvalidFeaturesError: No distance is defined for the features of some entities, and the YAML does
                not allow excluding them.
        """
        found = self._job.sql.unload(
            self._plan.features, {"raw": raw}, self._contract, self._attempt.scratch_uri("measured")
        )
        entities: Relation = found.relation
        metrics: dict[str, Metric] = {}
        if self._plan.tokens is not None:
            entities = self._limit(self._plan.tokens, entities, metrics)
        summary = self._count(self._plan.summary, entities)
        excluded = summary["entities"] - summary["valid"]
        self._refuse(excluded, summary["entities"], summary, "")
        measured, scales = entities, None
        if self._plan.scale is not None:
            entities, scales = self._scale(self._plan.scale, entities)
        return EntityFeatures(
            entities, measured, summary["valid"], excluded, scales, metrics, found.bytes_scanned
        )

    def lost_in_scaling(self, features: EntityFeatures, members: int) -> int:
        """Count the entities that scaling made invalid, given the number of members.

        Raises:
            InvalidFeaturesError: As `run`.
        """
        lost = features.valid - members
        if lost and self._plan.scale is not None:
            summary = self._count(self._plan.summary, features.relation)
            self._refuse(lost, features.valid, summary, " once scaled")
        return lost

    def _limit(self, tokens: TokenPlan, entities: Relation, metrics: dict[str, Metric]) -> Relation:
        frequencies = self._fill(tokens.frequencies, {"features": entities}, FREQUENCIES)
        relations = {"features": entities, "frequencies": frequencies}
        counted = self._job.sql.fetch(tokens.vocabulary, relations)[0]
        metrics["tokens_kept"], metrics["tokens_dropped"] = int(counted["kept"]), int(counted["dropped"])
        return self._fill(tokens.limited, relations, self._contract)

    def _scale(self, scale: ScalePlan, entities: Relation) -> tuple[Relation, tuple[WrittenFile, ...] | None]:
        relations: dict[str, Relation] = {"features": entities}
        files = None
        if self._reference is not None:
            relations["scales"] = self._reference
        elif scale.scales is not None:
            own = self._job.sql.unload(scale.scales, relations, SCALES, self._attempt.prefix_uri("scales"))
            relations["scales"], files = own.relation, own.files
        return self._fill(scale.scaled, relations, self._contract), files

    def _count(self, statement: Statement, entities: Relation) -> dict[str, int]:
        row = self._job.sql.fetch(statement, {"features": entities})[0]
        return {name: int(count) for name, count in row.items()}

    def _refuse(self, invalid: int, entities: int, summary: Mapping[str, int], when: str) -> None:
        """Raise if entities would be excluded although the YAML does not allow it."""
        spec = self._job.spec
        if not invalid or spec.on_invalid == "exclude":
            return
        counts = self._plan.invalid(summary)
        reasons = ", ".join(f"{count:,} {words}{when}" for words, count in counts.items())
        reference = spec.features.scale.reference_day
        raise InvalidFeaturesError(
            f"{invalid:,} of {counted(entities, 'entity')} without a valid {spec.features.kind}: {reasons}"
            + (f" by the statistics of {reference}" if when and reference else ""),
            where=f"{spec.name}, {self._job.day}, features.{spec.features.kind}",
            remedy="write `on_invalid: exclude` to leave them out and count them, "
            "or filter them with raw.where" + ("; or choose another features.scale" if when else ""),
        )
