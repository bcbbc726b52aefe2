"""The layout of a pipeline's objects in the store. No other module builds or parses these keys.

<pipeline>/<stage>/day=D/<attempt>/<table>/…            data files
<pipeline>/<stage>/day=D/<attempt>/_scratch/<table>/…   files that only the attempt reads
<pipeline>/<stage>/day=D/_shards/<digest>.parquet       results of invocations, by the digest of their input
<pipeline>/<stage>/_manifests/day=D/00000001.json       the history of a day, without gaps in the versions
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cluster_assets.domain.days import Day, check_name, parse_day
from cluster_assets.domain.errors import SpecError

SCRATCH = "_scratch"
_SHARDS = "_shards"
_MANIFEST = re.compile(r"([^/]+)/([^/]+)/_manifests/day=([^/]+)/(?!0{8})(\d{8})\.json", re.ASCII)
_DATA = re.compile(r"([^/]+)/([^/]+)/day=([^/]+)/([^/]+)/.+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class StageDay:
    """The location of one day of a stage in the store.

    >>> StageDay("attackers", "points", parse_day("2013-03-03")).manifest_key(1)
    'attackers/points/_manifests/day=2013-03-03/00000001.json'

    Raises:
        SpecError: The name of the pipeline or stage is invalid.
    """

    pipeline: str
    stage: str
    day: Day

    def __post_init__(self) -> None:
        check_name(self.pipeline)
        check_name(self.stage)

    @property
    def manifests(self) -> str:
        """Prefix of the day's manifests."""
        return f"{self.pipeline}/{self.stage}/_manifests/{self.day.prefix}/"

    def manifest_key(self, version: int) -> str:
        """Return the key of one manifest."""
        return f"{self.manifests}{version:08d}.json"

    def attempt(self, attempt: str) -> str:
        """Return the folder of one attempt, without a trailing slash."""
        return f"{self.pipeline}/{self.stage}/{self.day.prefix}/{attempt}"

    @property
    def shards(self) -> str:
        """Folder of invocation results that any attempt may reuse, without a trailing slash.

        Garbage collection treats it as an attempt that is never committed and removes its old files.
        """
        return self.attempt(_SHARDS)

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.stage}, {self.day}"


@dataclass(frozen=True, slots=True)
class ManifestKey:
    """The parts of a manifest's key."""

    place: StageDay
    version: int


@dataclass(frozen=True, slots=True)
class DataKey:
    """The parts of a data or scratch file's key."""

    place: StageDay
    attempt: str


def parse_key(key: str) -> ManifestKey | DataKey | None:
    """Parse a key; None if it does not follow this layout."""
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
