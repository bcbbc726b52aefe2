"""The API as a server process: on a laptop, and in containers of SageMaker, Vertex AI and Cloud Run."""

from __future__ import annotations

import ipaddress
import socket
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import uvicorn

from cluster_assets.api.application import create_application
from cluster_assets.api.entrances import sagemaker, vertex
from cluster_assets.api.observing import log_to
from cluster_assets.domain.errors import Interrupted, SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp

    from cluster_assets.api.config import ApiConfig
    from lambda_worker.serving.contract import ServedDays

_MOST_CONNECTIONS = 1000
_BACKLOG = 2048  # connections that wait to be accepted


def create_container_application(days: ServedDays, config: ApiConfig, environ: Mapping[str, str]) -> ASGIApp:
    """Create the application with the operations that SageMaker and Vertex AI call."""
    is_batch = environ.get("SAGEMAKER_BATCH", "").lower() == "true"
    return create_application(
        days, config, entrance=[*sagemaker.operations(is_batch=is_batch), *vertex.operations(environ)]
    )


def check_access(host: str, config: ApiConfig, *, is_behind_gateway: bool) -> None:
    """Refuse to listen beyond this machine without access control.

    Raises:
        SpecError: There is neither a token nor a gateway.
    """
    if config.token is None and not is_behind_gateway and not _is_local(host):
        raise SpecError(
            f"the API would answer everybody who reaches {host}",
            where="--host",
            remedy="set CLUSTER_API_TOKEN (openssl rand -hex 32), or pass --behind-gateway if a gateway in "
            "front checks who asks",
        )


def listen(host: str, port: int) -> socket.socket:
    """Take the address, before the server says that it answers there.

    Raises:
        SpecError: The address is in use, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise SpecError(
            f"cannot listen on {host}, port {port}: {(error.strerror or '').partition(' (')[0]}",
            where="--host, --port",
            remedy="choose another --port, or stop the process that uses this one",
        ) from error


def run(application: ASGIApp, listening: socket.socket) -> None:
    """Serve until the process is stopped; running requests are finished first."""
    log_to(sys.stdout)
    config = uvicorn.Config(
        application,
        # The application writes its own log; uvicorn's has paths, and entities are in them.
        access_log=False,
        log_level="warning",
        lifespan="off",
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=30,
    )
    # uvicorn raises the signal that ended it again; for a server, that is the normal end.
    with suppress(Interrupted):
        uvicorn.Server(config).run(sockets=[listening])


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
