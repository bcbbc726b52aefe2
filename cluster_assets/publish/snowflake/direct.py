"""Target `snowflake` with `mode: delta_direct`: Snowflake reads the Delta table of the warehouse in place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlglot.expressions as exp

from cluster_assets.domain.errors import PublicationError
from cluster_assets.publish.snowflake.columns import quote
from cluster_assets.publish.snowflake.copied import count_rows, table_name
from cluster_assets.publish.snowflake.receipts import Receipts
from cluster_assets.publish.target import Receipt, decide, unwritten

if TYPE_CHECKING:
    from cluster_assets.publish.delta.target import DeltaTarget
    from cluster_assets.publish.snowflake.session import Session, Snowflake
    from cluster_assets.publish.target import TableDay


@dataclass(frozen=True, slots=True)
class Access:
    """What an administrator of Snowflake creates once.

    Attributes:
        volume: External volume whose base is the bucket of the warehouse.
        catalog: Catalog integration for Delta files.
    """

    volume: str
    catalog: str

    @property
    def statements(self) -> str:
        """The statements that create both; the role of AWS must trust Snowflake and read the bucket."""
        return (
            f"CREATE EXTERNAL VOLUME IF NOT EXISTS {self.volume} STORAGE_LOCATIONS = ((NAME = 'warehouse' "
            "STORAGE_PROVIDER = 'S3' STORAGE_BASE_URL = 's3://<bucket>/' "
            "STORAGE_AWS_ROLE_ARN = '<role>')) ALLOW_WRITES = FALSE; "
            f"CREATE CATALOG INTEGRATION IF NOT EXISTS {self.catalog} CATALOG_SOURCE = OBJECT_STORE "
            "TABLE_FORMAT = DELTA ENABLED = TRUE;"
        )


class DirectTarget:
    """Publishes to the Delta table of the warehouse, then makes Snowflake read its newest snapshot.

    Args:
        snowflake: The connection.
        delta: The Delta tables.
        access: How Snowflake reads their bucket.
    """

    def __init__(self, snowflake: Snowflake, delta: DeltaTarget, access: Access) -> None:
        self._snowflake = snowflake
        self._delta = delta
        self._access = access

    def publish(self, table: TableDay) -> Receipt:
        """Publish the day to the Delta table, and refresh the Snowflake table if it shows another version.

        Raises:
            PublicationError: The storage or Snowflake refuses or fails.
        """
        where = f"{self._snowflake.address}/{table_name(table)}"
        committed = self._delta.publish(table)
        if committed.outcome == "superseded":
            return committed
        with self._snowflake.opened() as session:
            receipts = Receipts(session, table_name(table))
            receipts.create()
            shown = receipts.shown(table)
            outcome = decide(shown, table.mark, where)
            if outcome != "written":
                return unwritten(outcome, shown, where)
            self._refresh(session, table, committed.address)
            receipts.lock(table)
            shown = receipts.shown(table)
            outcome = decide(shown, table.mark, where)
            if outcome == "written":
                receipts.write(table)
                return Receipt("written", where, committed.bytes)
            return unwritten(outcome, shown, where)

    def count(self, table: TableDay) -> int | None:
        """Return the rows of the day that Snowflake reads; None if it shows another version.

        Raises:
            PublicationError: Snowflake refuses or fails.
        """
        with self._snowflake.opened() as session:
            if Receipts(session, table_name(table)).shown(table) != table.mark:
                return None
            return count_rows(session, table)

    def _refresh(self, session: Session, table: TableDay, root: str) -> None:
        name = quote(table_name(table))
        base = exp.Literal.string(root.removeprefix("s3://").partition("/")[2] + "/").sql(dialect="snowflake")
        try:
            session.run(
                f"CREATE ICEBERG TABLE IF NOT EXISTS {name} EXTERNAL_VOLUME = '{self._access.volume}' "
                f"CATALOG = '{self._access.catalog}' BASE_LOCATION = {base}"
            )
            session.run(f"ALTER ICEBERG TABLE {name} REFRESH")
        except PublicationError as error:
            raise PublicationError(
                f"Snowflake cannot read the Delta table: {error.what}",
                where=root,
                remedy=f"has an administrator run this? {self._access.statements}",
            ) from error
