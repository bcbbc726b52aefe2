"""A pipeline reads only the allowed environment variables, and no message shows the value of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pipeline_yaml import GOOD_YAML

from cluster_assets.domain.errors import SourceMissingError, SpecError
from cluster_assets.opening import open_backend
from cluster_assets.operations.diagnosis.examination import examine
from cluster_assets.settings import load_settings
from cluster_assets.spec.source.variables import SourceVariables
from cluster_assets.stages.raw.files import expand, list_source_files

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "hunter2-of-the-team"  # noqa: S105  # what must not be shown
PIPELINE = GOOD_YAML.replace("demo", "mine").replace("data/*.parquet", "FILES")
SECRETS = ("CLUSTER_TRINO_PASSWORD", "DAGSTER_PG_URL", "AWS_SECRET_ACCESS_KEY", "CLUSTER_NOTIFY_WEBHOOK_URL")


@pytest.fixture
def secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, SECRET)


@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("name", [*SECRETS, "NOT_SET_ANYWHERE", "PATH"])
@pytest.mark.parametrize(
    "files", ["${NAME}/x.csv", "${NAME:-/lake}/x.csv", "${CLUSTER_SOURCE_X:-${NAME}}/x.csv"]
)
def test_other_variables_are_refused_whether_set_or_not(name: str, files: str) -> None:
    with pytest.raises(SpecError, match=f"may not read the environment variable {name}") as caught:
        expand(files.replace("NAME", name), load_settings().source_variables)
    assert SECRET not in str(caught.value)
    assert "CLUSTER_SOURCE_VARIABLES" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "listed"),
    [("CLUSTER_SOURCE_LAKE", ""), ("LAKE", "OTHER, LAKE"), ("LAKE", "LAKE"), ("CLUSTER_REAL_DATA", "")],
)
def test_a_variable_is_read_by_its_name_or_by_the_list(name: str, listed: str) -> None:
    variables = SourceVariables({name: "/lake", "CLUSTER_SOURCE_VARIABLES": listed})
    assert expand(f"${{{name}}}/x", variables) == "/lake/x"


@pytest.mark.usefixtures("secrets")
def test_the_doctor_says_which_variable_and_not_its_value(defs_folder: Path) -> None:
    for name in SECRETS:
        path = defs_folder / name.lower() / "defs.yaml"
        path.parent.mkdir()
        text = PIPELINE.replace("FILES", f"${{{name}}}/*.csv").replace("mine", name.lower())
        path.write_text(text)
    said = {finding.name: finding.text for finding in examine(load_settings())}
    for name in SECRETS:
        assert f"may not read the environment variable {name}" in said[f"pipeline {name.lower()}"]
    assert SECRET not in str(said)


@pytest.mark.parametrize(
    "pattern", ["${CLUSTER_SOURCE_X}/*.csv", "${CLUSTER_SOURCE_X}", "gs://${CLUSTER_SOURCE_X}/*.csv"]
)
def test_a_message_shows_the_pattern_as_it_is_written(tmp_path: Path, pattern: str) -> None:
    variables = SourceVariables({"CLUSTER_SOURCE_X": SECRET})
    (tmp_path / SECRET).mkdir()
    with pytest.raises((SourceMissingError, SpecError)) as caught:
        list_source_files(pattern, root=tmp_path, environment=variables)
    assert SECRET not in str(caught.value)
    assert pattern in str(caught.value)


@pytest.mark.usefixtures("secrets")
def test_neither_settings_nor_backend_show_a_secret() -> None:
    settings = load_settings()
    with open_backend(settings) as backend:
        assert SECRET not in repr(settings) + repr(dict(backend.source_variables))


@pytest.mark.usefixtures("secrets")
def test_an_impossible_setting_shows_its_own_value_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_TRINO_PORT", "70000")
    with pytest.raises(SpecError, match=r"CLUSTER_TRINO_PORT: .*not '70000'") as caught:
        load_settings()
    assert SECRET not in str(caught.value)
