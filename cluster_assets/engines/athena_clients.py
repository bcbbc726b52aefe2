"""Clients of AWS for the Athena engine; PyAthena's connection holds that of Athena."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyathena.connection import Connection

from cluster_assets.aws.clients import AwsAccount, client_config


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


def open_clients(work_group: str, *, parallel: int, account: AwsAccount | None = None) -> AthenaClients:
    """Clients of an account, by default that of the standard AWS environment.

    Args:
        work_group: The Athena workgroup.
        parallel: How many requests to S3 may be under way at once.
        account: Region and addresses.
    """
    account = account or AwsAccount()
    connection: Connection[Any] = Connection(
        work_group=work_group,
        s3_staging_dir="",
        session=account.session,
        config=client_config(parallel=parallel),
        endpoint_url=account.endpoint_url,
    )
    return AthenaClients(
        athena=connection.client,
        glue=account.client("glue", parallel=parallel),
        s3=account.client("s3", parallel=parallel),
    )
