"""Alerts at the end of a run: nothing that goes wrong with them fails a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.alerts.days import DayAlerts
from cluster_assets.alerts.events import failed_alert
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ClusterAssetsError, error_text
from cluster_assets.settings import load_settings
from cluster_assets.stages.lineage.memory import STAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cluster_assets.alerts.days import Sent
    from cluster_assets.alerts.events import Alert
    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.notify import Notify
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class DaysDone:
    """The days of a run.

    Attributes:
        computed: Days that went through all stages of the run.
        failed: The error of each day that failed in a stage or a publication.
        failed_in: The stage or publication of that error.
    """

    computed: Sequence[str]
    failed: Mapping[str, Exception]
    failed_in: Mapping[str, str]


def send_alerts(
    context: dg.AssetExecutionContext, spec: PipelineSpec, ledger: Ledger, store: ObjectStore, done: DaysDone
) -> None:
    """Send the alerts of the days of a run, and of recent days whose alerts were not delivered.

    What could not be sent is logged, recorded as an observation of `lineage`, and sent by the next run.
    """
    if spec.notify is None:
        return
    try:
        alerts = DayAlerts(spec.notify, ledger, store, load_settings())
        for day, failure in _due(spec.notify, alerts, ledger, done):
            _send_day(context, spec, alerts, day, failure)
    except Exception as error:  # noqa: BLE001  # logged; the days are published
        _log(context, "alerts", error)


def _due(
    notify: Notify, alerts: DayAlerts, ledger: Ledger, done: DaysDone
) -> Iterator[tuple[Day, Alert | None]]:
    """Yield each day to report, with its failure: computed days, failed days, then days to retry."""
    today = dt.datetime.now(dt.UTC).date()
    retried = alerts.days_to_retry(today)
    computed = [parse_day(partition) for partition in done.computed]
    for day in computed:
        if alerts.is_recent(day, today):
            yield day, None
    for partition, error in done.failed.items() if notify.failed else ():
        day = parse_day(partition)
        if alerts.is_recent(day, today):
            environment = load_settings().environment
            yield day, failed_alert(ledger, day, done.failed_in[partition], error, environment)
    for day in retried:
        if day not in computed and day.key not in done.failed:
            yield day, None


def _send_day(
    context: dg.AssetExecutionContext, spec: PipelineSpec, alerts: DayAlerts, day: Day, failure: Alert | None
) -> None:
    try:
        for sent in alerts.send(day, failure):
            _record(context, spec, day, sent)
    except Exception as error:  # noqa: BLE001  # the other days go on
        _log(context, f"{day} alerts", error)


def _record(context: dg.AssetExecutionContext, spec: PipelineSpec, day: Day, sent: Sent) -> None:
    message = sent.message
    if sent.error:
        context.log.warning(
            "%s was not delivered, the next run sends it again: %s", message.title, sent.error
        )
    else:
        context.log.info("%s sent to %s", message.title, sent.recipient)
    metadata = {
        "recipient": sent.recipient,
        "alerts": sum(alert.count for alert in message.alerts),
        "outcome": "failed" if sent.error else "sent",
        "text": message.text,
        **({"error": sent.error} if sent.error else {}),
    }
    key = dg.AssetKey([spec.name, STAGE])
    context.log_event(dg.AssetObservation(asset_key=key, partition=day.key, metadata=metadata))


def _log(context: dg.AssetExecutionContext, what: str, error: Exception) -> None:
    unexpected = None if isinstance(error, ClusterAssetsError) else error
    context.log.error("%s were not sent: %s", what, error_text(error), exc_info=unexpected)
