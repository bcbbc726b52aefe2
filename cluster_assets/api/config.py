"""Settings of the API, from environment variables `CLUSTER_API_*`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cluster_assets.api.enrichment.permissions import Permissions, read_permissions
from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST_TOKEN = 16  # characters; shorter tokens can be guessed


@dataclass(frozen=True)
class ApiConfig:
    """Limits and access of the API.

    Attributes:
        token: Bearer token that requests must carry; None leaves access to the gateway in front.
        pipeline: The pipeline of entrances whose requests name none (SageMaker, Vertex, streams); None is the
            only one that is served.
        max_body_bytes: Size of a request; the default is Lambda's limit.
        max_address_bytes: Path and query together.
        base_path: Prefix that a gateway adds to every path.
        in_threads: Whether answers are computed in threads, so that a slow one delays no other. Lambda has
            one request at a time.
        enrichment: Which servers may be asked about an entity.
    """

    token: str | None = None
    pipeline: str | None = None
    max_body_bytes: int = 6 * 2**20
    max_address_bytes: int = 8192
    base_path: str = "/"
    in_threads: bool = True
    enrichment: Permissions = field(default_factory=Permissions)


def read_config(environ: Mapping[str, str], *, in_threads: bool = True) -> ApiConfig:
    """Read the settings from environment variables; an empty variable counts as unset.

    Raises:
        SpecError: A variable has an invalid value.
    """
    token = environ.get("CLUSTER_API_TOKEN") or None
    if token is not None and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise SpecError(
            f"the API's token must have at least {_LEAST_TOKEN} printable ASCII characters",
            where="CLUSTER_API_TOKEN",
            remedy="generate one: openssl rand -hex 32",
        )
    defaults = ApiConfig()
    return ApiConfig(
        token=token,
        pipeline=environ.get("CLUSTER_API_PIPELINE") or None,
        max_body_bytes=_positive(environ, "CLUSTER_API_MAX_BODY_BYTES", defaults.max_body_bytes),
        base_path=environ.get("CLUSTER_API_BASE_PATH") or defaults.base_path,
        in_threads=in_threads,
        enrichment=read_permissions(environ),
    )


def _positive(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise SpecError(f"{text!r} is not a positive number", where=name, remedy=f"write {default}")
    return int(text)
