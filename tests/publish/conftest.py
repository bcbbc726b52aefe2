"""Every target of `publish` as a fixture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules beside the tests

from cases import CASES, Setting
from snowflake_cases import open_snowflake

from cluster_assets.backends.patience import Patience
from cluster_assets.publish.targets import delta_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cases import Case
    from snowflake_cases import SnowflakeServer


@pytest.fixture
def setting(home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Setting:
    return Setting(
        home,
        lambda: request.getfixturevalue("ministack"),
        lambda: request.getfixturevalue("snowflake"),
        lambda: request.getfixturevalue("athena_servers"),
        monkeypatch,
    )


@pytest.fixture(scope="session")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnowflakeServer]:
    """An emulator of Snowflake from the environment that `make deploy-venv` makes."""
    with open_snowflake(tmp_path_factory.mktemp("snowflake")) as server:
        yield server


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, setting: Setting) -> Case:
    return CASES[request.param](setting)


@pytest.fixture(
    params=[name for name, made in CASES.items() if not made.__name__.endswith(("folder", "sqlite"))]
)
def remote(request: pytest.FixtureRequest, setting: Setting) -> Case:
    """The targets that are reached by calls."""
    return CASES[request.param](setting)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many retries as ever, and no wait between them."""
    monkeypatch.setattr(Patience, "pause", lambda *_: 0.0)
    monkeypatch.setattr("cluster_assets.publish.snowflake.session.RETRY_S", 6)
    hasty = {"max_retries": "1", "retry_timeout": "1s"}
    monkeypatch.setattr(
        "cluster_assets.publish.targets.delta_options", lambda settings: delta_options(settings) | hasty
    )
