"""Settings and AWS clients of the Athena engine.

The Athena client belongs to PyAthena's connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pyathena.connection import Connection

from cluster_assets.backends.aws.clients import AwsAccount, client_config
from cluster_assets.backends.patience import Patience


@dataclass(frozen=True, slots=True)
class AthenaConfig:
    """Where queries run, and how long to wait for them.

    Attributes:
        work_group: The workgroup; its limits and result location apply.
        results_uri: `s3://` folder for results, if the workgroup has none.
        results_owner: Account that must own the bucket of `results_uri`, and that of files which this process
            writes.
        kms_key: KMS key for results and UNLOAD; None uses the defaults of workgroup and bucket. A workgroup
            that enforces its settings uses its own key.
        database: Default Glue database of table names.
        scratch_database: Glue database for temporary tables over input files only.
        catalog: Athena's name of the Glue catalog.
        query_seconds: A query that takes longer is stopped; Athena's own quota is 30 minutes by default, and
            240 at most.
        quota_seconds: How long a query waits for its start while the account's quota of running queries is
            used up.
        longest_poll_s: Longest pause between polls of a query.
        small_read_bytes: Largest size of the tables of a statement that this process runs itself, see
            `SmallReads`; 0 leaves all to Athena.
        parallel: Maximum number of Parquet footers read concurrently.
        patience: For throttling and transient faults, per call and per statement.
    """

    work_group: str = "primary"
    results_uri: str | None = None
    results_owner: str | None = None
    kms_key: str | None = None
    database: str = "default"
    scratch_database: str = "cluster_assets_scratch"
    catalog: str = "AwsDataCatalog"
    query_seconds: float = 1800.0
    quota_seconds: float = 1800.0
    longest_poll_s: float = 2.0
    small_read_bytes: int = 0
    parallel: int = 16
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True, slots=True)
class AthenaClients:
    """The AWS clients of the engine.

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
    """Return the clients for an account, by default that of the standard AWS environment.

    Args:
        work_group: The Athena workgroup.
        parallel: Maximum number of concurrent requests to S3.
        account: Region and endpoints.
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
