"""`cluster-assets new`: write and check the YAML of a pipeline."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import sqlglot.expressions as exp
import yaml

from cluster_assets.backends.ports import Statement
from cluster_assets.cli.new_options import new_options
from cluster_assets.cli.new_times import choose_time_format, folder_of_days, suggest_partition
from cluster_assets.cli.option_names import describe_problem, error_with_options
from cluster_assets.domain.days import check_name, last_ended, not_ended, parse_day
from cluster_assets.domain.errors import ClusterAssetsError, SpecError
from cluster_assets.opening import open_backend
from cluster_assets.operations.exports import require_parent
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.expressions import split_expressions
from cluster_assets.spec.features import KINDS, MIXED_KINDS
from cluster_assets.spec.metrics import metrics_of
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, FILE_NAME, check_attributes, scan_pipeline_files
from cluster_assets.spec.yaml.schema import SCHEMA_LINE, write_schema
from cluster_assets.stages.points import kinds as feature_plans
from cluster_assets.stages.raw.file_rows import check_file_rows
from cluster_assets.stages.raw.first_day import find_first_day
from cluster_assets.stages.raw.source import locate_source, source_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Backend
    from cluster_assets.domain.days import Day
    from cluster_assets.spec.pipeline import PipelineSpec

_WHEN = ("time_column", "time_format", "time_zone", "partition_column", "partition", "fixed_day")
_DAYS = ("time_column", "partition_column", "partition", "fixed_day")
_MIXED = re.compile(rf"([a-z][a-z0-9_]*)(?:\*([0-9.]+))?=({'|'.join(MIXED_KINDS)}):(.+)", re.DOTALL)


@click.command()
@click.argument("name")
@new_options
def new(name: str, defs: Path | None, replace: bool, **given: Any) -> None:
    """Write and check the YAML of a pipeline NAME, and print the command that runs it."""
    settings = load_settings()
    folder = (defs or settings.defs or PACKAGED_DEFS).expanduser().resolve()
    path = folder / check_name(name) / FILE_NAME
    require_parent(folder)
    _refuse_existing(name, path, replace, (PACKAGED_DEFS, folder))
    start = given["start_date"] or given["fixed_day"]
    draft = _attributes(name, given, start or "1970-01-01")
    try:
        with open_backend(settings) as backend:
            if given["files"] and not any(given[option] for option in _DAYS):
                _require_no_folders(draft, backend)
            spec = _check(draft)
            if (form := choose_time_format(spec, backend)) is not None:
                draft["raw"]["time_format"] = form
                spec = _check(draft)
            # Always read the source: this checks files, columns, types and expressions.
            first = _try_source(spec, backend)
            suggest_partition(spec, backend)
    except ClusterAssetsError as error:
        raise error_with_options(error) from error
    if start is None:
        draft["start_date"] = first.key
        _check(draft)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SCHEMA_LINE + _text(draft), encoding="utf-8")
    write_schema(path)
    click.echo(f"wrote {path}")
    if (begins := parse_day(draft["start_date"])) > last_ended(dt.datetime.now(dt.UTC)):
        click.echo(not_ended(begins))
    known = "" if folder in [one.resolve() for one in settings.defs_dirs] else f"CLUSTER_DEFS={folder} "
    click.echo(f"next: {known}cluster-assets run {name} --day {draft['start_date']}")


def _require_no_folders(draft: dict[str, Any], backend: Backend) -> None:
    """Check that files without an option for their days are not in folders that spell them.

    Raises:
        SpecError: They are; the remedy has the option.
    """
    spec = _check(draft | {"raw": draft["raw"] | {"fixed_day": draft["start_date"]}})
    column = folder_of_days([file.uri for file in locate_source(spec, backend, day=None).files])
    if column is not None:
        raise SpecError(
            "no option says which rows belong to a day",
            where=f"--files {draft['raw']['files']}",
            remedy=f"each file is in a folder {column}=YYYY-MM-DD: add --partition-column {column}, which "
            "reads only the folder of the day; or --time-column, if a folder has rows of several days",
        )


def _refuse_existing(name: str, path: Path, replace: bool, folders: tuple[Path, ...]) -> None:
    existing = [file for folder in folders if folder.is_dir() for file in scan_pipeline_files([folder]).files]
    taken = next((file.path for file in existing if file.name == name and file.path != path), None)
    if taken is None and path.exists() and not replace:
        taken = path
    if taken is not None:
        raise SpecError(
            f"the pipeline {name!r} already exists",
            where=str(taken),
            remedy="choose another name, or pass --replace" if taken == path else "choose another name",
        )


def _attributes(name: str, given: Mapping[str, Any], start: str) -> dict[str, Any]:
    raw = {
        "files": _stable_path(given["files"]),
        "table": given["table"],
        **{name: given[name] for name in _WHEN},
        "columns": dict(_pair("--column", text, "margin=double") for text in given["columns"]) or None,
        "csv": dict(_csv_option(text) for text in given["csv"]) or None,
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
        name, value = _yaml_pair("--option", option, "n_clusters=8")
        algorithm[name] = value
    return algorithm


def _csv_option(text: str) -> tuple[str, Any]:
    """Parse an option of CSV files; a single character is taken literally, since `,` is not valid YAML."""
    name, value = _pair("--csv", text, "encoding=latin-1")
    return (name, value) if len(value) == 1 else _yaml_pair("--csv", text, "encoding=latin-1")


def _yaml_pair(option: str, text: str, example: str) -> tuple[str, Any]:
    name, value = _pair(option, text, example)
    try:
        return name, yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SpecError(
            f"{option} {text!r}: the value is not valid YAML", remedy=f"write {option} {example}"
        ) from error


def _pair(option: str, text: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise SpecError(f"{option} {text!r} has no name and value", remedy=f"write {option} {example}")
    return name, value


def _distance(given: Mapping[str, Any], features: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the distance; None when neither metric nor threshold is given, as for k-means."""
    if given["threshold"] is None:
        if given["metric"] is not None:
            raise SpecError("--metric needs --threshold", remedy="pass the maximum distance of near pairs")
        return None
    fitting = next((metrics_of(kind) for kind in KINDS if kind in features), ("euclidean",))
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
        features["mixed"] = {}
        for name, feature in map(_mixed_feature, given["mixed"]):
            if name in features["mixed"]:
                raise SpecError(
                    f"--mixed {name} is given twice", remedy="use a different name for each feature"
                )
            features["mixed"][name] = feature
    if given["reference_day"]:
        features["scale"] = {"type": given["scale"], "reference_day": given["reference_day"]}
    elif given["scale"] != "none":
        features["scale"] = given["scale"]
    return features


