"""The emulator of Snowflake, connections to it, and a reader of its tables."""

from __future__ import annotations

import json
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ports import free_port
from readers import WITH_DAY
from waiting import LONGEST_S, wait_for
from warehouse import PIPELINE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from readers import Rows

# The connector asks which cloud it runs in, whenever it connects.
_NO_PROBES = "platform_detection_timeout_seconds"
_ARRAYS = (5, 10)  # VARIANT and ARRAY, which the connector returns as JSON
VENV = Path(__file__).parents[2] / ".venv-snowflake"


@dataclass(frozen=True)
class SnowflakeServer:
    """A running emulator.

    Attributes:
        url: Its address.
        statements: A file with a line of JSON for each statement.
    """

    url: str
    statements: Path


@contextmanager
def open_snowflake(folder: Path) -> Iterator[SnowflakeServer]:
    """Start the emulator."""
    assert (VENV / "bin" / "fakesnow").exists(), f"there is no {VENV}: make deploy-venv makes it"
    port, log, statements = free_port(), folder / "log", folder / "statements"
    statements.touch()
    program = Path(__file__).with_name("snowflake_server.py")
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [VENV / "bin" / "python", program, str(port), str(statements)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
        ) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"fakesnow answers, see {log}", lambda: _answers(url, server, log))
            yield SnowflakeServer(url, statements)
        finally:
            server.terminate()
            server.wait(LONGEST_S)


def write_connection(file: Path, url: str, schema: str, key: Path) -> None:
    """Write a connections.toml and the key of its user."""
    from cryptography.hazmat.primitives import serialization  # only here: it takes a while
    from cryptography.hazmat.primitives.asymmetric import rsa

    if not file.exists():
        private = rsa.generate_private_key(65537, 2048)
        key.write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
    address = urlsplit(url)
    values = {
        "account": "emulated",
        "user": "PUBLISHER",
        "authenticator": "SNOWFLAKE_JWT",
        "private_key_file": str(key),
        "database": "LAKE",
        "schema": schema,
        "host": str(address.hostname),
        "protocol": "http",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    file.write_text(
        "\n".join(["[cluster_assets]", f"port = {address.port}", f"{_NO_PROBES} = 0", *lines, ""])
    )
    file.chmod(0o600)


class SnowflakeReader:
    """Reads tables by a user of its own.

    Args:
        url: The server.
        schema: Of the tables.
    """

    def __init__(self, url: str, schema: str) -> None:
        self._address = urlsplit(url)
        self._schema = schema
        self._lock = threading.Lock()

    @cached_property
    def _connection(self) -> Any:
        import snowflake.connector  # only where it is read: it takes a while

        return snowflake.connector.connect(
            account="emulated",
            user="READER",
            password="guards-nothing",  # noqa: S106  # guards nothing
            host=self._address.hostname,
            port=self._address.port,
            protocol="http",
            database="LAKE",
            schema=self._schema,
            **{_NO_PROBES: 0},
        )

    def run(self, statement: str) -> None:
        """Run a statement."""
        with self._lock, self._connection.cursor() as cursor:
            cursor.execute(statement)

    def read(self, table: str, day: str, pipeline: str = PIPELINE) -> Rows | None:
        """Rows of a day; None if there is no table."""
        import snowflake.connector

        with self._lock, self._connection.cursor() as cursor:
            try:
                cursor.execute(f"SELECT * FROM {pipeline}_{table} WHERE day = %s", (day,))
            except snowflake.connector.ProgrammingError as error:
                if error.errno == 2003:
                    return None
                raise
            names = [column.name.lower() for column in cursor.description]
            arrays = [column.name.lower() for column in cursor.description if column.type_code in _ARRAYS]
            rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        for row in rows:
            row |= {name: json.loads(row[name]) for name in arrays if row[name] is not None}
            found = row.pop("day")
            if table in WITH_DAY:
                row["day"] = str(found)
        return rows


def _answers(url: str, server: subprocess.Popen[bytes], log: Path) -> bool:
    assert server.poll() is None, f"fakesnow did not start: {log.read_text()}"
    try:
        urllib.request.urlopen(f"{url}/session", timeout=LONGEST_S)  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
