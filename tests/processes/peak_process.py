"""Handles an event in a separate process: the handler's reply, its peak memory and the imported modules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from lambda_worker.kernel import VARIABLE

PROGRAM = (
    "import json, sys; from cluster_assets.backends.local.sandbox_main import hide_packages; "
    "hide_packages(); "
    "from lambda_worker.handler import handler; "
    "reply = handler(json.load(sys.stdin), None); "
    "heavy = {'scipy', 'sklearn', 'pandas', 'pyarrow', 'duckdb', 'dagster', 'boto3', 'joblib'}; "
    "print(json.dumps([reply, sorted(heavy & {name.partition('.')[0] for name in sys.modules})]))"
)


def answer_and_imports(event: dict[str, Any], kernel: str | None = None) -> tuple[dict[str, Any], list[str]]:
    """What the handler answers in a fresh process: peaks of a process only ever rise.

    Args:
        event: The event as JSON; an answer that is an error fails the test.
        kernel: `on` or `off`; as in this process if None.

    Returns:
        The reply, and the heavy packages that are imported by then.
    """
    switch = {} if kernel is None else {VARIABLE: kernel}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(event),
        env={**os.environ, **switch},
        capture_output=True,
        text=True,
        check=True,
    )
    reply, heavy = json.loads(done.stdout)
    assert reply["ok"], reply["error"]
    return reply, heavy


def answer(event: dict[str, Any], kernel: str | None = None) -> dict[str, Any]:
    """The reply alone."""
    reply, _ = answer_and_imports(event, kernel)
    return reply


def peak_mb(event: dict[str, Any]) -> float:
    """The peak memory alone."""
    peak: float = answer(event)["peak_memory_mb"]
    return peak
