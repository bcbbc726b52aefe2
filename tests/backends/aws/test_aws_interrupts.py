"""Real signals to a real Dagster run on AWS: its query is stopped, nothing is published, no table stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cloud import DAYS
from waiting import LONGEST_S, wait_for

from cluster_assets.opening import open_storage
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from cloud import Cloud


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_query_of_a_run(cloud: Cloud, home: Path, number: signal.Signals) -> None:
    name = f"signal_{number.name.lower()}"
    cloud.write_source(home)
    cloud.enter(name)
    wire = cloud.lake.wire
    before = set(wire.executions)
    wire.hold.clear()
    command = [
        str(Path(sys.executable).with_name("cluster-assets")),
        "run",
        "attackers",
        "--day",
        DAYS[0].key,
    ]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
    ) as run:
        wait_for("the query starts", lambda: set(wire.executions) - before)
        assert len(cloud.lake.scratch_tables(f"{name}_scratch")) == 1
        run.send_signal(number)
        said, _ = run.communicate(timeout=LONGEST_S)
    (query,) = set(wire.executions) - before
    assert run.returncode != 0, said
    wait_for("the query ends", lambda: wire.executions[query].ended)
    assert wire.executions[query].state == "CANCELLED", said
    assert cloud.lake.scratch_tables(f"{name}_scratch") == []
    _, catalog = open_storage(load_settings())
    assert catalog.days("attackers", "raw") == ()
