"""Markers: the object whose appearance says that a day's data is complete."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cluster_assets.arrivals_spec import DAY, marker_in_folder
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import Day, parse_day
from cluster_assets.sources import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.pipeline_spec import PipelineSpec

_DATE = r"(?P<day>\d{4}-\d{2}-\d{2})"


@dataclass(frozen=True, slots=True)
class Marker:
    """Where the marker of each day stands.

    Attributes:
        template: An absolute path or `s3://` address with `{day}`.
    """

    template: str

    def address(self, day: Day) -> str:
        """The marker of a day."""
        return self.template.replace(DAY, day.key)

    def day_of(self, address: str) -> Day | None:
        """The day whose marker an object is; None of any other object.

        >>> str(Marker("s3://lake/day={day}/_SUCCESS").day_of("s3://lake/day=2013-03-03/_SUCCESS"))
        '2013-03-03'
        """
        first, *rest = (re.escape(part) for part in self.template.split(DAY))
        found = re.fullmatch(first + _DATE + "(?P=day)".join(rest), address, re.ASCII)
        if found is None:
            return None
        try:
            return parse_day(found["day"])
        except SpecError:  # 2013-02-30 has the form of a day and is none
            return None


def marker_of(spec: PipelineSpec, variables: Mapping[str, str], root: Path) -> Marker:
    """The marker of a pipeline, `${NAME}` replaced, relative paths below `root`.

    Raises:
        SpecError: The YAML names none, or a variable that is not set.
    """
    written = spec.arrivals.marker if spec.arrivals is not None else None
    template = written or marker_in_folder(spec.raw.files, spec.raw.partition_column)
    if template is None:
        raise SpecError(f"{spec.name} has no marker of arrivals", remedy="write arrivals.marker")
    expanded = expand(template, variables)
    return Marker(expanded if "://" in expanded else str(Path(root, Path(expanded).expanduser()).absolute()))