def _place(option: str, text: str) -> dict[str, str]:
    parts = _split(option, text)
    if len(parts) != 2:
        raise SpecError(
            f"{option} needs two expressions, not {len(parts)}",
            remedy="for example --geo 'max(latitude), max(longitude)'",
        )
    return {"latitude": parts[0], "longitude": parts[1]}


def _mixed_feature(text: str) -> tuple[str, dict[str, Any]]:
    """Parse `bytes*2=number:avg(bytes)`: name, weight, kind and expression."""
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
            f"{option}: {error}", where=f"{option} {text!r}", remedy="separate expressions by commas"
        ) from error


def _stable_path(files: str | None) -> str | None:
    """Make a path independent of the current folder, because the YAML can be read from any folder."""
    if files is None or "://" in files or files.startswith(("/", "$", "~")):
        return files
    absolute = Path.cwd() / files
    return str(absolute.relative_to(PROJECT_ROOT) if absolute.is_relative_to(PROJECT_ROOT) else absolute)


def _check(attributes: dict[str, Any]) -> PipelineSpec:
    try:
        return check_attributes(attributes, describe_problem)
    except SpecError as error:
        raise SpecError(
            error.what,
            where="the options; nothing was written",
            remedy="change them; `cluster-assets new --help` lists all options",
        ) from error


def _try_source(spec: PipelineSpec, backend: Backend) -> Day:
    """Compute the features of the first day, so that errors are found now.

    Raises:
        ClusterAssetsError: The source is missing or damaged, or an expression does not fit its columns.
    """
    first = find_first_day(spec, backend)
    source = locate_source(spec, backend, first)
    schema = source_schema(spec, backend, source)
    plan = feature_plans.plan(spec, first, schema)
    # The summary reads every feature; for a plain count, the engine would not compute them.
    tree = plan.summary.tree.copy()
    for table in list(tree.find_all(exp.Table)):
        if table.name == "features":
            table.replace(plan.features.tree.copy().subquery("features"))
    backend.engine.fetch(Statement(plan.features.name, tree), {"raw": source.relation})
    check_file_rows(spec, backend, first)
    return first


def _text(attributes: dict[str, Any]) -> str:
    body = {"type": COMPONENT_TYPE, "attributes": attributes}
    return yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=110)
