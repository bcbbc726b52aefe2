"""The files of deploy/dagster: Dagster accepts them unchanged, and their settings work over the wire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dagster as dg
import pytest
import yaml
from athena_lake import BUCKET
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3 import S3ComputeLogManager
from sqlalchemy import make_url

from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from athena_lake import Lake

FOLDER = PROJECT_ROOT / "deploy" / "dagster"
_VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


@pytest.fixture
def config() -> dict[str, Any]:
    """dagster.yaml as it is deployed."""
    body: dict[str, Any] = yaml.safe_load((FOLDER / "dagster.yaml").read_text())
    return body


@pytest.fixture
def load(
    athena_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[dict[str, Any]], dg.DagsterInstance]]:
    """Opens an instance of a configuration, with the variables of the example."""
    for name, value in {**example(), **athena_lake.environment, "DAGSTER_LOGS_BUCKET": BUCKET}.items():
        monkeypatch.setenv(name, value)
    opened: list[dg.DagsterInstance] = []

    def open_instance(body: dict[str, Any]) -> dg.DagsterInstance:
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(body))
        opened.append(dg.DagsterInstance.from_config(str(tmp_path)))
        return opened[-1]

    yield open_instance
    for instance in opened:
        instance.dispose()


def on_this_machine(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same without the database server, which a test has none of."""
    return config | {"storage": {"sqlite": {"base_dir": str(folder)}}}


def example() -> dict[str, str]:
    return dict(_VARIABLE.findall((FOLDER / "environment.example").read_text()))


def test_dagster_takes_every_section(
    config: dict[str, Any], load: Callable[..., dg.DagsterInstance], tmp_path: Path
) -> None:
    instance = load(on_this_machine(config, tmp_path))
    assert isinstance(instance.compute_log_manager, S3ComputeLogManager)
    assert instance.run_monitoring_enabled
    assert instance.run_retries_enabled
    assert instance.run_retries_max_retries == 2
    assert not instance.run_retries_retry_on_asset_or_op_failure
    assert not instance.telemetry_enabled


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("run_monitoring", "poll_interval_s"),
        ("run_retries", "retries"),
        ("storage", "postgresql"),
        ("retention", "schedules"),
    ],
)
def test_a_word_that_dagster_does_not_know_is_refused(
    config: dict[str, Any], load: Callable[..., dg.DagsterInstance], section: str, key: str
) -> None:
    """So that the test above can fail."""
    with pytest.raises(dg.DagsterInvalidConfigError):
        load(config | {section: {**config[section], key: 1}})


def test_the_database_is_one_address_in_the_environment(
    config: dict[str, Any], load: Callable[..., dg.DagsterInstance]
) -> None:
    assert config["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_PG_URL"}}}
    # Dagster's storage speaks psycopg2's dialect; a bare `postgresql` means psycopg 3 to SQLAlchemy 2.1.
    assert make_url(example()["DAGSTER_PG_URL"]).drivername == "postgresql+psycopg2"
    for postgres, known in (({"postgres_url": {"env": "DAGSTER_PG_URL"}}, True), ({"url": "x"}, False)):
        assert is_known(lambda postgres=postgres: load(config | {"storage": {"postgres": postgres}})) is known


def is_known(load: Callable[[], object]) -> bool:
    """Whether Dagster's schema takes a configuration, be there a database behind it or not."""
    try:
        load()
    except dg.DagsterInvalidConfigError:
        return False
    except Exception:  # noqa: BLE001  # the client of the database is missing, or nobody listens
        return True
    return True


def test_what_a_run_prints_is_on_s3(
    config: dict[str, Any], load: Callable[..., dg.DagsterInstance], athena_lake: Lake, tmp_path: Path
) -> None:
    @dg.asset
    def talkative() -> None:
        print("said by the run")

    instance = load(on_this_machine(config, tmp_path))
    assert dg.materialize([talkative], instance=instance).success
    prefix = f"s3://{BUCKET}/{example()['DAGSTER_LOGS_PREFIX']}"
    said = b"".join(athena_lake.get(uri) for uri in athena_lake.list(prefix))
    assert b"said by the run" in said


def test_the_launcher_of_ecs_is_a_part_that_fits(
    config: dict[str, Any], load: Callable[..., dg.DagsterInstance], tmp_path: Path
) -> None:
    together = (FOLDER / "dagster.yaml").read_text() + (FOLDER / "run_launcher_ecs.yaml").read_text()
    body = yaml.safe_load(together)
    assert set(body) == {*config, "run_launcher"}
    assert isinstance(load(on_this_machine(body, tmp_path)).run_launcher, EcsRunLauncher)


def test_every_variable_is_in_the_example(config: dict[str, Any]) -> None:
    named = set(example())
    assert set(re.findall(r"env: (\w+)", (FOLDER / "dagster.yaml").read_text())) <= named
    settings = {f"CLUSTER_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in settings if name.startswith("CLUSTER_AWS_")} <= named
    assert {name for name in named if name.startswith("CLUSTER_")} <= settings
    # What is given there is what the settings take.
    given = {name: value for name, value in example().items() if value and name.startswith("CLUSTER_")}
    body = {name.removeprefix("CLUSTER_").lower(): value for name, value in given.items()}
    assert Settings.model_validate(body).target == "aws"


def test_the_image_has_what_it_copies_and_starts() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    copied = [name for line in re.findall(r"^COPY (.+)", text, re.MULTILINE) for name in line.split()[:-1]]
    assert len(copied) > 8
    assert [name for name in copied if not (PROJECT_ROOT / name).exists()] == []
    sent = re.findall(r"^!(.+)", (FOLDER / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert all(name.startswith(tuple(sent)) for name in copied)
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    assert set(services) == {"postgres", "code", "daemon", "webserver"}
    assert all("healthcheck" in service for service in services.values())
    pipelines = services["code"]["volumes"][0].split(":")[1]
    assert example()["CLUSTER_DEFS"] == pipelines
    database = {name: example()[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB")}
    url = "postgresql+psycopg2://{USER}:{PASSWORD}@postgres:5432/{DB}".format(**database)
    assert example()["DAGSTER_PG_URL"] == url
    location = yaml.safe_load((FOLDER / "workspace.yaml").read_text())["load_from"][0]["grpc_server"]
    assert location["host"] in services
    assert f'"{location["port"]}"' in text
