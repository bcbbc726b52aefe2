"""Where everything of a pipeline lies in the store. Only this file knows.

<pipeline>/<stage>/day=D/<attempt>/<table>/…            data files
<pipeline>/<stage>/day=D/<attempt>/_scratch/<table>/…   what only the attempt itself reads
<pipeline>/<stage>/day=D/_shards/<digest>.parquet       results of invocations, by what they were made from
<pipeline>/<stage>/_manifests/day=D/00000001.json       the history of a day, versions dense
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import Day, check_name, parse_day

SCRATCH = "_scratch"
_SHARDS = "_shards"
_MANIFEST = re.compile(r"([^/]+)/([^/]+)/_manifests/day=([^/]+)/(?!0{8})(\d{8})\.json", re.ASCII)
_DATA = re.compile(r"([^/]+)/([^/]+)/day=([^/]+)/([^/]+)/.+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class StageDay:
    """One day of one stage of a pipeline, as a place in the store.

    >>> StageDay("attackers", "points", parse_day("2013-03-03")).manifest_key(1)
    'attackers/points/_manifests/day=2013-03-03/00000001.json'

    Raises:
        SpecError: The pipeline or stage is no name.
    """

    pipeline: str
    stage: str
    day: Day

    def __post_init__(self) -> None:
        check_name(self.pipeline)
        check_name(self.stage)

    @property
    def manifests(self) -> str:
        """Prefix of the manifests of the day."""
        return f"{self.pipeline}/{self.stage}/_manifests/{self.day.prefix}/"

    def manifest_key(self, version: int) -> str:
        """Key of one manifest."""
        return f"{self.manifests}{version:08d}.json"

    def attempt(self, attempt: str) -> str:
        """Folder of one attempt, without a slash at its end."""
        return f"{self.pipeline}/{self.stage}/{self.day.prefix}/{attempt}"

    @property
    def shards(self) -> str:
        """Folder of what invocations left for any attempt, without a slash at its end.

        To garbage collection it is an attempt that is never committed: what is old in it goes.
        """
        return self.attempt(_SHARDS)

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.stage}, {self.day}"


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """What the key of a manifest says."""

    place: StageDay
    version: int


@dataclass(frozen=True, slots=True)
class DataKey:
    """What the key of a data or scratch file says."""

    place: StageDay
    attempt: str


def parse_key(key: str) -> ManifestKey | DataKey | None:
    """Read a key back; None when it is not of this layout."""
    try:
        if found := _MANIFEST.fullmatch(key):
            pipeline, stage, day, version = found.groups()
            return (
                ManifestKey(StageDay(pipeline, stage, parse_day(day)), int(version)) if int(version) else None
            )
        if found := _DATA.fullmatch(key):
            pipeline, stage, day, attempt = found.groups()
            return DataKey(StageDay(pipeline, stage, parse_day(day)), attempt)
    except SpecError:
        return None
    return None
