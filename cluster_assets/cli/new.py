"""`cluster-assets new`: write and check the YAML of a pipeline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlglot.expressions as exp
import yaml

from cluster_assets import features as feature_plans
from cluster_assets.composition import open_backend
from cluster_assets.domain.errors import SpecError
from cluster_assets.domain.partitions import check_name
from cluster_assets.expressions import split_expressions
from cluster_assets.feature_spec import MIXED_KINDS
from cluster_assets.pipeline_files import COMPONENT_TYPE, FILE_NAME, check_attributes, scan_pipeline_files
from cluster_assets.pipeline_spec import METRICS_OF
from cluster_assets.ports import Statement
from cluster_assets.settings import PACKAGED_DEFS, PROJECT_ROOT, load_settings
from cluster_assets.stages.first_day import find_first_day
from cluster_assets.stages.source import locate_source, source_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.backend import Backend
    from cluster_assets.domain.partitions import Day
    from cluster_assets.pipeline_spec import PipelineSpec

_MIXED = re.compile(rf"([a-z][a-z0-9_]*)(?:\*([0-9.]+))?=({'|'.join(MIXED_KINDS)}):(.+)", re.DOTALL)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    """The flags, in the order of the YAML."""
    options = [
        click.option("--description", default="", help="One sentence for the people who look at it."),
        click.option("--files", help="Path or glob of Parquet, CSV or JSON-lines files, also gzipped."),
        click.option("--table", help="Instead of files: a table the SQL engine knows."),
        click.option("--time-column", help="The day of a row is the UTC date of this column."),
        click.option("--partition-column", help="Instead: a column or Hive partition that holds the day."),
        click.option("--where", help="SQL predicate that rows must meet."),
        click.option("--entity", required=True, help="SQL expression of what is clustered."),
        click.option("--set", "set_", metavar="EXPRESSION", help="Feature: the set of its values."),
        click.option(
            "--vector",
            multiple=True,
            metavar="AGGREGATE",
            help="Feature: a dimension; repeat it, or use commas.",
        ),
        click.option("--geo", metavar="'LATITUDE, LONGITUDE'", help="Feature: two aggregates, in degrees."),
        click.option("--text", metavar="AGGREGATE", help="Feature: one text."),
        click.option("--embedding", metavar="AGGREGATE", help="Feature: one array of numbers."),
        click.option(
            "--mixed",
            multiple=True,
            metavar="NAME=KIND:EXPRESSION",
            help="Feature: one of several compared together; repeat it. "
            "KIND is number, category, set, text or geo; NAME*2 counts twice.",
        ),
        click.option("--scale", type=click.Choice(["none", "standard", "minmax", "robust"]), default="none"),
        click.option("--reference-day", metavar="YYYY-MM-DD", help="Scale by the statistics of this day."),
        click.option(
            "--on-invalid", type=click.Choice(["fail", "exclude"]), default="fail", show_default=True
        ),
        click.option(
            "--metric", help="jaccard, euclidean, …; the first that fits the feature when left out."
        ),
        click.option(
            "--threshold", type=float, help="How far apart near pairs are at most; not for kmeans and birch."
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
            help="Of the algorithm, as n_clusters=8 or linkage=ward; repeat it. VALUE is YAML.",
        ),
        click.option(
            "--blocking", type=click.Choice(["auto", "join", "cells", "blocks", "lsh"]), default="auto"
        ),
        click.option("--min-samples", type=int, help="Of dbscan, hdbscan and optics; 5 when left out."),
        click.option(
            "--start-date", metavar="YYYY-MM-DD", help="First day; the first in the data when left out."
        ),
        click.option("--end-date", metavar="YYYY-MM-DD", help="Last day; open when left out."),
        click.option(
            "--defs", type=click.Path(file_okay=False, path_type=Path), help="Default: CLUSTER_DEFS."
        ),
        click.option("--replace", is_flag=True, help="Replace a pipeline of that name."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("name")
@_options
def new(name: str, defs: Path | None, replace: bool, **given: Any) -> None:
    """Write the YAML of a pipeline NAME, check it, and say how to run it."""
    settings = load_settings()
    folder = (defs or settings.defs or PACKAGED_DEFS).expanduser().resolve()
    path = folder / check_name(name) / FILE_NAME
    _refuse_existing(name, path, replace, (PACKAGED_DEFS, folder))
    start = given["start_date"]
    draft = _attributes(name, given, start or "1970-01-01")
    spec = _check(draft)
    with open_backend(settings) as backend:
        # Tried in any case: it checks files, columns, types and expressions.
        first = _try_source(spec, backend)
    if start is None:
        draft["start_date"] = first.key
        _check(draft)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_text(draft), encoding="utf-8")
    click.echo(f"wrote {path}")
    click.echo(f"next: cluster-assets run {name} --day {draft['start_date']}")


def _refuse_existing(name: str, path: Path, replace: bool, folders: tuple[Path, ...]) -> None:
    existing = [file for folder in folders if folder.is_dir() for file in scan_pipeline_files([folder]).files]
    taken = next((file.path for file in existing if file.name == name and file.path != path), None)
    if taken is None and path.exists() and not replace:
        taken = path
    if taken is not None:
        raise SpecError(
            f"there is a pipeline {name!r} already",
            where=str(taken),
            remedy="choose another name, or give --replace" if taken == path else "choose another name",
        )


def _attributes(name: str, given: Mapping[str, Any], start: str) -> dict[str, Any]:
    raw = {
        "files": _stable_path(given["files"]),
        "table": given["table"],
        "time_column": given["time_column"],
        "partition_column": given["partition_column"],
        "where": given["where"],
    }
    features = _features(given)
    algorithm = _algorithm(given)
    attributes = {
        "name": name,
        "description": given["description"] or None,
        "start_date": start,
        "end_date": given["end_date"],
        "raw": {key: value for key, value in raw.items() if value is not None},
        "entity": given["entity"],
        "features": features,
        "on_invalid": None if given["on_invalid"] == "fail" else given["on_invalid"],
        "distance": _distance(given, features),
        "algorithm": algorithm,
        "blocking": {"type": given["blocking"]} if given["blocking"] != "auto" else None,
    }
    return {key: value for key, value in attributes.items() if value is not None}


def _algorithm(given: Mapping[str, Any]) -> dict[str, Any]:
    algorithm: dict[str, Any] = {"type": given["algorithm"]}
    if given["min_samples"] is not None:
        algorithm["min_samples"] = given["min_samples"]
    elif given["algorithm"] == "dbscan":
        algorithm["min_samples"] = 5
    for option in given["options"]:
        name, equals, value = option.partition("=")
        if not (name and equals):
            raise SpecError(f"--option {option!r} is no NAME=VALUE", remedy="write --option n_clusters=8")
        algorithm[name] = yaml.safe_load(value)
    return algorithm


def _distance(given: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any] | None:
    """None where neither a metric nor a threshold is given, as for k-means."""
    if given["threshold"] is None:
        if given["metric"] is not None:
            raise SpecError("--metric needs --threshold", remedy="say how far apart near pairs are at most")
        return None
    fitting = next((metrics for kind, metrics in METRICS_OF.items() if kind in features), ("euclidean",))
    return {"metric": given["metric"] or fitting[0], "threshold": given["threshold"]}


def _features(given: Mapping[str, Any]) -> dict[str, Any]:
    features: dict[str, Any] = {}
    if given["set_"]:
        features["set"] = given["set_"]
    if given["vector"]:
        features["vector"] = [part for text in given["vector"] for part in _split("--vector", text)]
    if given["geo"]:
        features["geo"] = _place("--geo", given["geo"])
    features |= {kind: given[kind] for kind in ("text", "embedding") if given[kind]}
    if given["mixed"]:
        features["mixed"] = dict(_mixed_feature(text) for text in given["mixed"])
    if given["reference_day"]:
        features["scale"] = {"type": given["scale"], "reference_day": given["reference_day"]}
    elif given["scale"] != "none":
        features["scale"] = given["scale"]
    return features


def _place(option: str, text: str) -> dict[str, str]:
    parts = _split(option, text)
    if len(parts) != 2:
        raise SpecError(
            f"{option} needs two expressions, found {len(parts)}",
            remedy="for example --geo 'max(latitude), max(longitude)'",
        )
    return {"latitude": parts[0], "longitude": parts[1]}


def _mixed_feature(text: str) -> tuple[str, dict[str, Any]]:
    """`bytes*2=number:avg(bytes)`: name, how much it counts, kind and expression."""
    found = _MIXED.fullmatch(text)
    if found is None:
        raise SpecError(
            f"--mixed {text!r} is not NAME=KIND:EXPRESSION",
            remedy="for example --mixed 'bytes*2=number:avg(bytes)' --mixed 'agent=text:max(user_agent)'",
        )
    name, weight, kind, expression = found.groups()
    feature: dict[str, Any] = {kind: _place("--mixed geo", expression) if kind == "geo" else expression}
    return name, feature | ({"weight": float(weight)} if weight else {})


def _split(option: str, text: str) -> list[str]:
    try:
        return split_expressions(text)
    except ValueError as error:
        raise SpecError(
            f"{option}: {error}", where=f"{option} {text!r}", remedy="write expressions with commas between"
        ) from error


def _stable_path(files: str | None) -> str | None:
    """A relative path means the folder one stands in; in the YAML it must mean the same everywhere."""
    if files is None or "://" in files or files.startswith(("/", "$", "~")):
        return files
    absolute = Path.cwd() / files
    return str(absolute.relative_to(PROJECT_ROOT) if absolute.is_relative_to(PROJECT_ROOT) else absolute)


def _check(attributes: dict[str, Any]) -> PipelineSpec:
    try:
        return check_attributes(attributes)
    except SpecError as error:
        raise SpecError(
            error.what,
            where="the options that stand for these keys; nothing was written",
            remedy="change them; `cluster-assets new --help` lists all options",
        ) from error


def _try_source(spec: PipelineSpec, backend: Backend) -> Day:
    """Compute the features of the first day once, so that what cannot be computed is told now.

    Raises:
        ClusterAssetsError: The source is missing or damaged, or an expression does not fit its columns.
    """
    source = locate_source(spec, backend, day=None)
    schema = source_schema(spec, backend, source)
    feature_plans.plan(spec, spec.first_day, schema)  # refuses a column that tells no day
    first = find_first_day(spec, backend)
    plan = feature_plans.plan(spec, first, schema)
    # The summary reads every feature; a bare count would let the engine skip their computation.
    tree = plan.summary.tree.copy()
    for table in list(tree.find_all(exp.Table)):
        if table.name == "features":
            table.replace(plan.features.tree.copy().subquery("features"))
    backend.engine.fetch(Statement(plan.features.name, tree), {"raw": source.relation})
    return first


def _text(attributes: dict[str, Any]) -> str:
    body = {"type": COMPONENT_TYPE, "attributes": attributes}
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110)
