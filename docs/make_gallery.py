"""Draw the pictures of the gallery: `CLUSTER_REAL_DATA=FOLDER python -m docs.make_gallery`.

The folder has the real honeypot data, `honeypot_2013.parquet`. Days of several pipelines are computed in a
temporary CLUSTER_HOME, and one picture of each kind is copied from their reports to `docs/pictures/gallery`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import STAGES

if TYPE_CHECKING:
    from cluster_assets.backends.ports import Backend

FOLDER = Path(__file__).parent / "pictures" / "gallery"
FIRST = "2013-03-04"
_PLACE = {"latitude": "max(latitude)", "longitude": "max(longitude)"}
_PORTS = "protocol || coalesce('/' || cast(dst_port AS varchar), '')"
_BEHAVIOUR = {
    "vector": [
        "count(*)",
        "count(DISTINCT sensor)",
        "count(DISTINCT dst_port)",
        "avg(coalesce(src_port, 0))",
    ],
    "scale": "standard",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A pipeline over the real data, and the pictures of its last day that the gallery shows.

    Attributes:
        attributes: As in the YAML: features, distance and algorithm.
        last: The last day; the first one is `FIRST`.
        pictures: File of the gallery by name of the picture.
    """

    attributes: dict[str, Any]
    pictures: tuple[str, ...]
    last: str = FIRST


EXAMPLES = {
    "attackers": Example(
        {
            "features": {"set": _PORTS},
            "distance": {"metric": "jaccard", "threshold": 0.4},
            "algorithm": {"type": "dbscan", "min_samples": 5},
        },
        ("sizes", "tokens", "flow", "trend"),
        last="2013-03-17",
    ),
    "origins": Example(
        {
            "features": {"geo": _PLACE},
            "on_invalid": "exclude",
            "distance": {"metric": "haversine", "threshold": 50000},
            "algorithm": {"type": "dbscan", "min_samples": 5},
        },
        ("map", "distances"),
    ),
    "behaviours": Example(
        {
            "features": _BEHAVIOUR,
            "distance": {"metric": "euclidean", "threshold": 0.3},
            "algorithm": {"type": "dbscan", "min_samples": 5},
        },
        ("map", "neighbours"),
    ),
    "merged": Example(
        {
            "features": _BEHAVIOUR,
            "distance": {"metric": "euclidean", "threshold": 1.0},
            "algorithm": {"type": "agglomerative", "linkage": "average"},
        },
        ("dendrogram",),
    ),
    "dense": Example(
        {
            "features": {"geo": _PLACE},
            "on_invalid": "exclude",
            "distance": {"metric": "haversine", "threshold": 50000},
            "algorithm": {"type": "hdbscan", "min_cluster_size": 12},
        },
        ("condensed",),
    ),
    "ordered": Example(
        {
            "features": _BEHAVIOUR,
            "distance": {"metric": "euclidean", "threshold": 1.0},
            "algorithm": {"type": "optics", "min_samples": 8},
        },
        ("reachability",),
    ),
}


def spec_of(name: str, example: Example, data: Path) -> PipelineSpec:
    """The pipeline of an example."""
    return PipelineSpec.model_validate(
        {
            "name": name,
            "start_date": FIRST,
            "raw": {"files": str(data / "honeypot_2013.parquet"), "time_column": "event_time"},
            "entity": "src_ip",
            **example.attributes,
        }
    )


def draw(backend: Backend, name: str, example: Example, data: Path) -> None:
    """Compute the days of an example and copy its pictures."""
    spec = spec_of(name, example, data)
    ledger = Ledger(backend.store, backend.catalog, spec.name)
    for day in days_between(parse_day(FIRST), parse_day(example.last)):
        report = [run_day(stage, DayJob(spec, backend, ledger, day)) for stage in STAGES][-1].manifest
    for picture in example.pictures:
        body = backend.store.read(report.documents[f"{picture}.svg"].key)
        (FOLDER / f"{name}-{picture}.svg").write_bytes(body)


def main() -> None:
    """Draw all pictures."""
    data = os.environ.get("CLUSTER_REAL_DATA")
    if not data:
        sys.exit("set CLUSTER_REAL_DATA to the folder with honeypot_2013.parquet")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["CLUSTER_HOME"] = home
        with open_backend(load_settings()) as backend:
            for name in sys.argv[1:] or EXAMPLES:
                draw(backend, name, EXAMPLES[name], Path(data))


if __name__ == "__main__":
    main()
