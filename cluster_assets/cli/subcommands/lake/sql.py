"""`cluster-assets sql`: queries over all published days."""

from __future__ import annotations

import sys
from contextlib import nullcontext

import click

from cluster_assets.cli.answers import FORMATS, print_answer
from cluster_assets.cli.sql_shell import HELP, SqlShell, interactive_terminal
from cluster_assets.lake import open_lake
from cluster_assets.lake.sql import describe_tables, open_sql
from cluster_assets.settings import load_settings


@click.command()
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--wide", is_flag=True, help="Every column, whatever the width of the terminal.")
def sql(query: str | None, form: str, wide: bool) -> None:
    """Run QUERY on all published days; without QUERY, read queries interactively.

    Each pipeline is a schema, and each of its tables has the column `day`:

      SELECT day, count(*) FROM attackers.clusters WHERE day >= '2013-03-04' GROUP BY day

    Athena runs the query on target aws, DuckDB on the others. Nothing can be written.
    """
    with open_sql() as session:

        def run(text: str) -> None:
            print_answer(session.run(text), form, wide=wide)

        if query is not None:
            run(query)
            return
        is_terminal = sys.stdin.isatty()
        history = load_settings().home_dir / "sql_history"
        with interactive_terminal(history) if is_terminal else nullcontext():
            if is_terminal:
                click.echo(HELP)
            SqlShell(run, lambda: describe_tables(open_lake())).loop()
