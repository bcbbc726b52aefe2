"""Sessions of Snowflake, opened from a named connection of `connections.toml`; faults say what to do."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.packages import require
from cluster_assets.domain.errors import PublicationError, TargetUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RETRY_S = 180
"""How long the connector retries throttled and broken calls."""
LOCK_WAIT_S = 600
"""How long a statement waits for another publisher. Snowflake ends one that died after five minutes."""
NOT_THERE = 2003
"""Snowflake's error number of an object that does not exist, or that the role may not see."""
_EXTRA = "snowflake"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snowflake:
    """Opens sessions.

    Attributes:
        connection: Name in `connections.toml`; it has the account, the user with its key, the warehouse, the
            database and the schema.
        file: The file; None for the connector's default.
    """

    connection: str
    file: Path | None

    @property
    def address(self) -> str:
        """How messages and receipts name it."""
        return f"snowflake://{self.connection}"

    @contextmanager
    def opened(self) -> Iterator[Session]:
        """Yield a session; a transaction that it leaves open is rolled back.

        Raises:
            PublicationError: There is no such connection, or Snowflake refuses the user.
            TargetUnavailableError: Snowflake does not answer.
        """
        connector = require("snowflake.connector", extra=_EXTRA)
        where = {} if self.file is None else {"connections_file_path": self.file}
        try:
            connection = connector.connect(
                connection_name=self.connection,
                login_timeout=RETRY_S,
                network_timeout=RETRY_S,
                session_parameters={"LOCK_TIMEOUT": LOCK_WAIT_S},
                **where,
            )
        except (connector.Error, OSError, TypeError, ValueError) as error:
            raise self._not_opened(error) from error
        try:
            yield Session(connection, connector.Error, self.address)
        finally:
            connection.close(retry=False)

    def _not_opened(self, error: Exception) -> PublicationError:
        if is_unavailable(error):
            return unavailable(error, self.address)
        return PublicationError(
            f"Snowflake cannot be opened with the credentials of the connection {self.connection}: {error}",
            where=str(self.file or "connections.toml"),
            remedy="write the connection there: account, user, authenticator = SNOWFLAKE_JWT, "
            "private_key_file, warehouse, database and schema; only its owner may read the file",
        )


class Session:
    """Runs statements.

    Args:
        connection: Of the connector.
        fault: Base of the connector's errors.
        address: For messages.
    """

    def __init__(self, connection: Any, fault: type[Exception], address: str) -> None:
        self._connection = connection
        self._fault = fault
        self._address = address

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement with values for its `%s`, and return its rows.

        Raises:
            PublicationError: Snowflake refuses it; the cause is the connector's error.
            TargetUnavailableError: Snowflake does not answer.
        """
        _logger.info("Snowflake: %s", statement)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement, values or None)
                return [tuple(row) for row in cursor.fetchall()]
        except self._fault as error:
            if is_unavailable(error):
                raise unavailable(error, self._address) from error
            raise PublicationError(
                f"Snowflake refuses a statement: {' '.join(str(error).split())}",
                where=f"{self._address}: {' '.join(statement.split())[:200]}",
                remedy="check the connection's role: it must use the warehouse, create tables in the "
                "schema and read the stage",
            ) from error


def is_unavailable(error: Exception) -> bool:
    """Whether Snowflake did not answer, or throttled, until the connector gave up."""
    errors = require("snowflake.connector.errors", extra=_EXTRA)
    found = (
        errors.OperationalError,
        errors.InternalServerError,
        errors.ServiceUnavailableError,
        errors.GatewayTimeoutError,
        errors.TooManyRequests,
        errors.BadGatewayError,
        errors.OtherHTTPRetryableError,
    )
    return isinstance(error, found)


def unavailable(error: Exception, where: str) -> TargetUnavailableError:
    """Return the error for Snowflake not answering."""
    return TargetUnavailableError(
        f"Snowflake does not answer, or throttles: {' '.join(str(error).split())}",
        where=where,
        remedy="publish the day again later: cluster-assets run, or materialize the asset",
    )
