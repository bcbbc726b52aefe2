"""`make ui`: the Dagster UI and daemon on the same storage as the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from cluster_assets.cli import run_command
from cluster_assets.operations.instances import prepare_home
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import load_settings


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
def ui(host: str, port: int) -> None:
    """Replace this process with `dg dev`."""
    prepare_home(load_settings())
    os.chdir(PROJECT_ROOT)
    arguments = ["dg", "dev", "--host", host, "--port", str(port)]
    executable = Path(sys.executable).with_name("dg")
    os.execv(executable, arguments)  # noqa: S606 - our own environment's command, fixed arguments


if __name__ == "__main__":
    run_command(ui)
