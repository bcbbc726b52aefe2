"""Settings of the Athena engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster_assets.engines.athena_errors import Patience


@dataclass(frozen=True, slots=True)
class AthenaConfig:
    """Where queries run and how long to wait for them.

    Attributes:
        work_group: The workgroup; its limits and result location hold.
        results_uri: `s3://` folder for results, where the workgroup has none.
        results_owner: Account that must own the bucket of `results_uri`.
        kms_key: KMS key of results and of what UNLOAD writes; None leaves it to workgroup and bucket. A
            workgroup that enforces its settings uses its own key.
        database: Glue database of a table that is named without one.
        scratch_database: Glue database of the short-lived tables over input files; nothing else is in it.
        catalog: Athena's name of the Glue catalog.
        query_seconds: A query that takes longer is stopped; Athena's own quota is 30 minutes.
        longest_poll_s: Longest pause between two looks at a query.
        parallel: Parquet footers read at once.
        patience: For throttles and passing faults of each call and of the whole statement.
    """

    work_group: str = "primary"
    results_uri: str | None = None
    results_owner: str | None = None
    kms_key: str | None = None
    database: str = "default"
    scratch_database: str = "cluster_assets_scratch"
    catalog: str = "AwsDataCatalog"
    query_seconds: float = 1800.0
    longest_poll_s: float = 2.0
    parallel: int = 16
    patience: Patience = field(default_factory=Patience)
