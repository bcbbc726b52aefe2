"""The table of receipts: which version of a day each Snowflake table shows.

A receipt is written in the transaction that writes its rows, and locks its day for the publisher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.publish.target import Mark

if TYPE_CHECKING:
    from cluster_assets.publish.snowflake.session import Session
    from cluster_assets.publish.target import TableDay

RECEIPTS = "CLUSTER_PUBLICATIONS"
_OF_DAY = "TABLE_NAME = %s AND DAY = %s"


class Receipts:
    """The receipts of one table.

    Args:
        session: Of the schema.
        name: Name of the table.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name

    def create(self) -> None:
        """Create the table of receipts if there is none."""
        self._session.run(
            f"CREATE TABLE IF NOT EXISTS {RECEIPTS} "
            "(TABLE_NAME VARCHAR NOT NULL, DAY DATE NOT NULL, MARK VARCHAR NOT NULL)"
        )

    def shown(self, table: TableDay) -> Mark | None:
        """Return the mark of the day that readers see; None if it was never published."""
        found = self._session.run(
            f"SELECT max(MARK) FROM {RECEIPTS} WHERE {_OF_DAY}", self._name, table.day.key
        )
        return Mark.parse(str(found[0][0])) if found[0][0] else None

    def lock(self, table: TableDay) -> None:
        """Begin a transaction in which no other publisher writes the day; wait for one that does."""
        of_day = (self._name, table.day.key)
        # Two publishers may insert two empty marks, which changes nothing: the greatest mark counts.
        self._session.run(
            f"INSERT INTO {RECEIPTS} (TABLE_NAME, DAY, MARK) SELECT %s, %s::DATE, '' "
            f"WHERE NOT EXISTS (SELECT 1 FROM {RECEIPTS} WHERE {_OF_DAY})",
            *of_day,
            *of_day,
        )
        self._session.run("BEGIN")
        self._session.run(f"UPDATE {RECEIPTS} SET MARK = MARK WHERE {_OF_DAY}", *of_day)

    def write(self, table: TableDay) -> None:
        """Write the receipt of a version and commit."""
        self._session.run(
            f"UPDATE {RECEIPTS} SET MARK = %s WHERE {_OF_DAY}", str(table.mark), self._name, table.day.key
        )
        self._session.run("COMMIT")
