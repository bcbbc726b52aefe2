"""Costs add up from any thread, and match the price lists."""

from __future__ import annotations

import doctest
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster_assets.domain import costs
from cluster_assets.domain.costs import (
    TERABYTE,
    AthenaPrice,
    Cost,
    CostMeter,
    LambdaPrice,
    billed_bytes,
    cost_of,
    total_cost,
)


def test_the_examples_hold() -> None:
    found = doctest.testmod(costs)
    assert found.attempted
    assert not found.failed


def test_prices_are_those_of_the_lists() -> None:
    meter = CostMeter()
    for _ in range(4):
        meter.add_query(TERABYTE // 4)
    assert meter.cost == Cost(athena_usd=5.0)
    meter = CostMeter(worker=LambdaPrice(dollars_per_gb_second=2.0, dollars_per_million=1_000_000.0))
    meter.add_invocation(512, 3.0)
    assert meter.cost.lambda_usd == pytest.approx(0.5 * 3.0 * 2.0 + 1.0)


def test_lambda_bills_whole_milliseconds() -> None:
    meter = CostMeter()
    meter.add_invocation(1024, 0.0001)
    assert meter.gb_seconds == pytest.approx(0.001)


def test_many_small_queries_cost_the_minimum_each() -> None:
    meter = CostMeter(athena=AthenaPrice(dollars_per_tb=1.0))
    for _ in range(100):
        meter.add_query(billed_bytes(1))
    assert meter.cost.athena_usd == pytest.approx(100 * 10 * 2**20 / 2**40)


def test_an_engine_that_charges_nothing_costs_nothing() -> None:
    meter = CostMeter()
    meter.add_query(0)
    assert meter.cost == Cost()


def test_the_time_of_queries_is_reported_next_to_the_dollars() -> None:
    meter = CostMeter(athena=AthenaPrice(dollars_per_tb=1.0))
    meter.add_query(1 << 39, queue_seconds=1.25, engine_seconds=2.0)
    meter.add_query(1 << 39, engine_seconds=0.5)
    assert meter.metrics() == {
        "athena_usd": 1.0,
        "lambda_usd": 0.0,
        "cost_usd": 1.0,
        "queries": 2,
        "billed_bytes": 1 << 40,
        "queue_seconds": 1.25,
        "engine_seconds": 2.5,
    }


DOLLARS = st.floats(0, 1000)


@given(st.lists(st.builds(Cost, DOLLARS, DOLLARS)))
def test_what_days_say_adds_up(days: list[Cost]) -> None:
    told = [{**day.metrics(), "rows": 3, "executor": "join"} for day in days]
    total = total_cost(told)
    assert total.total_usd == pytest.approx(sum(day.total_usd for day in days), abs=1e-6)
    assert total.athena_usd + total.lambda_usd == total.total_usd


def test_days_of_before_costs_were_counted_cost_nothing() -> None:
    assert cost_of({"rows": 1, "cost_usd": 0.0}) == Cost()


def test_threads_lose_nothing() -> None:
    meter = CostMeter()

    def work() -> None:
        for _ in range(2000):
            meter.add_query(1)
            meter.add_invocation(1024, 1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.billed_bytes, meter.invocations, meter.gb_seconds) == (8000, 8000, 8000.0)
