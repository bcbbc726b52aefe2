"""Settings of `target: aws`: each mistake is one clear error, and local users never load the SDK."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.domain.errors import SpecError
from cluster_assets.opening import open_backend, open_storage, sweep_scratch
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from cloud import Cloud


@pytest.mark.parametrize(
    ("name", "value"),
    [("BUCKET_OWNER", "12"), ("ENDPOINT_URL", "127.0.0.1:4566"), ("RESULTS_URI", "/tmp/x"), ("BUCKET", "b")],  # noqa: S108
)
@pytest.mark.usefixtures("home")
def test_impossible_values_are_reported(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"CLUSTER_AWS_{name}", value)
    with pytest.raises(SpecError, match=f"CLUSTER_AWS_{name}"):
        load_settings()


def test_every_setting_says_what_it_is() -> None:
    fields = {name: field for name, field in Settings.model_fields.items() if name.startswith("aws_")}
    assert len(fields) > 10
    assert [name for name, field in fields.items() if not field.description] == []


def test_a_missing_bucket_is_reported(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.enter("no_bucket")
    monkeypatch.setenv("CLUSTER_AWS_BUCKET", "")
    with pytest.raises(SpecError, match="set CLUSTER_AWS_BUCKET"):
        open_storage(load_settings())
    with pytest.raises(SpecError, match="set CLUSTER_AWS_BUCKET"), open_backend(load_settings()):
        pass


def test_a_missing_region_or_profile_is_reported(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.enter("no_region")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(SpecError, match="CLUSTER_AWS_REGION"):
        open_storage(load_settings())
    monkeypatch.setenv("CLUSTER_AWS_REGION", "eu-central-1")
    open_storage(load_settings())
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(SpecError, match="AWS_PROFILE"):
        open_storage(load_settings())


def test_gc_drops_scratch_tables_that_killed_runs_left(cloud: Cloud, home: Path) -> None:
    cloud.enter("garbage")
    glue = cloud.lake.glue
    glue.create_table(DatabaseName="garbage_scratch", TableInput={"Name": "s_left"})
    said = CliRunner().invoke(commands, ["gc", "--retention-days", "0"], catch_exceptions=False)
    assert said.exit_code == 0
    assert cloud.lake.scratch_tables("garbage_scratch") == ["s_left"]  # of this hour: its run may still live
    assert sweep_scratch(load_settings(), dt.datetime.now(dt.UTC) + dt.timedelta(minutes=1)) == 1
    assert cloud.lake.scratch_tables("garbage_scratch") == []


def test_local_users_do_not_load_the_sdk() -> None:
    program = (
        "import sys, cluster_assets.definitions, cluster_assets.cli.subcommands.days.run; "
        "print('boto3' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT
    )
    assert done.stdout.strip() == "False"
