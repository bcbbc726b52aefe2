"""What a day will cost, said before: scans from the sizes of columns, the rest from the day before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.ports import Backend, FileRelation
from cluster_assets.domain.costs import MEGABYTE, SMALLEST_QUERY_BYTES, AthenaPrice, LambdaPrice
from cluster_assets.domain.days import parse_day
from cluster_assets.spec.pipeline import PipelineSpec, Window
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from cluster_assets.stages.raw.foresight import SMALL_STATEMENTS, foreseen_cost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path


@dataclass
class Engine:
    """Tells sizes, and which columns it was asked for."""

    name: str
    size: int
    asked: tuple[str, ...] = ()

    def scan_bytes(self, _: FileRelation, columns: Collection[str]) -> int:
        self.asked = tuple(columns)
        return self.size


@dataclass
class Source:
    relation: FileRelation


SPEC = PipelineSpec.model_validate(
    {
        "name": "demo",
        "start_date": "2026-01-01",
        "raw": {"files": "*.parquet", "time_column": "event_time"},
        "entity": "id",
        "features": {"vector": ["max(x)"]},
        "distance": {"metric": "euclidean", "threshold": 1},
        "algorithm": {"type": "dbscan", "min_samples": 3},
    }
)


@pytest.fixture
def foresee(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The foreseen metrics of a day, after days that were billed as told."""

    def run(
        engine: Engine, day: str, billed: dict[str, tuple[float, float]], spec: PipelineSpec = SPEC
    ) -> dict[str, Any]:
        store = LocalStore(tmp_path / "warehouse")
        catalog = LocalCatalog(tmp_path / "catalog")
        ledger = Ledger(store, catalog, "demo")
        for key, (athena, worker) in billed.items():
            for stage, share in (("candidates", 0.25), ("clusters", 0.75)):
                place = parse_day(key)
                metrics = {"athena_usd": share * athena, "lambda_usd": share * worker}
                attempt = ledger.start_attempt(stage, place)
                ledger.commit(Draft(stage, place, attempt, "of the test", {}, {}, metrics))
        backend = Backend(engine, store, catalog, lambda _: None, {})  # type: ignore[arg-type,return-value]
        job = DayJob(spec, backend, ledger, parse_day(day))
        return foreseen_cost(job, Source(FileRelation(("a.parquet",))))  # type: ignore[arg-type]

    return run


def test_the_first_day_is_two_scans_and_the_least_of_the_rest(
    foresee: Callable[..., dict[str, Any]],
) -> None:
    engine = Engine("athena", 100 * MEGABYTE + 1)
    found = foresee(engine, "2026-01-02", {})
    scans = AthenaPrice().dollars(2 * 101 * MEGABYTE + SMALL_STATEMENTS * SMALLEST_QUERY_BYTES)
    assert found["athena_usd_foreseen"] == pytest.approx(scans)
    assert 0 < found["lambda_usd_foreseen"] == pytest.approx(LambdaPrice().dollars(1769, 1.0, 1), abs=1e-9)
    assert set(engine.asked) == {"event_time", "id", "x"}


def test_the_days_of_a_window_are_as_large_as_the_day(foresee: Callable[..., dict[str, Any]]) -> None:
    spec = SPEC.model_copy(update={"window": Window(days=7)})
    found = foresee(Engine("athena", 100 * MEGABYTE), "2026-01-09", {}, spec)
    scans = AthenaPrice().dollars((1 + 7) * 100 * MEGABYTE + SMALL_STATEMENTS * SMALLEST_QUERY_BYTES)
    assert found["athena_usd_foreseen"] == pytest.approx(scans)


def test_later_stages_are_as_on_the_latest_day_before(foresee: Callable[..., dict[str, Any]]) -> None:
    billed = {"2026-01-01": (9.0, 9.0), "2026-01-02": (0.5, 0.25), "2026-01-04": (7.0, 7.0)}
    found = foresee(Engine("athena", 1), "2026-01-04", billed)
    scans = AthenaPrice().dollars(2 * SMALLEST_QUERY_BYTES)
    assert found == {"athena_usd_foreseen": pytest.approx(scans + 0.5), "lambda_usd_foreseen": 0.25}


def test_nobody_charges_on_a_laptop(foresee: Callable[..., dict[str, Any]]) -> None:
    engine = Engine("duckdb", 10**12)
    assert set(foresee(engine, "2026-01-02", {}).values()) == {0.0}
    assert engine.asked == ()
