"""Lakes of days that a test writes, on every target; and one of real days, published once for all tests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Ledger
from docs.make_notebook import publish_days

sys.path.insert(0, str(Path(__file__).parent))  # what several tests share are modules beside them

from lakes import aws_variables, fresh_name, set_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ministack_server import Ministack
    from written_days import DayWriter

    MakeWriter = Callable[[str], DayWriter]


@pytest.fixture
def write_days(tmp_path: Path) -> MakeWriter:
    """Makes a writer of days of a pipeline, in the lake that the settings name."""
    from written_days import DayWriter  # after this folder is on the path

    def make(pipeline: str) -> DayWriter:
        store, catalog = open_storage(load_settings())
        return DayWriter(Ledger(store, catalog, pipeline), store, tmp_path)

    return make


@pytest.fixture(params=["local", "trino", "aws"])
def target(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The settings name an empty lake on each target in turn; on aws it is ministack's."""
    name: str = request.param
    set_environment({"CLUSTER_TARGET": name}, monkeypatch)
    if name == "aws":
        server: Ministack = request.getfixturevalue("ministack")
        variables = aws_variables(fresh_name().replace("_", "-"))
        set_environment(server.environment | variables, monkeypatch)
        region = server.environment["AWS_DEFAULT_REGION"]
        server.client("s3").create_bucket(
            Bucket=variables["CLUSTER_AWS_BUCKET"], CreateBucketConfiguration={"LocationConstraint": region}
        )
        database = {"Name": variables["CLUSTER_AWS_DATABASE"]}
        server.client("glue").create_database(DatabaseInput=database)
    return name


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLUSTER_HOME with published days of the pipeline `attackers`, without their reports."""
    home = tmp_path_factory.mktemp("lake") / "home"
    with pytest.MonkeyPatch.context() as patch:
        set_environment({"CLUSTER_HOME": str(home)}, patch)
        publish_days()
    return home


@pytest.fixture
def real_lake(published_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings name the lake of real days."""
    set_environment({"CLUSTER_HOME": str(published_home)}, monkeypatch)
    return published_home
