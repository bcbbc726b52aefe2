"""`cluster-assets show`: one day, a range, its sums of dollars by service."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.cli.day_table import summary_table
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.domain.errors import SpecError, UpstreamMissingError
from cluster_assets.domain.tables import CANDIDATES, CLUSTERS, MEMBERS, points_contract
from cluster_assets.opening import open_storage
from cluster_assets.operations.summaries import summarize_day
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Draft, Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.domain.tables import TableContract

DAYS = tuple(days_between(parse_day("2013-03-03"), parse_day("2013-03-05")))
# Dollars of each day: Athena's of raw, points, candidates and clusters, then Lambda's of the last two.
BILLED = {
    DAYS[0]: ((0.5, 0.5, 0.25, 0.25), (0.125, 0.125)),
    DAYS[1]: ((0.0, 0.0, 0.0, 0.0), (0.0, 0.0)),
    DAYS[2]: ((1.0, 1.0, 0.0, 0.0), (0.0, 0.5)),
}
FORESEEN = {DAYS[0]: (1.0, 0.5), DAYS[1]: (0.0, 0.0), DAYS[2]: (2.0, 0.25)}


@pytest.fixture
def ledger(home: Path) -> Ledger:
    """Three published days without rows, and what they were billed."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, "attackers")
    for day, (athena, worker) in BILLED.items():
        foreseen = dict(zip(("athena_usd_foreseen", "lambda_usd_foreseen"), FORESEEN[day], strict=True))
        counts: dict[str, Any] = {"rows": 7, "bytes_scanned": 100, "seconds": 0.5, "source_digest": day.key}
        publish(ledger, "raw", day, {}, {**counts, **foreseen, "athena_usd": athena[0], "lambda_usd": 0.0})
        points = publish(
            ledger,
            "points",
            day,
            {"points": points_contract(()), "members": MEMBERS},
            {**counts, "excluded": 1, "athena_usd": athena[1], "lambda_usd": 0.0},
            {"source": day.key},
        )
        candidates = publish(
            ledger,
            "candidates",
            day,
            {"candidates": CANDIDATES},
            {**counts, "athena_usd": athena[2], "lambda_usd": worker[0]},
        )
        publish(
            ledger,
            "clusters",
            day,
            {"clusters": CLUSTERS},
            {
                **counts,
                "entities": 4,
                "clusters": 1,
                "noise": 1,
                "noise_ratio": 0.25,
                **({"contested_merges": 3} if day == DAYS[1] else {}),
                "athena_usd": athena[3],
                "lambda_usd": worker[1],
            },
            {"points": points.content_digest, "candidates": candidates.content_digest},
        )
    return ledger


def publish(
    ledger: Ledger,
    stage: str,
    day: Day,
    tables: dict[str, TableContract],
    metrics: dict[str, Any],
    inputs: dict[str, str] | None = None,
) -> Manifest:
    draft = Draft(
        stage=stage,
        day=day,
        attempt=ledger.start_attempt(stage, day),
        input_digest="of the test",
        inputs=inputs or {},
        tables={name: (contract, ()) for name, contract in tables.items()},
        metrics=metrics,
    )
    return ledger.commit(draft)


def shown(*arguments: str) -> Any:
    done = CliRunner().invoke(
        commands, ["show", "attackers", *arguments, "--format", "json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


@pytest.mark.parametrize(
    ("arguments", "days"),
    [
        ((), DAYS),
        (("--day", "2013-03-04", "--to", "2013-03-05"), DAYS[1:]),
        (("--day", "2013-03-01", "--to", "2013-03-03"), DAYS[:1]),
        (("--to", "2013-03-04"), DAYS[:2]),
    ],
)
def test_a_range_has_its_published_days(ledger: Ledger, arguments: tuple[str, ...], days: Any) -> None:
    bodies = shown(*arguments)
    assert [body["day"] for body in bodies] == [day.key for day in days]
    for body, day in zip(bodies, days, strict=True):
        athena, worker = BILLED[day]
        assert (body["athena_usd"], body["lambda_usd"]) == (sum(athena), sum(worker))
        assert body["cost_usd"] == sum(athena) + sum(worker)
        assert body["foreseen_usd"] == sum(FORESEEN[day])


def test_contested_merges_are_reported(ledger: Ledger) -> None:
    assert [body["contested_merges"] for body in shown()] == [None, 3, None]
    for arguments, said in (([], True), (["--day", "2013-03-04"], True), (["--day", "2013-03-03"], False)):
        done = CliRunner().invoke(commands, ["show", "attackers", *arguments], catch_exceptions=False)
        assert ("3 merges are contested on 1 day: " in done.output) == said


def test_one_day_is_an_object(ledger: Ledger) -> None:
    body = shown("--day", "2013-03-03")
    assert (body["day"], body["rows"], body["entities"], body["cost_usd"]) == ("2013-03-03", 7, 4, 1.75)


def test_the_last_line_sums_the_range(ledger: Ledger) -> None:
    table = summary_table("attackers", [summarize_day(ledger, day) for day in DAYS])
    columns = {str(column.header): list(column.cells) for column in table.columns}
    assert columns["day"] == [*(day.key for day in DAYS), "all"]
    assert columns["athena usd"][-1] == "3.5000"
    assert columns["lambda usd"][-1] == "0.7500"
    assert columns["cost usd"] == ["1.7500", "0.0000", "2.5000", "4.2500"]
    assert columns["foreseen usd"][-1] == "3.7500"
    assert columns["noise ratio"][-1] == "25.0%"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--day", "2013-03-05", "--to", "2013-03-03"), "later day"),
        (("--to", "yesterday"), "yesterday"),
    ],
)
def test_impossible_ranges_are_refused(ledger: Ledger, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        CliRunner().invoke(commands, ["show", "attackers", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "body", "said"),
    [
        (("attackers", "--day", "2014-01-01"), None, "2014-01-01"),
        (("attackers", "--day", "2014-01-01", "--to", "2014-01-03"), [], "2013-03-03 to 2013-03-05"),
        (("origins",), [], "no day of origins is published"),
        (("origins", "--to", "2014-01-03"), [], "cluster-assets run origins --day"),
    ],
)
def test_nothing_to_show_is_an_error_and_valid_json(
    ledger: Ledger, arguments: tuple[str, ...], body: Any, said: str
) -> None:
    for form in ("table", "json"):
        done = CliRunner().invoke(commands, ["show", *arguments, "--format", form])
        assert isinstance(done.exception, UpstreamMissingError)  # exit status 1, see `run_command`
        assert said in str(done.exception)
        assert "remedy:" in str(done.exception)
        assert done.stdout == "" if form == "table" else json.loads(done.stdout) == body
