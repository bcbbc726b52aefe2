"""Windows that take over pairs of the day before have the tables of windows that compare all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import TooManyPairsError
from cluster_assets.operations.estimates import estimate_day
from cluster_assets.stages.candidates.stage import CandidatesStage
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.manifests import Manifest
    from tests.flow.conftest import Runner

    Make = Callable[..., Runner]

DAYS = [f"2026-01-{number:02}" for number in range(1, 6)]
SAVED = "of the tests are saved"

TEXTS = {"features": {"text": "max(word)"}, "distance": {"metric": "levenshtein", "threshold": 2}}
MIXED = {
    "features": {
        "mixed": {
            "size": {"number": "max(size)"},
            "kind": {"category": "max(kind)"},
            "words": {"set": "part"},
            "word": {"text": "max(word)", "weight": 2},
        }
    },
    "distance": {"metric": "gower", "threshold": 0.3},
}
EMBEDDINGS = {
    "features": {"embedding": "min(v)"}, "distance": {"metric": "cosine", "threshold": 0.05}
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "texts": TEXTS,
    "mixed, pairs that share a key": MIXED,
    "mixed, all pairs": MIXED | {"distance": {"metric": "gower", "threshold": 0.9}},
    "embeddings": EMBEDDINGS,
    "embeddings in blocks": EMBEDDINGS | {"blocking": {"type": "blocks", "points": 64}},
    "embeddings, euclidean": EMBEDDINGS | {"distance": {"metric": "euclidean", "threshold": 0.5}},
}


def rows(seed: int) -> pd.DataFrame:
    """Rows of the days: values and entities come, go and return; two entities keep the range of `size`."""
    chance = np.random.default_rng(seed)
    letters = list("abcé日")
    words = ["".join(chance.choice(letters, chance.integers(3, 8))) for _ in range(120)]
    vectors = np.repeat(chance.standard_normal((24, 6)), 5, axis=0) + 0.1 * chance.standard_normal((120, 6))
    found = []
    for day in DAYS:
        values = np.concatenate([[0, 1], chance.choice(np.arange(2, 120), 50, replace=False)])
        # Whichever entity has a value, another one may have it tomorrow: ids of points move.
        ids = chance.permutation(len(values)) + 10 * chance.integers(0, 3)
        found.append(
            pd.DataFrame(
                {
                    "day": day,
                    "seen": pd.Timestamp(day),
                    "id": [f"e{one:03}" for one in ids],
                    "word": [words[value] for value in values],
                    "part": [words[value % 7] for value in values],
                    "kind": [("a", "b")[value % 2] for value in values],
                    "size": [(0.0, 100.0)[value] if value < 2 else 7.0 * (value % 11) for value in values],
                    "v": [list(vectors[value]) for value in values],
                }
            )
        )
    return pd.concat(found, ignore_index=True)


@pytest.fixture
def windowed(runner: Make, tmp_path: Path) -> Make:
    """Makes a runner of windows over the rows of a seed."""

    def made(name: str, seed: int = 0, **attributes: Any) -> Runner:
        files = tmp_path / f"seed{seed}"
        if not files.exists():
            files.mkdir()
            data = rows(seed)  # noqa: F841  # DuckDB reads it
            duckdb.sql(f"COPY data TO '{files}' (FORMAT parquet, PARTITION_BY (day))")
        base: dict[str, Any] = {
            "name": name,
            "raw": {"files": f"{files}/*/*.parquet", "partition_column": "day"},
            "window": {"days": 3, "reuse": True},
        }
        return runner(**base | attributes)

    return made


def candidates(run: Runner, day: str = DAYS[-1]) -> Manifest:
    return run.ledger.require("candidates", parse_day(day))


def assert_same_bytes(run: Runner, truth: Runner, day: str) -> None:
    """Names of files differ, and what they hold does not."""
    for stage in ("points", "candidates", "clusters"):
        one, other = (each.ledger.require(stage, parse_day(day)) for each in (run, truth))
        assert one.content_digest == other.content_digest, (stage, day)


def days_of(run: Runner) -> None:
    for day in DAYS:
        run.run(day)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_tables_are_those_of_comparing_all_pairs(windowed: Make, kind: str, seed: int) -> None:
    run = windowed("kept", seed, **KINDS[kind])
    truth = windowed("all", seed, window={"days": 3, "reuse": False}, **KINDS[kind])
    days_of(run)
    days_of(truth)
    for day in DAYS:
        assert_same_bytes(run, truth, day)
        assert candidates(truth, day).metrics["reuse"] == "all pairs are compared: window.reuse is false"
    assert "is not published" in str(candidates(run, DAYS[0]).metrics["reuse"])
    for day in DAYS[2:]:
        found = candidates(run, day)
        assert SAVED in str(found.metrics["reuse"])
        assert 0 < int(found.metrics["kept_values"]) < int(found.metrics["points"])
        assert found.tables["candidates"].rows > 0
        assert "day before" not in str(found.inputs)
        assert found.inputs.keys() == candidates(truth, day).inputs.keys()


def test_a_day_does_not_depend_on_the_day_before(windowed: Make) -> None:
    """The last day alone, as a parallel backfill computes it."""
    run, alone = windowed("kept", **TEXTS), windowed("alone", **TEXTS)
    days_of(run)
    for day in DAYS[2:]:
        alone.run(day, until="raw")
    alone.run(DAYS[-1])
    assert_same_bytes(run, alone, DAYS[-1])
    assert "2026-01-04 is not published" in str(candidates(alone).metrics["reuse"])
    assert SAVED in str(candidates(run).metrics["reuse"])
    # The day before changes, and this one remains up to date.
    run.run(DAYS[-2], force=True)
    assert run.run(DAYS[-1])["candidates"].reused


def test_pairs_of_another_distance_are_not_taken(windowed: Make) -> None:
    days_of(windowed("kept", **TEXTS))
    other = TEXTS | {"distance": {"metric": "levenshtein", "threshold": 3}}
    run, truth = windowed("kept", **other), windowed("all", window={"days": 3, "reuse": False}, **other)
    run.run(DAYS[-1])
    for day in DAYS:
        truth.run(day)
    assert_same_bytes(run, truth, DAYS[-1])
    assert "was computed before the pipeline changed" in str(candidates(run).metrics["reuse"])


def test_other_weights_and_other_ranges_are_other_distances(windowed: Make) -> None:
    days_of(windowed("kept", **MIXED))
    features = MIXED["features"]["mixed"] | {"kind": {"category": "max(kind)", "weight": 3}}
    run = windowed("kept", **MIXED | {"features": {"mixed": features}})
    assert not run.run(DAYS[-1])["candidates"].reused
    assert "2026-01-04 was computed before the pipeline changed" in str(candidates(run).metrics["reuse"])

    moved = "max(CASE WHEN seen = TIMESTAMP '2026-01-05 00:00:00' THEN size * 2 ELSE size END)"
    features = MIXED["features"]["mixed"] | {"size": {"number": moved}}
    run = windowed("moved", **MIXED | {"features": {"mixed": features}})
    days_of(run)
    assert SAVED in str(candidates(run, DAYS[-2]).metrics["reuse"])
    assert "the range of size differs from that of 2026-01-04" in str(candidates(run).metrics["reuse"])


@pytest.mark.parametrize("stage", ["candidates", "points"])
def test_a_damaged_day_is_not_trusted(windowed: Make, stage: str) -> None:
    run, truth = windowed("kept", **TEXTS), windowed("all", window={"days": 3, "reuse": False}, **TEXTS)
    for day in DAYS[:-1]:
        run.run(day)
    days_of(truth)
    before = run.ledger.require(stage, parse_day(DAYS[-2]))
    (uri,) = run.ledger.uris(before, stage)
    body = bytearray(Path(uri).read_bytes())
    body[len(body) // 2] ^= 1
    Path(uri).unlink()
    Path(uri).write_bytes(body)
    run.run(DAYS[-1])
    assert "2026-01-04 is damaged" in str(candidates(run).metrics["reuse"])
    assert_same_bytes(run, truth, DAYS[-1])


def test_pairs_of_another_version_or_of_a_forced_day_are_not_taken(windowed: Make) -> None:
    run = windowed("kept", **TEXTS)
    days_of(run)
    taken = candidates(run).tables["candidates"].content_digest
    run.run(DAYS[-1], force=True)
    assert "by force" in str(candidates(run).metrics["reuse"])
    assert candidates(run).tables["candidates"].content_digest == taken

    later = Ledger(run.backend.store, run.backend.catalog, run.spec.name, code_version="99.0")
    later_job = DayJob(run.spec, run.backend, later, parse_day(DAYS[-1]))
    attempt = later.start_attempt("candidates", later_job.day)
    reuse = CandidatesStage().prepare(later_job).foresee(attempt).reuse
    assert reuse is not None
    assert reuse.kept is None
    assert "of cluster-assets computed 2026-01-04" in reuse.reason


def test_the_planner_declines_few_pairs_and_plan_says_so(windowed: Make) -> None:
    run = windowed("auto", window={"days": 3}, **TEXTS)
    for day in DAYS[:-1]:
        run.run(day, until="raw")
    job = DayJob(run.spec, run.backend, run.ledger, parse_day(DAYS[-1]))
    said = "distances to test take less time than a look-up"
    for stage in ("points", "candidates"):
        run.run(DAYS[-1], until=stage)
        assert said in estimate_day(job).to_json()["pairs"]["reuse"]
    assert said in str(candidates(run).metrics["reuse"])


def test_too_many_pairs_are_refused_all_the_same(windowed: Make) -> None:
    """Kept and new pairs count together."""
    run, truth = windowed("kept", **MIXED), windowed("all", window={"days": 3, "reuse": False}, **MIXED)
    for day in DAYS[:-1]:
        run.run(day)
    days_of(truth)
    pairs = candidates(truth).tables["candidates"].rows
    strict = windowed("kept", limits={"max_pairs": pairs - 1}, **MIXED)
    with pytest.raises(TooManyPairsError, match=f": {pairs:,}; limits.max_pairs"):
        strict.run(DAYS[-1])
    enough = windowed("kept", limits={"max_pairs": pairs}, **MIXED)
    enough.run(DAYS[-1])
    assert SAVED in str(candidates(enough).metrics["reuse"])
    assert_same_bytes(enough, truth, DAYS[-1])
