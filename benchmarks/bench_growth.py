"""Growth with the number of entities: processor time of `candidates` and `clusters`, and its exponent.

The least size is checked against a peer. `--full` takes the largest sizes, which need hours, and gigabytes
for making the input.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench_candidates import CASES, PEERS, Case, take_case, write_case
from benchmarks.inputs.points import blobs
from benchmarks.measure.comparing import Side, is_same
from benchmarks.measure.growth import Growth, grow
from benchmarks.measure.readings import read

if TYPE_CHECKING:
    from benchmarks.measure.options import Options
    from benchmarks.measure.readings import Outcome, Reading

MOST = 1.1


@dataclass(frozen=True)
class Kind:
    """A kind of features at several sizes.

    Attributes:
        case: Its points and pipeline.
        peer: Checks the least size.
        sizes: By default.
        full: The further sizes of a full run.
        small: Sizes of a small run.
        most: The exponent it may have.
    """

    case: Case
    peer: str
    sizes: tuple[int, ...]
    full: tuple[int, ...]
    small: tuple[int, ...] = (500, 1_000)
    most: float = MOST


def _labelled(name: str, dimensions: int = 0) -> Case:
    case = CASES[name]
    labels = {"algorithm": CASES["labels, sparse 2-D"].attributes["algorithm"]}
    make = partial(blobs, dimensions=dimensions) if dimensions else case.make
    return replace(case, make=make, attributes=case.attributes | labels)


_SIZES = (30_000, 100_000, 300_000, 1_000_000)
KINDS = {
    "2-D": Kind(CASES["labels, sparse 2-D"], "DBSCAN", _SIZES, (3_000_000, 10_000_000)),
    "8-D": Kind(_labelled("pairs, 8-D", 8), "DBSCAN", _SIZES[:3], (1_000_000, 3_000_000), most=1.3),
    "sets": Kind(CASES["pairs, sets"], "sparse product", _SIZES[:3], (1_000_000, 3_000_000)),
    # Every embedding is compared with every other one: 2 is what it must cost.
    "embeddings": Kind(
        CASES["pairs, embeddings of 64"], "float64", (10_000, 30_000), (100_000, 300_000), most=2.0
    ),
}


def take(name: str, path: str) -> Outcome:
    """Both stages, or `candidates` alone where pairs are compared."""
    return take_case(KINDS[name].case, Path(path))


def main(options: Options) -> None:
    """Print sizes and exponents of each kind."""
    for name, kind in KINDS.items():
        sizes = kind.small if options.small else kind.sizes + kind.full * options.full
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "points.parquet"
            threshold = kind.case.attributes["distance"]["threshold"]
            peer = PEERS[kind.peer](arguments=(str(path), kind.case.columns, threshold))

            def prepare(
                size: int, name: str = name, case: Case = kind.case, path: Path = path
            ) -> tuple[object, ...]:
                write_case(case, size, path)
                return name, str(path)

            def check(size: int, reading: Reading, least: int = sizes[0], peer: Side = peer) -> str:
                if size > least:
                    return ""
                other = read(options, peer.function, *peer.arguments)
                if other is None or not is_same(reading.found, other.found):
                    return f"found {reading.found}, the peer {other.found if other else 'nothing'}"
                return ""

            grow(Growth(name, f"{__name__}:take", prepare, kind.most), sizes, options, check)
