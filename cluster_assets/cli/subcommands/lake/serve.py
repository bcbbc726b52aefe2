"""`cluster-assets serve`: the API and its page."""

from __future__ import annotations

import click

from cluster_assets.api.config import read_config
from cluster_assets.backends.packages import require
from cluster_assets.served.days import open_indexes
from cluster_assets.settings import load_settings


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    envvar="CLUSTER_API_HOST",
    show_envvar=True,
    help="Address to listen on.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8080,
    show_default=True,
    envvar=["AIP_HTTP_PORT", "PORT"],
    show_envvar=True,
)
@click.option(
    "--behind-gateway",
    is_flag=True,
    envvar="CLUSTER_API_BEHIND_GATEWAY",
    show_envvar=True,
    help="A gateway in front checks who asks: no token is needed.",
)
def serve(host: str, port: int, behind_gateway: bool) -> None:
    """Answer over HTTP: the cluster of an entity, and where a new item would belong; / is a page for people.

    The YAML of a pipeline needs `serve`. To listen beyond this machine, set CLUSTER_API_TOKEN.
    """
    for package in ("starlette", "uvicorn"):
        require(package, extra="serve")
    from cluster_assets.api.entrances import server  # needs them

    settings = load_settings()
    environ = settings.environment
    config = read_config(environ)
    server.check_access(host, config, is_behind_gateway=behind_gateway)
    days = open_indexes(settings)
    application = server.create_container_application(days, config, environ)
    listening = server.listen(host, port)
    click.echo(f"answering at http://{f'[{host}]' if ':' in host else host}:{port}")
    server.run(application, listening)
