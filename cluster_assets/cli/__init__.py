"""The command line: `cluster-assets run | backfill | show | history | sql | export | new | …`."""

from __future__ import annotations

import difflib
import sys
from importlib import import_module
from typing import NoReturn

import click

from cluster_assets.cli.interrupts import interruptible
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.domain.system_errors import full_disk_error, system_error
from cluster_assets.settings import load_settings

# By folder below subcommands/. Each command is imported on demand: Dagster takes a second, and few need it.
_GROUPS = {
    "days": {
        "run": "Compute and publish days of a pipeline.",
        "backfill": "Compute the missing and stale days of a range, in parallel.",
        "plan": "Estimate the cost of a day; compute nothing.",
        "explore": "Try many thresholds on a day, exactly, and suggest one.",
        "show": "Summarize published days: entities, clusters, noise, time, cost.",
        "history": "Show the life of a cluster: days, sizes, parents and children.",
        "repair": "Recompute missing and stale lineage.",
        "notify": "Send the alerts of a day; dry run on request.",
    },
    "lake": {
        "sql": "Query all published days with SQL.",
        "export": "Write one table of one day as Parquet, CSV or JSON lines.",
        "classify": "Print the cluster to which new items would belong.",
        "serve": "Answer over HTTP: lookups, classification, and a page.",
    },
    "pipelines": {
        "new": "Write and check the YAML of a pipeline.",
        "schema": "Print the JSON schema of the YAML, for editors.",
        "rename": "Rename a pipeline with all its published days; dry run first.",
        "drop": "Remove a pipeline with all its published days; dry run first.",
        "sample": "Write generated traffic with known campaigns.",
    },
    "upkeep": {
        "doctor": "Check settings, folders, SQL engine, worker and sources.",
        "verify": "Read all published files and compare them with their manifests.",
        "restore": "Publish days again from their manifests after the catalog was lost.",
        "gc": "Remove old files that no published day needs.",
    },
}
COMMANDS = {name: text for commands in _GROUPS.values() for name, text in commands.items()}


class _Commands(click.Group):
    """A group that lists its commands by name and imports a command only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        group = next((group for group, commands in _GROUPS.items() if cmd_name in commands), None)
        if group is None:
            return None
        module = import_module(f"cluster_assets.cli.subcommands.{group}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if near and args[0] not in COMMANDS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, commands in _GROUPS.items():
            with formatter.section(group.capitalize()):
                formatter.write_dl(list(commands.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cluster-assets")
def commands() -> None:
    """Cluster a table every day, exactly: raw -> points -> candidates -> clusters."""


def main() -> None:
    """The entry point of `cluster-assets`."""
    run_command(commands)


def run_command(command: click.Command) -> None:
    """Run a command; errors of this project and of the system print their text and exit with status 1.

    A full disk, too: Dagster's storage raises it as an exception of the database.
    """
    try:
        with interruptible():
            command()
    except ClusterAssetsError as error:
        _fail(full_disk_error(error, load_settings().home_dir) or error)
    except OSError as error:
        _fail(system_error(error, load_settings().home_dir))
    except Exception as error:
        full = full_disk_error(error, load_settings().home_dir)
        if full is None:
            raise
        _fail(full)


def _fail(error: ClusterAssetsError) -> NoReturn:
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(str(error), err=True)
    sys.exit(1)
