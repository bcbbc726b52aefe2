"""What a day of lineage knows of earlier days: the state that its predecessor left, and nothing else.

Lineage is a chain. The lineage of a day depends on the day's clusters and on the state of the previous
published day of lineage: which ids are alive or may reappear (its table `known`), and to which clusters they
belong. Days may therefore be computed in any order: once each day has been computed from the current version
of its predecessor, the result is the same as if they had been computed one after the other.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.days import days_before, parse_day
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.day.job import DayJob
    from cluster_assets.stages.ledger.ledger import Ledger

STAGE = "lineage"


@dataclass(frozen=True, slots=True)
class Memory:
    """The state that the previous day left.

    Attributes:
        previous: Manifest of the previous published day of lineage; None if there is none within `gap_days`.
        remembered: Content digests of the clusters of the remembered days, by day, ascending.
    """

    previous: Manifest | None
    remembered: Mapping[Day, str]

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return the state as inputs of the day."""
        return {
            "previous": self.previous.day.key if self.previous else "",
            "known": self.previous.tables["known"].content_digest if self.previous else "",
            "remembered": canonical_json({day.key: digest for day, digest in self.remembered.items()}),
        }


def recall(ledger: Ledger, spec: PipelineSpec, day: Day) -> Memory:
    """Read the state that a day starts from out of its predecessor's manifest.

    Raises:
        IntegrityError: The manifest is damaged.
    """
    oldest = oldest_of(spec, day)
    days_of_lineage = ledger.days(STAGE)
    position = bisect_left(days_of_lineage, day)
    if position == 0 or days_of_lineage[position - 1] < oldest:
        return Memory(None, {})
    previous = ledger.require(STAGE, days_of_lineage[position - 1])
    known = json.loads(previous.inputs["remembered"])
    days = {parse_day(key): str(digest) for key, digest in known.items()}
    days[previous.day] = previous.inputs["clusters"]
    return Memory(previous, {other: days[other] for other in sorted(days) if other >= oldest})


def oldest_of(spec: PipelineSpec, day: Day) -> Day:
    """Return the earliest day that a day remembers."""
    return days_before(day, spec.lineage.gap_days)


def made_of(job: DayJob, stage: str, day: Day, content_digest: str) -> Manifest:
    """Return the version of a day with the given content digest.

    Raises:
        IntegrityError: The version was superseded and has been removed.
    """
    if (manifest := job.ledger.find_version(stage, day, content_digest)) is not None:
        return manifest
    raise IntegrityError(
        f"the {stage} of {day} that its lineage was made from are gone",
        where=f"{job.spec.name}, {job.day}",
        remedy=f"bring lineage up to date: cluster-assets repair {job.spec.name}",
    )


def next_day(job: DayJob) -> Day | None:
    """Return the next day of lineage if it is close enough to depend on this one."""
    later = [day for day in job.ledger.days(STAGE) if day > job.day]
    return later[0] if later and oldest_of(job.spec, later[0]) <= job.day else None
