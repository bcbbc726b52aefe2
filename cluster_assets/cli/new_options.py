"""The options of `cluster-assets new`, in the order of the YAML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from cluster_assets.spec.features import ScaleType
from cluster_assets.spec.metrics import BlockingType

if TYPE_CHECKING:
    from collections.abc import Callable


def new_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add all options to a command."""
    options = [
        click.option("--description", default="", help="One sentence for readers of the pipeline."),
        click.option("--files", help="Path or glob of Parquet, CSV or JSON files; gzip is supported."),
        click.option("--table", help="Instead of --files: a table of the SQL engine."),
        click.option("--time-column", help="Column whose UTC date is the day of a row."),
        click.option(
            "--time-format",
            help="Format of the times, e.g. '%d/%m/%Y %H:%M' or epoch_millis. By default, it is detected; if "
            "several formats fit, the command asks.",
        ),
        click.option("--time-zone", metavar="ZONE", help="Time zone of local times, e.g. Europe/Paris."),
        click.option(
            "--partition-column", help="Instead of --time-column: a column or Hive partition with the day."
        ),
        click.option(
            "--partition",
            metavar="LAYOUT",
            help="Instead of --time-column: layout of the day in folders, columns or file names, e.g. "
            "dt=%Y%m%d, year=%Y/month=%m/day=%d or sales_%Y-%m-%d.",
        ),
        click.option(
            "--fixed-day",
            metavar="YYYY-MM-DD",
            help="Instead of --time-column: the day of a source without dates.",
        ),
        click.option("--where", help="SQL predicate that selects rows."),
        click.option(
            "--column",
            "columns",
            multiple=True,
            metavar="NAME=TYPE",
            help="Type of a source column, e.g. margin=double; repeatable. Other values are errors.",
        ),
        click.option(
            "--csv",
            multiple=True,
            metavar="NAME=VALUE",
            help="Format of CSV files, e.g. decimal=, or 'null_values=[NA]'; repeatable. NAME is delimiter, "
            "quote, escape, encoding, null_values, decimal or names; VALUE is YAML.",
        ),
        click.option("--entity", required=True, help="SQL expression of the entity to cluster."),
        click.option("--set", "set_", metavar="EXPRESSION", help="Feature: the set of its values."),
        click.option(
            "--vector",
            multiple=True,
            metavar="AGGREGATE",
            help="Feature: a dimension; repeatable, or separated by commas.",
        ),
        click.option(
            "--geo", metavar="'LATITUDE, LONGITUDE'", help="Feature: a place, from two aggregates in degrees."
        ),
        click.option("--text", metavar="AGGREGATE", help="Feature: a text."),
        click.option("--embedding", metavar="AGGREGATE", help="Feature: an array of numbers."),
        click.option(
            "--mixed",
            multiple=True,
            metavar="NAME=KIND:EXPRESSION",
            help="Feature: one of several that are compared together; repeatable. "
            "KIND is number, category, set, text or geo; NAME*2 doubles the weight.",
        ),
        click.option("--scale", type=click.Choice(get_args(ScaleType)), default="none"),
        click.option("--reference-day", metavar="YYYY-MM-DD", help="Day whose statistics define the scale."),
        click.option(
            "--on-invalid", type=click.Choice(["fail", "exclude"]), default="fail", show_default=True
        ),
        click.option("--metric", help="jaccard, euclidean, …  [default: the first that fits the feature]"),
        click.option(
            "--threshold", type=float, help="Maximum distance of near pairs; not for kmeans and birch."
        ),
        click.option(
            "--algorithm",
            default="dbscan",
            show_default=True,
            metavar="TYPE",
            help="dbscan, hdbscan, connected_components, single_linkage, agglomerative, optics, mean_shift, "
            "kmeans, minibatch_kmeans, birch or sklearn.",
        ),
        click.option(
            "--option",
            "options",
            multiple=True,
            metavar="NAME=VALUE",
            help="Option of the algorithm, e.g. n_clusters=8 or linkage=ward; repeatable. VALUE is YAML.",
        ),
        click.option("--blocking", type=click.Choice(["auto", *get_args(BlockingType)]), default="auto"),
        click.option("--min-samples", type=int, help="For dbscan, hdbscan and optics.  [default: 5]"),
        click.option(
            "--start-date", metavar="YYYY-MM-DD", help="First day.  [default: the first in the data]"
        ),
        click.option("--end-date", metavar="YYYY-MM-DD", help="Last day.  [default: none]"),
        click.option(
            "--defs",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder of pipelines.  [default: CLUSTER_DEFS]",
        ),
        click.option("--replace", is_flag=True, help="Replace an existing pipeline."),
    ]
    for option in reversed(options):
        command = option(command)
    return command
