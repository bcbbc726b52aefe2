"""The features of a day's entities, in scratch: measured, limited, judged, scaled."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import InvalidFeaturesError
from cluster_assets.domain.tables import FREQUENCIES, SCALES, features_contract
from cluster_assets.ports import FileRelation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.features import FeaturePlan
    from cluster_assets.features.plans import ScalePlan, TokenPlan
    from cluster_assets.ports import Relation, Statement, UnloadResult, WrittenFile
    from cluster_assets.stages.ledger import Attempt
    from cluster_assets.stages.stage import DayJob


@dataclass(frozen=True, slots=True)
class EntityFeatures:
    """What points are made from.

    Attributes:
        relation: The table `features` that the plan's statement `points` reads.
        measured: The same before any scaling.
        valid: Entities with valid features, before any scaling.
        excluded: Entities without.
        scales: Files of the day's own table `scales`; None when it has none.
        metrics: Numbers of the steps that the pipeline has.
        bytes_scanned: Bytes of source read.
    """

    relation: FileRelation
    measured: FileRelation
    valid: int
    excluded: int
    scales: tuple[WrittenFile, ...] | None = None
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    bytes_scanned: int = 0


class FeatureSteps:
    """Runs the statements of a plan that come before the points.

    Args:
        reference: The table `scales` of the reference day, None when the day scales itself.
    """

    def __init__(
        self, job: DayJob, attempt: Attempt, plan: FeaturePlan, reference: Relation | None = None
    ) -> None:
        self._job = job
        self._attempt = attempt
        self._plan = plan
        self._reference = reference
        self._contract = features_contract(plan.columns)

    def run(self, raw: Relation) -> EntityFeatures:
        """Fill the scratch tables.

        Raises:
            InvalidFeaturesError: Entities have features no distance is defined for, and the YAML does not
                say that they may be left out.
        """
        found = self._fill(self._plan.features, {"raw": raw}, self._contract, "measured")
        entities = written(found, self._contract)
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
            entities, measured, summary["valid"], excluded, scales, metrics, found.statistics.bytes_scanned
        )

    def lost_in_scaling(self, features: EntityFeatures, members: int) -> int:
        """Entities whose scaled features no distance is defined for, told by the members that are missing.

        Raises:
            InvalidFeaturesError: As `run`.
        """
        lost = features.valid - members
        if lost and self._plan.scale is not None:
            summary = self._count(self._plan.scale.summary, features.relation)
            self._refuse(lost, features.valid, summary, " once scaled")
        return lost

    def _limit(self, tokens: TokenPlan, entities: FileRelation, metrics: dict[str, Metric]) -> FileRelation:
        frequencies = self._fill(tokens.frequencies, {"features": entities}, FREQUENCIES, "frequencies")
        relations = {"features": entities, "frequencies": written(frequencies, FREQUENCIES)}
        counted = self._job.backend.engine.fetch(tokens.vocabulary, relations).rows[0]
        metrics["tokens_kept"], metrics["tokens_dropped"] = int(counted["kept"]), int(counted["dropped"])
        return written(self._fill(tokens.limited, relations, self._contract, "limited"), self._contract)

    def _scale(
        self, scale: ScalePlan, entities: FileRelation
    ) -> tuple[FileRelation, tuple[WrittenFile, ...] | None]:
        relations: dict[str, Relation] = {"features": entities}
        files = None
        if self._reference is not None:
            relations["scales"] = self._reference
        elif scale.scales is not None:
            own = self._job.backend.engine.unload(
                scale.scales, relations, SCALES, self._attempt.prefix_uri("scales")
            )
            relations["scales"], files = written(own, SCALES), own.files
        return written(self._fill(scale.scaled, relations, self._contract, "scaled"), self._contract), files

    def _fill(
        self, statement: Statement, relations: Mapping[str, Relation], table: TableContract, name: str
    ) -> UnloadResult:
        return self._job.backend.engine.unload(statement, relations, table, self._attempt.scratch_uri(name))

    def _count(self, statement: Statement, entities: FileRelation) -> dict[str, int]:
        row = self._job.backend.engine.fetch(statement, {"features": entities}).rows[0]
        return {name: int(count) for name, count in row.items()}

    def _refuse(self, invalid: int, entities: int, summary: Mapping[str, int], when: str) -> None:
        """An error where entities would be left out that the YAML does not let go."""
        spec = self._job.spec
        if not invalid or spec.on_invalid == "exclude":
            return
        counts = self._plan.invalid(summary)
        reasons = ", ".join(f"{count:,} {words}{when}" for words, count in counts.items())
        reference = spec.features.scale.reference_day
        raise InvalidFeaturesError(
            f"{invalid:,} of {entities:,} entities have no valid {spec.features.kind}: {reasons}"
            + (f" by the statistics of {reference}" if when and reference else ""),
            where=f"{spec.name}, {self._job.day}, features.{spec.features.kind}",
            remedy="write `on_invalid: exclude` to leave them out and count them, "
            "or filter them with raw.where" + ("; or choose another features.scale" if when else ""),
        )


def written(result: UnloadResult, contract: TableContract) -> FileRelation:
    """What was unloaded, as a table; also when it is empty."""
    return FileRelation(tuple(file.uri for file in result.files), columns=contract.columns)
