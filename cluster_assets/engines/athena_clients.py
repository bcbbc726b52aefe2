"""Clients of AWS for the Athena engine: one retry policy (ours), time limits, no credentials in logs.

Addresses, region and credentials come from the standard AWS environment and nowhere else.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from pyathena.connection import Connection

# At DEBUG these print signed requests: the access key id, and the session token as it is.
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
# A second layer of retries would multiply attempts and hide throttling: athena_errors decides alone.
_ONE_ATTEMPT = {"mode": "standard", "total_max_attempts": 1}


@dataclass(frozen=True, slots=True)
class AthenaClients:
    """What the engine calls.

    Attributes:
        athena: Athena, as PyAthena's connection holds it.
        glue: The catalog.
        s3: Listings, Parquet footers and manifests.
    """

    athena: Any
    glue: Any
    s3: Any

    def close(self) -> None:
        """Close the connections."""
        for client in (self.athena, self.glue, self.s3):
            client.close()


def open_clients(work_group: str, *, parallel: int) -> AthenaClients:
    """Clients from the standard AWS environment.

    Args:
        work_group: The Athena workgroup.
        parallel: How many requests to S3 may be under way at once.
    """
    silence_signed_requests()
    config = Config(
        retries=_ONE_ATTEMPT,
        connect_timeout=10,
        read_timeout=60,
        tcp_keepalive=True,
        max_pool_connections=max(10, parallel),
        user_agent_extra="cluster-assets",
    )
    session = boto3.Session()
    connection: Connection[Any] = Connection(
        work_group=work_group, s3_staging_dir="", session=session, config=config
    )
    return AthenaClients(
        athena=connection.client,
        glue=session.client("glue", config=config),
        s3=session.client("s3", config=config),
    )


def silence_signed_requests() -> None:
    """Keep the SDK's loggers that would print credentials from doing so, whatever the root logger's level."""
    for name in _LOGGERS_OF_SIGNED_REQUESTS:
        logger = logging.getLogger(name)
        if logger.level == logging.NOTSET or logger.level < logging.INFO:
            logger.setLevel(logging.INFO)
