"""A program that waits for a query and says which exception ended the wait.

    python interrupted.py URI-OF-A-PARQUET-FILE

SIGTERM raises an exception of its own, as Dagster does, which is no Exception and no KeyboardInterrupt.
"""

from __future__ import annotations

import signal
import sys

import sqlglot

from cluster_assets.backends.athena.engine import AthenaConfig, AthenaEngine
from cluster_assets.backends.ports import FileRelation, Statement


class RunInterruptedError(BaseException):
    """As dagster's DagsterExecutionInterruptedError."""


def interrupt(*_: object) -> None:
    raise RunInterruptedError


signal.signal(signal.SIGTERM, interrupt)
statement = Statement("test", sqlglot.parse_one("SELECT count(*) AS n FROM t", read="athena"))
with AthenaEngine(AthenaConfig()) as engine:
    print("ready", flush=True)
    try:
        engine.fetch(statement, {"t": FileRelation((sys.argv[1],))})
    except BaseException as error:  # noqa: BLE001  # whichever it is
        print(type(error).__name__, flush=True)
