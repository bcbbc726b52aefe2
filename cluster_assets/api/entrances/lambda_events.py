"""A Lambda function behind a function URL, an HTTP API, a REST API, a load balancer, or a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mangum import Mangum

from cluster_assets.api.application import create_application
from cluster_assets.api.config import read_config
from cluster_assets.api.entrances.streams import StreamClassifier, open_results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambda_worker.serving.contract import ServedDays

# Mangum sends other media types in base64, which a load balancer shows as it is.
_TEXTS = ["text/", "application/json", "application/problem+json"]


def create_handler(days: ServedDays, environ: Mapping[str, str]) -> Callable[[dict[str, Any], Any], Any]:
    """Create the function's handler.

    Raises:
        SpecError: A variable of the environment has an invalid value.
    """
    config = read_config(environ, in_threads=False)
    application = create_application(days, config, has_emf=True)
    http = Mangum(application, lifespan="off", api_gateway_base_path=config.base_path, text_mime_types=_TEXTS)
    classify = StreamClassifier(days, config, open_results(environ))

    def handle(event: dict[str, Any], context: Any) -> Any:
        """Answer a request, or classify the records of a stream."""
        return classify(event["Records"]) if "Records" in event else http(encode_path(event), context)

    return handle


def encode_path(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event of an HTTP API with its path percent-encoded, as all other events have it.

    HTTP APIs decode the path and prefix it with the name of the stage. Mangum decodes every path, so `%252F`
    would become a slash.
    """
    if event.get("version") != "2.0":
        return event
    context = event["requestContext"]
    if ".lambda-url." in context.get("domainName", ""):
        return event
    path = context["http"]["path"]
    stage = context.get("stage", "$default")
    if stage != "$default":
        path = path.removeprefix(f"/{stage}") or "/"
    return {**event, "requestContext": {**context, "http": {**context["http"], "path": quote(path)}}}
