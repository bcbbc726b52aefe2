"""Windows: candidates of a day with pairs taken over from the day before, and with all pairs compared.

The day before has 86 % of the values of the day, as with a window of seven days, or another share. Each side
publishes the same bytes. The notes say what the planner decides; the second side takes pairs over wherever
that is possible, so that one sees where the planner should decline.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.bench_candidates import pairs_of
from benchmarks.inputs import points as made
from benchmarks.inputs.stages import days_of_points, pipeline, take_stages, write_points
from benchmarks.measure.comparing import OURS, Side, compare
from benchmarks.measure.readings import Outcome
from cluster_assets.stages.candidates.stage import CandidatesStage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from benchmarks.measure.options import Options

    Columns = Mapping[str, Sequence[Any]]

SEVEN_DAYS, ONE_DAY, THIRTY_DAYS = 0.86, 0.57, 0.95
"""Shares of the values that were in the window of the day before too, on the real honeypot days."""
_MODES: dict[str, bool | None] = {"planner": None, "take over": True, "compare all": False}


@dataclass(frozen=True)
class Case:
    """A kind of features.

    Attributes:
        make: Makes so many values by column.
        attributes: Of the pipeline.
        rows: Number of values and the share that returns; and the number in a small run, 0 to leave it out.
    """

    make: Callable[[int], Columns]
    attributes: dict[str, Any]
    rows: tuple[tuple[int, float, int], ...]


def _one(name: str, make: Callable[[int], Any]) -> Callable[[int], Columns]:
    """A column of distinct values."""
    return lambda count: {name: list({str(value): value for value in make(count)}.values())}


def _vectors(count: int) -> Columns:
    return dict(zip(("x0", "x1"), made.blobs(count, 2).T, strict=True))


def _mixed(count: int) -> Columns:
    """A category, a set and a text; two values in a hundred texts are alike."""
    chance = np.random.default_rng([8, count])
    return {
        "kind": [str(one) for one in chance.integers(0, 5, count)],
        "tokens": made.sets(count),
        "name": made.texts(count),
    }


_MIXED = {
    "mixed": {"kind": {"category": "max(a)"}, "tokens": {"set": "b"}, "name": {"text": "max(c)"}}
}  # fmt: skip


def _case(
    make: Callable[[int], Columns], features: dict[str, Any], metric: str, threshold: float,
    *rows: tuple[int, float, int],
) -> Case:  # fmt: skip
    distance = {"metric": metric, "threshold": threshold}
    # It needs every pair with its distance, so the planner cannot replace pairs by a certificate.
    algorithm = {"type": "single_linkage"}
    return Case(make, {"features": features, "distance": distance, "algorithm": algorithm}, rows)


CASES = {
    "embeddings of 384": _case(
        _one("embedding", partial(made.embeddings, dimensions=384)), {"embedding": "max(a)"}, "cosine", 0.1,
        (40_000, SEVEN_DAYS, 0), (10_000, SEVEN_DAYS, 300),
    ),
    "embeddings of 64": _case(
        _one("embedding", made.embeddings), {"embedding": "max(a)"}, "cosine", 0.1,
        (20_000, SEVEN_DAYS, 0), (20_000, ONE_DAY, 0), (20_000, THIRTY_DAYS, 0), (6_000, SEVEN_DAYS, 0),
    ),
    "texts, 5 edits": _case(
        _one("text", made.texts), {"text": "max(a)"}, "levenshtein", 5,
        (5_000, SEVEN_DAYS, 300), (5_000, ONE_DAY, 0), (5_000, THIRTY_DAYS, 0), (700, SEVEN_DAYS, 0),
    ),
    "texts, 2 edits": _case(
        _one("text", made.texts), {"text": "max(a)"}, "levenshtein", 2,
        (19_000, SEVEN_DAYS, 0), (30_000, SEVEN_DAYS, 0),
    ),
    "mixed, a wide threshold": _case(
        _mixed, _MIXED, "gower", 0.3,
        (3_000, SEVEN_DAYS, 200), (3_000, ONE_DAY, 0), (3_000, THIRTY_DAYS, 0), (700, SEVEN_DAYS, 0),
    ),
    "sets": _case(_one("tokens", made.sets), {"set": "a"}, "jaccard", 0.3, (19_000, SEVEN_DAYS, 300)),
    "vectors, 2-D": _case(
        _vectors, {"vector": ["avg(a)", "avg(b)"]}, "euclidean", 0.3, (100_000, SEVEN_DAYS, 500)
    ),
}  # fmt: skip


def write_days(case: Case, count: int, share: float, folder: Path) -> None:
    """Write the points of the day before and of the day, whose ids differ."""
    new = round(count * (1 - share))
    columns = case.make(count + new)
    total = min(len(values) for values in columns.values())
    chance = np.random.default_rng([5, count])
    order = chance.permutation(total)
    for name, rows in (("before", order[: total - new]), ("day", chance.permutation(order[new:]))):
        kept = {
            column: values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
            for column, values in columns.items()
        }
        write_points(folder / f"{name}.parquet", **kept)


def take(name: str, folder: str, mode: str) -> Outcome:
    """The candidates of the day after those of the day before."""
    window = {"days": 7, "reuse": _MODES[mode]}
    files = [Path(folder) / f"{day}.parquet" for day in ("before", "day")]
    spec = pipeline(**CASES[name].attributes, window=window)
    with tempfile.TemporaryDirectory(dir=folder) as home, days_of_points(spec, files, Path(home)) as days:
        spent, (manifest,) = take_stages((CandidatesStage(),), *days)
        found: dict[str, Any] = pairs_of(list(days[-1].ledger.uris(manifest, "candidates")))
        found["content"] = manifest.content_digest
    numbers = manifest.metrics
    kept = f"; {numbers['pairs_to_test']:,} pairs to test" if "pairs_to_test" in numbers else ""
    return Outcome(
        spent, found, f"{numbers['executor']}, {numbers['comparisons']:,} tests; {numbers['reuse']}{kept}"
    )


def main(options: Options) -> None:
    """Compare all cases."""
    for name, case in CASES.items():
        for count, share, small in case.rows:
            values = options.at(count, small)
            title = f"{name}, {values:,} values, {share:.0%} of them from the day before"
            if not values or not options.wants(title):
                continue
            with tempfile.TemporaryDirectory() as folder:
                write_days(case, values, share, Path(folder))
                function = f"{__name__}:take"
                compare(
                    title,
                    Side(OURS, function, (name, folder, "planner")),
                    [
                        Side("pairs taken over", function, (name, folder, "take over"), is_peer=False),
                        Side("all pairs compared", function, (name, folder, "compare all")),
                    ],
                    options,
                )
