"""The demo pipelines with `target: trino` give the tables they give locally."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.domain.days import Day
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = Day(dt.date(2013, 3, 4))


@pytest.mark.parametrize("name", ["attackers", "origins", "behaviours"])
def test_target_trino_gives_the_tables_of_target_local(
    name: str,
    home: Path,
    trino_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    run_spec: Callable[..., Any],
    same_values: Callable[..., bool],
) -> None:
    write_sample(SampleConfig(output=home / "lake", first_day=DAY, days=1))
    spec = load_pipeline_named(name, (PACKAGED_DEFS,))
    settings = load_settings()
    runs = {}
    for target in ("local", "trino"):
        monkeypatch.setenv("CLUSTER_TARGET", target)
        for variable, value in trino_variables.items():
            monkeypatch.setenv(variable, value)
        chosen = load_settings()
        assert chosen.target == target
        # Two warehouses, one lake.
        own = chosen.model_copy(update={"home": home / target})
        with open_backend(own) as backend:
            assert backend.engine.name == {"local": "duckdb", "trino": "trino"}[target]
            variables = settings.source_variables
            runs[target] = run_spec(dataclasses.replace(backend, source_variables=variables), spec)
            runs[target].run(DAY.key)
    for table in ("files", "points", "members", "candidates", "clusters"):
        local, trino = (runs[target].table(table, DAY.key) for target in ("local", "trino"))
        assert local[0] == trino[0], table
        assert local[1], table
        loosely = name == "origins" and table == "candidates"
        assert same_values(local[1], trino[1], loosely=loosely), table
