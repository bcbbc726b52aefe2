"""The command line: `cluster-assets run | backfill | show | history | export | plan | new | doctor | …`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.settings import load_settings

# Each command is imported when it is asked for: Dagster alone takes a second, and only `run` needs it.
COMMANDS = {
    "run": "Materialize days of a pipeline, with progress.",
    "backfill": "Materialize the missing and stale days of a range, in parallel.",
    "show": "What days came to: entities, points, pairs, clusters, noise, bytes, seconds, cost.",
    "history": "The life of a cluster: days, sizes, events, parents and children.",
    "repair": "Bring the days of lineage up to date that are missing or stale.",
    "export": "Write one table of one day as Parquet, CSV or JSON lines.",
    "plan": "What a day would take: bytes, pairs, invocations, memory, price. Runs nothing.",
    "new": "Write the YAML of a pipeline and check it.",
    "sample": "Write generated traffic with known campaigns.",
    "doctor": "Check settings, folders, SQL engine, worker and sources; say how to mend them.",
    "gc": "Remove what no manifest refers to, older than the retention.",
}


class _Commands(click.Group):
    """A group that knows the names of its commands and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"cluster_assets.cli.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cluster-assets")
def commands() -> None:
    """Cluster a table every day, exactly: raw -> points -> candidates -> clusters."""


def main() -> None:
    """The entry point of `cluster-assets`."""
    run_command(commands)


def run_command(command: click.Command) -> None:
    """Run a command; our own errors and the system's end it with their text and exit status 1."""
    try:
        command()
    except ClusterAssetsError as error:
        _fail(error)
    except OSError as error:
        _fail(_system_error(error))


def _fail(error: ClusterAssetsError) -> NoReturn:
    click.secho("error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(str(error), err=True)
    sys.exit(1)


def _system_error(error: OSError) -> ClusterAssetsError:
    home = f"{load_settings().home_dir} (CLUSTER_HOME)"
    return ClusterAssetsError(
        f"the system refused: {error.strerror or error}",
        where=str(error.filename) if error.filename is not None else None,
        remedy=f"check that the path can be made, read and written, and that {home} is a folder with room",
    )
