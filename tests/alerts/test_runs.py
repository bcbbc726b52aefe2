"""Alerts at the end of Dagster runs: a day is green whatever its receiver does."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import dagster as dg
import duckdb
import pytest
from click.testing import CliRunner
from eventful import Eventful, Happened
from pipeline_yaml import GOOD_YAML

from cluster_assets.cli import commands
from cluster_assets.domain.days import Day
from cluster_assets.domain.errors import ClusterAssetsError, NotificationError
from cluster_assets.operations.instances import prepare_home
from cluster_assets.operations.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path

    from webhook import Webhook

    from cluster_assets.spec.pipeline import PipelineSpec

# The last days that have ended, because alerts are about recent days.
TODAY = dt.datetime.now(dt.UTC).date()
DAYS = tuple(Day(TODAY - dt.timedelta(days=back)) for back in (2, 1))
NOTIFY = """\
  notify:
    to: webhook
    born: {min_entities: 4}
    failed: true
    max_age_days: 3
"""


class Pipeline:
    """The pipeline `demo` and its source."""

    def __init__(self, folder: Path, defs: Path) -> None:
        self._lake = folder / "lake"
        self._lake.mkdir()
        path = defs / "demo" / "defs.yaml"
        path.parent.mkdir()
        path.write_text(
            GOOD_YAML.replace("2026-01-01", DAYS[0].key).replace("data/", f"{self._lake}/") + NOTIFY
        )
        self.spec: PipelineSpec = load_pipeline(path)

    def write(self, day: Day, entities: int, value: str = "i * 0.5::DOUBLE") -> None:
        """Write a day of one cluster."""
        select = f"SELECT TIMESTAMP '{day} 12:00:00' AS event_time, 'e' || i AS id, {value} AS x "
        file = self._lake / f"{day}.parquet"
        duckdb.execute(f"COPY ({select} FROM range({entities}) AS t(i)) TO '{file}' (FORMAT parquet)")

    def run(self, *days: Day) -> None:
        materialize_days(self.spec, days, load_settings(), force=False)


@pytest.fixture
def pipeline(tmp_path: Path, defs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    monkeypatch.setenv("DAGSTER_HOME", "")
    monkeypatch.delenv("DAGSTER_HOME")  # `prepare_home` sets it for the process
    return Pipeline(tmp_path, defs_folder)


def observations() -> list[dict[str, Any]]:
    """What Dagster keeps of the alerts, in order: the partition, the outcome and the error."""
    prepare_home(load_settings())
    with dg.DagsterInstance.get() as instance:
        found = instance.fetch_observations(dg.AssetKey(["demo", "lineage"]), limit=100).records
    kept = []
    for record in reversed(found):
        assert record.asset_observation is not None
        metadata = {name: value.value for name, value in record.asset_observation.metadata.items()}
        kept.append({"day": record.asset_observation.partition, **metadata})
    return kept


def notify(*options: str, day: Day = DAYS[0]) -> str:
    """What the command prints."""
    done = CliRunner().invoke(commands, ["notify", "demo", "--day", day.key, *options])
    assert done.exception is None
    return done.output


def test_a_day_is_green_without_its_receiver_and_the_next_run_sends_its_alerts(
    pipeline: Pipeline, receiver: Webhook, home: Path
) -> None:
    """The next run is of another day, which fails: that is reported too."""
    first, second = DAYS
    pipeline.write(first, 5)
    pipeline.write(second, 5, value="'nan'::DOUBLE")
    receiver.refusals = [500] * 3
    pipeline.run(first)
    for _ in range(2):
        assert f"webhook, would be sent:\ndemo {first}: 1 alert\n- New cluster " in notify("--dry-run")
    assert (receiver.posts, receiver.bodies) == (3, [])
    with pytest.raises(ClusterAssetsError):
        pipeline.run(second)
    failed, published = receiver.bodies
    [failure], [born] = failed["alerts"], published["alerts"]
    assert (failed["day"], failure["event"], failure["stage"]) == (second.key, "failed", "points")
    assert failure["text"].startswith("The day failed in points: ")
    assert (published["day"], born["event"], born["entities"]) == (first.key, "born", 5)
    assert born["name"] in born["text"]
    assert published["report"].startswith(str(home / "warehouse"))
    assert published["report"].endswith("report.html")
    assert notify() == "nothing to send\n"
    kept = observations()
    assert [(one["day"], one["outcome"]) for one in kept] == [
        (first.key, "failed"),
        (second.key, "sent"),
        (first.key, "sent"),
    ]
    assert kept[0]["error"] == "webhook: it answers 500"


def test_the_command_sends_days_of_any_age_and_fails_if_it_cannot(
    pipeline: Pipeline, days: Eventful, receiver: Webhook
) -> None:
    day = Day(TODAY - dt.timedelta(days=400))
    days.publish(day.key, [Happened("born", "20260101-000001", 100)])
    receiver.refusals = [403]
    refused = CliRunner().invoke(commands, ["notify", "demo", "--day", day.key])
    assert isinstance(refused.exception, NotificationError)
    assert "1 message was not delivered: webhook: it answers 403" in str(refused.exception)
    [body] = json.loads(notify("--dry-run", "--format", "json", day=day)).values()
    assert notify(day=day).startswith("webhook, sent:\n")
    assert receiver.bodies == [body]
