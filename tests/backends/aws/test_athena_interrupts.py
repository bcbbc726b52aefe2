"""Real signals to a real process: its query is stopped and the interrupt is raised as it came."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from waiting import LONGEST_S, wait_for

if TYPE_CHECKING:
    from athena_lake import Lake

PROGRAM = Path(__file__).with_name("interrupted.py")


@pytest.mark.parametrize(
    ("number", "raised"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "RunInterruptedError")],
)
@pytest.mark.parametrize("moment", ["running", "starting", "throttled"])
def test_a_signal_stops_the_query(
    athena_lake: Lake, tmp_path: Path, number: signal.Signals, raised: str, moment: str
) -> None:
    wire = athena_lake.wire
    rows = athena_lake.parquet("SELECT 1 AS k", tmp_path)
    before = set(wire.executions)
    wire.hold.clear()
    if moment == "starting":  # the execution is there, its id has not arrived
        wire.pauses["StartQueryExecution"] = threading.Event()
    if moment == "throttled":
        wire.refuse("GetQueryExecution", "ThrottlingException", 1000)
    with subprocess.Popen(
        [sys.executable, str(PROGRAM), rows.uris[0]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | athena_lake.environment,
    ) as child:
        (query,) = wait_for("the query starts", lambda: set(wire.executions) - before)
        if moment == "throttled":
            wait_for("the query's state is refused twice", lambda: wire.calls["GetQueryExecution"] >= 2)
        assert len(athena_lake.scratch_tables()) == 1
        child.send_signal(number)
        if moment == "starting":
            wire.pauses["StartQueryExecution"].set()
        out, err = child.communicate(timeout=LONGEST_S)
    assert out.split() == ["ready", raised], err
    assert "Traceback" not in err
    wait_for("the query ends", lambda: wire.executions[query].ended)
    assert wire.executions[query].state == "CANCELLED"
    assert athena_lake.scratch_tables() == []
    assert set(wire.executions) - before == {query}
