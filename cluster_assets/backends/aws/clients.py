"""AWS clients with our own retry policy, time limits and no credentials in logs.

Credentials come only from the standard AWS environment; so do endpoints and the region unless the settings
name them.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from cluster_assets.domain.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Mapping

# At DEBUG these loggers print signed requests with the access key id and the session token.
_LOGGERS_OF_SIGNED_REQUESTS = (
    "botocore.auth",
    "botocore.endpoint",
    "botocore.hooks",
    "botocore.awsrequest",
    "botocore.httpsession",
    "botocore.parsers",
    "botocore.credentials",
    "botocore.client",
)
# A second layer of retries would multiply attempts and hide throttling: only aws/faults decides.
_ONE_ATTEMPT = {"mode": "standard", "total_max_attempts": 1}


@dataclass(frozen=True)
class AwsAccount:
    """The AWS account, region and endpoints to use.

    Attributes:
        region: The region; None uses that of the environment or profile.
        endpoint_url: One URL for all services, for emulators; None uses AWS's endpoints, or the standard
            variables `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`.
        catalog_id: The account that owns the Glue catalog; None uses that of the credentials.
    """

    region: str | None = None
    endpoint_url: str | None = None
    catalog_id: str | None = None

    @cached_property
    def session(self) -> Any:
        """The session of all clients; created on first use, which takes 50 ms."""
        silence_signed_requests()
        try:
            return boto3.Session(region_name=self.region)
        except BotoCoreError as error:
            raise SpecError(f"AWS cannot be reached: {error}", remedy="check AWS_PROFILE") from error

    def client(self, service: str, *, read_timeout_s: float = 60, parallel: int = 10) -> Any:
        """Return a client that tries once, keeps connections alive and has timeouts.

        Args:
            service: boto3's name of the service.
            read_timeout_s: Maximum wait for a response.
            parallel: Maximum number of concurrent requests.

        Raises:
            SpecError: Neither the settings nor the environment names a region, or the URL is invalid.
        """
        config = client_config(read_timeout_s=read_timeout_s, parallel=parallel)
        try:
            client = self.session.client(service, endpoint_url=self.endpoint_url, config=config)
        except (BotoCoreError, ValueError) as error:
            raise SpecError(
                f"AWS cannot be reached: {error}",
                remedy="set CLUSTER_AWS_REGION, or AWS_DEFAULT_REGION; and AWS_PROFILE if you use profiles",
            ) from error
        if service == "glue" and self.catalog_id is not None:
            client.meta.events.register("provide-client-params.glue.*", self._name_catalog)
        return client

    def _name_catalog(self, params: Mapping[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        """Return the parameters of a Glue call, with the catalog id if the operation takes one."""
        named = {"CatalogId": self.catalog_id} if "CatalogId" in model.input_shape.members else {}
        return {**named, **params}


def client_config(*, read_timeout_s: float = 60, parallel: int = 10) -> Config:
    """Return the configuration of every client; see `AwsAccount.client`."""
    return Config(
        retries=_ONE_ATTEMPT,
        connect_timeout=10,
        read_timeout=read_timeout_s,
        tcp_keepalive=True,
        max_pool_connections=max(10, parallel),
        user_agent_extra="cluster-assets",
    )


def silence_signed_requests() -> None:
    """Silence the SDK loggers that would print credentials, regardless of the root logger's level."""
    for name in _LOGGERS_OF_SIGNED_REQUESTS:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET or logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
