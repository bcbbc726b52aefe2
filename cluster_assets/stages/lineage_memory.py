"""What a day of lineage knows of the days before it: the state its predecessor left, nothing else.

Lineage is a chain. The lineage of a day is a function of the day's clusters and of what the published day
of lineage before it remembers: which ids live or may reappear (its table `known`), and of which clusters they
are. So it does not matter in which order days are computed: once each day stands on its predecessor as that
is now, all of them are what they would be had they been computed one after the other.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import IntegrityError
from cluster_assets.domain.lineage import days_back
from cluster_assets.domain.partitions import parse_day

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec
    from cluster_assets.stages.ledger import Ledger
    from cluster_assets.stages.stage import DayJob

STAGE = "lineage"


@dataclass(frozen=True, slots=True)
class Memory:
    """The state that the day before left.

    Attributes:
        previous: Lineage of the published day before, None when there is none within `gap_days`.
        remembered: Content digest of the clusters of each remembered day, by day; in order.
    """

    previous: Manifest | None
    remembered: Mapping[Day, str]

    @property
    def inputs(self) -> Mapping[str, str]:
        """The memory as inputs of the day."""
        return {
            "previous": self.previous.day.key if self.previous else "",
            "known": self.previous.tables["known"].content_digest if self.previous else "",
            "remembered": canonical_json({day.key: digest for day, digest in self.remembered.items()}),
        }


def recall(ledger: Ledger, spec: PipelineSpec, day: Day) -> Memory:
    """What a day may know, from the manifest of its predecessor alone.

    Raises:
        IntegrityError: The manifest is damaged.
    """
    oldest = oldest_of(spec, day)
    before = [other for other in ledger.days(STAGE) if oldest <= other < day]
    if not before:
        return Memory(None, {})
    previous = ledger.require(STAGE, before[-1])
    known = json.loads(previous.inputs["remembered"])
    days = {parse_day(key): str(digest) for key, digest in known.items()}
    days[previous.day] = previous.inputs["clusters"]
    return Memory(previous, {other: days[other] for other in sorted(days) if other >= oldest})


def oldest_of(spec: PipelineSpec, day: Day) -> Day:
    """The first day that a day remembers."""
    return days_back(day, dt.timedelta(days=spec.lineage.gap_days))


def made_of(job: DayJob, stage: str, day: Day, content_digest: str) -> Manifest:
    """The version of a day with a known content.

    Raises:
        IntegrityError: It is gone: superseded, and removed since.
    """
    for manifest in job.ledger.history(stage, day):
        if manifest.content_digest == content_digest:
            return manifest
    raise IntegrityError(
        f"the {stage} of {day} that its lineage was made from are gone",
        where=f"{job.spec.name}, {job.day}",
        remedy=f"bring lineage up to date: cluster-assets repair {job.spec.name}",
    )
