"""The command `serve`, and the modules that Lambda and Cloud Run import, each as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asking import Client, InProcess, Request
from click.testing import CliRunner
from entrances import OverHttp
from functions_framework.aio import create_asgi_app
from ports import free_port
from waiting import wait_for

import cluster_assets.api.entrances
from cluster_assets.cli import commands

if TYPE_CHECKING:
    import pytest

ENTRANCES = Path(cluster_assets.api.entrances.__file__).parent
# What a cold start must not load.
SLOW = (
    "arro3",
    "boto3",
    "cluster_assets.backends.ports",
    "cluster_assets.settings",
    "cluster_assets.spec",
    "dagster",
    "duckdb",
    "importlib.metadata",
    "lambda_worker.clusterers",
    "lambda_worker.kernel",
    "lambda_worker.metrics",
    "lambda_worker.pairs",
    "lambda_worker.serving.build",
    "lambda_worker.serving.centres",
    "lambda_worker.serving.structures.building",
    "lambda_worker.serving.structures.grid",
    "pandas",
    "pydantic",
    "pydantic_settings",
    "scipy",
    "sklearn",
    "sqlglot",
    "starlette.applications",
    "uvicorn",
    "yaml",
)
ON_LAMBDA = """
import json, sys
from cluster_assets.api.entrances.lambda_function import handler
event = json.load(open("events/function-url.json"))
answer = handler(event, None)
slow = [one for one in sys.argv[1:] if one in sys.modules]
print(json.dumps({"status": answer["statusCode"], "slow": slow}))
"""


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_command_serves_until_it_is_stopped(home: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "cluster_assets", "serve"]
    with subprocess.Popen(
        command, env={**os.environ, "PORT": str(port)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        try:
            wait_for("the server listens", lambda: listens(port) or server.poll() is not None)
            answer = OverHttp(port).send(Request("GET", "/health"))
        finally:
            server.send_signal(signal.SIGTERM)
        out, errors = server.communicate(timeout=60)
    assert (answer.status, answer.json()) == (200, {"status": "ok", "days": {}})
    assert (server.returncode, errors) == (0, b"")
    told, *lines = out.decode().splitlines()
    assert told == f"answering at http://127.0.0.1:{port}"
    assert json.loads(lines[0])["operation"] == "health"


def test_the_command_refuses_to_answer_everybody(home: Path) -> None:
    done = CliRunner().invoke(commands, ["serve", "--host", "0.0.0.0"])  # noqa: S104 - refused
    assert done.exit_code == 1
    assert "CLUSTER_API_TOKEN" in str(done.exception)


def test_an_address_that_is_taken_is_named(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = CliRunner().invoke(commands, ["serve", "--port", str(port)])
    assert done.exit_code == 1
    assert "answering" not in done.output
    assert f"cannot listen on 127.0.0.1, port {port}" in str(done.exception)


def test_the_module_for_lambda_loads_little(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ON_LAMBDA, *SLOW], capture_output=True, check=True, cwd=ENTRANCES.parents[2]
    )
    *log, last = done.stdout.decode().splitlines()
    assert json.loads(last) == {"status": 404, "slow": []}
    assert json.loads(log[0])["_aws"]["CloudWatchMetrics"]


def test_the_module_for_cloud_run_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    application: Any = create_asgi_app("answer", str(ENTRANCES / "cloud_run_function.py"), "http")
    client = Client(InProcess(application))
    assert client.get("/health").json() == {"status": "ok", "days": {}}
    assert client.get("/v1/points/days").status == 404
