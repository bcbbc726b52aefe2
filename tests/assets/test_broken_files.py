"""An invalid pipeline file shows its error and does not affect the others."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from pipeline_yaml import GOOD_YAML

from cluster_assets.components import ClusteringPipeline
from cluster_assets.definitions import defs
from cluster_assets.domain.errors import SpecError
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import BrokenFile, broken_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMED_YAML = GOOD_YAML.replace("demo", "NAME") + "  schedule: {hour_of_day: 6}\n"
HEAD = NAMED_YAML.split("attributes", maxsplit=1)[0]
# What the file says, and words of the error that the UI shows; {path} is the file.
BROKEN = {
    "parse_error": (NAMED_YAML.replace("entity: id", "entity: timestamp()"), "{path}:6"),
    "index_error": (NAMED_YAML.replace("entity: id", "entity: var_map(x)"), "{path}:6"),
    "type_error": (NAMED_YAML.replace("entity: id", 'entity: "match_against(a,b)"'), "{path}:6"),
    "token_error": (NAMED_YAML.replace("max(x)", "max(j_s_o_n_object(x))"), "{path}:7"),
    "metric": (NAMED_YAML.replace("euclidean", "jaccard"), "jaccard"),
    "unknown_key": (NAMED_YAML.replace("entity:", "entitty:"), "did you mean 'entity'"),
    "no_yaml": ("a: [", "not valid YAML"),
    "no_mapping": ("- a\n", "not a mapping"),
    "nothing": ("", "the file is empty"),
    "not_utf8": (b"\xff\xfe\x00", "not UTF-8"),
    "attributes_list": (HEAD + "attributes: [a]\n", "not a pipeline file"),
    "no_attributes": (HEAD, "not a pipeline file"),
    "taken": (NAMED_YAML.replace("NAME", "attackers"), "two files define the pipeline 'attackers'"),
    "odd name/x": (NAMED_YAML.replace("NAME", '"é; DROP"'), "{path}:3"),
}


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    for name, text in files.items():
        path = folder / name / "defs.yaml"
        path.parent.mkdir(parents=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def folder(defs_folder: Path) -> Path:
    """Broken files of all kinds around a good one, among them a pipe that a reader would wait for."""
    texts = {name: text for name, (text, _) in BROKEN.items()} | {"good": NAMED_YAML}
    write(defs_folder, {
        name: text.replace("NAME", name.split()[0]) if isinstance(text, str) else text
        for name, text in texts.items()
    })  # fmt: skip
    (defs_folder / "pipe").mkdir()
    os.mkfifo(defs_folder / "pipe" / "defs.yaml")
    return defs_folder


def shown_errors(definitions: dg.Definitions) -> dict[str, str]:
    """The error that the UI shows for each broken file."""
    graph = definitions.resolve_asset_graph()
    broken = [graph.get(key) for key in graph.get_all_asset_keys() if graph.get(key).group_name == "broken"]
    return {str(node.metadata["file"].value): str(node.metadata["error"].value) for node in broken}


def test_each_broken_file_is_shown_and_all_others_load(folder: Path) -> None:
    loaded = defs()
    errors = shown_errors(loaded)
    assert set(errors) == {str(path) for path in folder.rglob("defs.yaml") if path.parent.name != "good"}
    for name, (_, words) in BROKEN.items():
        path = folder / name / "defs.yaml"
        assert words.format(path=path) in errors[str(path)]
    assert "not a regular file" in errors[str(folder / "pipe" / "defs.yaml")]
    jobs = {job.name for job in loaded.resolve_all_job_defs()}
    assert {"good_daily", "attackers_daily", "origins_daily", "behaviours_daily"} <= jobs
    assert loaded.resolve_schedule_def("good_daily_schedule").cron_schedule == "0 6 * * *"
    dg.Definitions.validate_loadable(loaded)


def test_materializing_a_broken_pipeline_fails_with_its_error(defs_folder: Path) -> None:
    write(defs_folder, {"one": BROKEN["parse_error"][0].replace("NAME", "one")})
    loaded = defs()
    [key] = [key for key in loaded.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "one"]
    with pytest.raises(SpecError, match=r"one/defs\.yaml:6"):
        dg.materialize([loaded.get_assets_def(key)])


def test_the_doctor_reports_each_broken_file_and_goes_on(folder: Path) -> None:
    findings = {finding.name: finding for finding in examine(load_settings())}
    texts = "\n".join(finding.text for finding in findings.values() if not finding.ok)
    assert "pipeline attackers" in findings
    assert "pipeline good" in findings
    for name in ("no_yaml", "not_utf8", "pipe", "parse_error"):
        assert str(folder / name / "defs.yaml") in texts


@pytest.mark.parametrize("name", ["parse_error", "metric", "unknown_key", "attributes_list"])
def test_a_component_with_wrong_attributes_shows_them(tmp_path: Path, name: str) -> None:
    write(tmp_path, {"one": BROKEN[name][0].replace("NAME", "one")})
    path = tmp_path / "one" / "defs.yaml"
    file = broken_file(path, ValueError("something"))
    [error] = shown_errors(dg.build_defs_for_component(ClusteringPipeline(file))).values()
    assert BROKEN[name][1].format(path=path) in error


def test_an_error_that_the_file_alone_does_not_have_is_kept(tmp_path: Path) -> None:
    write(tmp_path, {"one": NAMED_YAML.replace("NAME", "mine")})
    file = broken_file(tmp_path / "one" / "defs.yaml", ZeroDivisionError("by the caller"))
    assert isinstance(file, BrokenFile)
    assert file.name == "mine"
    assert "ZeroDivisionError: by the caller" in str(file.error)
