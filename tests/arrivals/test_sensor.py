"""The sensor, the schedule, freshness and notifications as Dagster sees them."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
from arrival_daemon import ATTRIBUTES
from webhook import open_webhook

from cluster_assets.alerts.channels import redact
from cluster_assets.components.automation import automated_pipeline
from cluster_assets.components.freshness import due_after, latest_due_day
from cluster_assets.components.hooks import NAME, failure_sensors
from cluster_assets.components.notifications import FailedRun, notify
from cluster_assets.components.sensors import RUN_KEY_TAG, arrival_sensor
from cluster_assets.definitions import defs
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import NotificationError
from cluster_assets.settings import load_settings
from cluster_assets.spec.pipeline import Arrivals, PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from arrival_daemon import Daemon, Lake
    from webhook import Webhook

    from cluster_assets.backends.ports import Backend

D1, D2 = "2026-01-01", "2026-01-02"


def evaluate(
    spec: PipelineSpec, instance: dg.DagsterInstance, cursor: str | None, *, started: float | None = 1.0
) -> dg.SensorResult:
    """A tick of the daemon, which knows when the sensor was started; a preview in the UI does not."""
    sensor = arrival_sensor(spec, Arrivals.model_validate({}), "visits_daily")
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, sensor_name=sensor.name, last_sensor_start_time=started
    )
    result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_the_sensor_asks_for_partitions_by_run_key(
    lake: Lake, spec: PipelineSpec, backend: Backend, daemon: Daemon
) -> None:
    lake.write(D1)
    lake.mark(D1)
    with dg.DagsterInstance.ephemeral() as instance:
        first = evaluate(spec, instance, None)
        assert first.run_requests is not None
        [request] = first.run_requests
        assert request.partition_key == D1
        assert str(request.run_key).startswith(f"visits/{D1}/")
        assert first.skip_reason is None
        # A run that this instance has is not asked for again, whatever the cursor says.
        instance.create_run_for_job(NOTHING, tags={RUN_KEY_TAG: str(request.run_key)})
        again = evaluate(spec, instance, None)
        assert not again.run_requests
        assert again.skip_reason is not None
        assert "requested already" in str(again.skip_reason.skip_message)
    daemon.run(D1)
    with dg.DagsterInstance.ephemeral() as instance:
        other = evaluate(spec, instance, None)
        assert other.skip_reason is not None
        assert "computed from these inputs already" in str(other.skip_reason.skip_message)


def test_a_preview_shows_the_runs_and_takes_no_claim(
    lake: Lake, spec: PipelineSpec, backend: Backend
) -> None:
    lake.write(D1)
    lake.mark(D1)
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            seen = evaluate(spec, instance, None, started=None)
            assert [request.partition_key for request in seen.run_requests or ()] == [D1]
        assert list(backend.store.list("visits/_arrivals/")) == []
        real = evaluate(spec, instance, None)
        assert [request.partition_key for request in real.run_requests or ()] == [D1]
        assert len(list(backend.store.list("visits/_arrivals/"))) == 1


@dg.job
def NOTHING() -> None:  # noqa: N802
    """A job for runs that are only recorded."""


def test_yaml_with_arrivals_makes_a_running_sensor(home: Path, spec: PipelineSpec) -> None:
    definitions = automated_pipeline(spec, load_settings())
    [sensor] = definitions.sensors or ()
    assert sensor.name == "visits_arrivals"
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds == 30
    without = PipelineSpec.model_validate(spec.model_dump(mode="json", exclude={"arrivals"}))
    assert not automated_pipeline(without, load_settings()).sensors


def scheduled(**attributes: Any) -> PipelineSpec:
    raw = {"files": "data/*.parquet", "time_column": "at"}
    schedule = {"hour_of_day": 6, "minute_of_hour": 30}
    return PipelineSpec.model_validate(ATTRIBUTES | {"raw": raw, "schedule": schedule} | attributes)


def test_the_schedule_asks_for_the_day_before_in_utc(home: Path) -> None:
    definitions = automated_pipeline(scheduled(), load_settings())
    schedule = definitions.resolve_schedule_def("visits_daily_schedule")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 6 * * *", "UTC")
    context = dg.build_schedule_context(
        scheduled_execution_time=dt.datetime(2026, 1, 10, 6, 30, tzinfo=dt.UTC),
        repository_def=definitions.get_repository_def(),
    )
    [request] = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == "2026-01-09"


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2026-01-10T12:29:59", "2026-01-08"),
        ("2026-01-10T12:30:00", "2026-01-09"),
        ("2026-01-02T12:29:00", None),
        ("2026-01-02T12:31:00", "2026-01-01"),
    ],
)
def test_the_latest_day_that_is_due(now: str, due: str | None) -> None:
    spec = scheduled()
    after = due_after(spec)
    assert after == dt.timedelta(hours=12, minutes=30), "six hours after the schedule"
    found = latest_due_day(spec, after, dt.datetime.fromisoformat(f"{now}+00:00"))
    assert found == (parse_day(due) if due else None)


def test_an_ended_pipeline_owes_its_last_day() -> None:
    spec = scheduled(end_date="2026-01-03", freshness={"within_hours": 30})
    after = due_after(spec)
    assert after == dt.timedelta(hours=30)
    now = dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    assert latest_due_day(spec, after, now) == parse_day("2026-01-03")


def clusters_of(spec: PipelineSpec) -> dg.AssetSpec:
    definitions = automated_pipeline(spec, load_settings())
    specs = definitions.resolve_all_asset_specs()
    return next(asset for asset in specs if asset.key == dg.AssetKey(["visits", "clusters"]))


def test_clusters_have_a_deadline(home: Path) -> None:
    policy = clusters_of(scheduled()).freshness_policy
    assert policy == dg.FreshnessPolicy.cron(
        "30 12 * * *", lower_bound_delta=dt.timedelta(hours=12, minutes=30), timezone="UTC"
    )
    assert clusters_of(scheduled(end_date="2026-01-03")).freshness_policy is None
    assert clusters_of(scheduled(schedule=None)).freshness_policy is None
    names = [schedule.name for schedule in automated_pipeline(scheduled(), load_settings()).schedules or ()]
    assert sorted(names) == ["visits_daily_schedule", "visits_freshness_schedule"]


def test_the_check_knows_which_day_is_missing(lake: Lake, spec: PipelineSpec, daemon: Daemon) -> None:
    late = PipelineSpec.model_validate(
        spec.model_dump(mode="json") | {"end_date": D2, "freshness": {"within_hours": 1}}
    )
    checks = automated_pipeline(late, load_settings()).asset_checks or ()
    [check] = [check for check in checks if "latest_day_present" in str(check.check_keys)]
    for day, passed in ((D1, False), (D2, True)):
        lake.write(day)
        daemon.run(day)
        with dg.DagsterInstance.ephemeral() as instance:
            done = dg.materialize([check], instance=instance, selection=dg.AssetSelection.all_asset_checks())
        [evaluation] = done.get_asset_check_evaluations()
        assert evaluation.passed is passed
        assert evaluation.description == f"{D2} is due; the latest day there is: {day}"


@pytest.fixture
def webhook(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setattr("cluster_assets.alerts.channels._PAUSE_S", 0.0)
    with open_webhook() as server:
        monkeypatch.setenv("CLUSTER_NOTIFY_WEBHOOK_URL", server.url)
        yield server


RUN = FailedRun("run-1", "visits_daily", ("visits/points",), (D1, D2), "points", "disk of tok_9f8e7d full")


def test_a_failure_is_posted(webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_NOTIFY_BASE_URL", "http://dagster.example/")
    monkeypatch.setenv("SOME_API_TOKEN", "tok_9f8e7d")
    webhook.refusals = [503, 429]
    notify(RUN, load_settings())
    [body] = webhook.bodies
    assert body["days"] == [D1, D2]
    assert body["url"] == "http://dagster.example/runs/run-1"
    assert body["text"].splitlines() == [
        f"visits_daily failed for {D1} to {D2} in points:",
        "disk of *** full",
        "http://dagster.example/runs/run-1",
    ]


@pytest.mark.parametrize(("refusals", "posts"), [((403,), 1), ((500, 500, 500), 3)])
def test_a_webhook_that_refuses_is_reported_without_its_address(
    webhook: Webhook, refusals: tuple[int, ...], posts: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    webhook.refusals = list(refusals)
    with pytest.raises(NotificationError, match=f"it answers {refusals[-1]}") as raised:
        notify(RUN, load_settings())
    assert webhook.posts == posts
    assert "canary" not in str(raised.value) + caplog.text + repr(load_settings())


def test_a_webhook_that_is_gone_is_reported_without_its_address(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster_assets.alerts.channels._PAUSE_S", 0.0)
    for url in ("http://127.0.0.1:9/canary", "file:///canary", "http://canary space/"):
        monkeypatch.setenv("CLUSTER_NOTIFY_WEBHOOK_URL", url)
        with pytest.raises(NotificationError) as raised:
            notify(RUN, load_settings())
        assert "canary" not in str(raised.value)


def test_redaction() -> None:
    environment = {
        "DB_PASSWORD": "hunter2!",
        "MY_TOKEN": "abc",
        "PATH": "/usr/bin",
        "secret": "k/y+long",
    }
    text = redact("hunter2! k/y+long abc /usr/bin https://user:pw@host/x", environment)
    assert text == "*** *** abc /usr/bin https://***@host/x"


def test_a_run_that_fails_is_reported_by_the_sensor(webhook: Webhook) -> None:
    @dg.op
    def breaks() -> None:
        raise dg.Failure("it broke: no column x")

    @dg.job(tags={"dagster/partition": D1})
    def visits_daily() -> None:
        breaks()

    [sensor] = failure_sensors(load_settings())
    with dg.DagsterInstance.ephemeral() as instance:
        done = visits_daily.execute_in_process(instance=instance, raise_on_error=False)
        event = done.get_run_failure_event()
        context = dg.build_run_status_sensor_context(NAME, event, instance, done.dagster_run)
        sensor(context.for_run_failure())
    [body] = webhook.bodies
    assert body["days"] == [D1]
    assert body["step"] == "breaks"
    assert "it broke: no column x" in body["reason"]


def test_nothing_is_sent_without_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert failure_sensors(load_settings()) == []
    assert NAME not in [sensor.name for sensor in defs().sensors or ()]
    monkeypatch.setenv("CLUSTER_NOTIFY_SNS_TOPIC", "arn:aws:sns:eu-central-1:123456789012:failures")
    assert NAME in [sensor.name for sensor in defs().sensors or ()]
