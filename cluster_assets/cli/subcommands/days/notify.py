"""`cluster-assets notify`: send the alerts of a day, or show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from cluster_assets.alerts.days import DayAlerts
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import NotificationError, SpecError
from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.ledger.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cluster_assets.alerts.days import Sent


@click.command()
@click.argument("pipeline")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="A published day.")
@click.option("--dry-run", is_flag=True, help="Only show what would be sent.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def notify(pipeline: str, day: str, form: str, *, dry_run: bool) -> None:
    """Send the alerts of a day of PIPELINE that its recipients do not have yet, whatever its age.

    `notify` in the YAML says what is reported. Exits with 1 if a message could not be delivered.
    """
    settings = load_settings()
    spec = load_pipeline_named(pipeline, settings.defs_dirs)
    if spec.notify is None:
        raise SpecError(
            f"{pipeline} reports no events",
            where="notify",
            remedy="add notify to its YAML: docs/operations.md",
        )
    store, catalog = open_storage(settings)
    ledger = Ledger(store, catalog, spec.name)
    wanted = parse_day(day)
    ledger.require("clusters", wanted)
    alerts = DayAlerts(spec.notify, ledger, store, settings)
    messages = alerts.find(wanted) if dry_run else alerts.send(wanted)
    _print(messages, form, dry_run=dry_run)
    failures = [sent.error for sent in messages if sent.error]
    if failures:
        raise NotificationError(
            f"{counted(len(failures), 'message was', 'messages were')} not delivered: {'; '.join(failures)}",
            remedy="correct the cause; the next run or this command sends them again",
        )


def _print(messages: Sequence[Sent], form: str, *, dry_run: bool) -> None:
    if form == "json":
        bodies = {sent.recipient: sent.message.body(sent.recipient) for sent in messages}
        click.echo(json.dumps(bodies, indent=2))
        return
    if not messages:
        click.echo("nothing to send")
    for sent in messages:
        state = "would be sent" if dry_run else "not delivered" if sent.error else "sent"
        click.echo(f"{sent.recipient}, {state}:\n{sent.message.text}")
