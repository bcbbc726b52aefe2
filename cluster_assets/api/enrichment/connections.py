"""One request to a server, only ever to a public address."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from http.client import HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambda_worker.serving.contract import Source

_MOST_BYTES = 2**16
# Addresses of IPv6 that lead to addresses of IPv4, private ones included.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class SourceFailedError(Exception):
    """A source gave no usable answer; the text has neither the entity nor credentials."""


def is_public(address: str) -> bool:
    """Whether an address belongs to the internet, and not to this machine, its network or its cloud.

    >>> [is_public(one) for one in ("93.184.215.14", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1")]
    [True, False, False, False]
    """
    ip = ipaddress.ip_address(address)
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    return ip not in _NAT64 and ip.sixtofour is None and ip.teredo is None and ip.ipv4_mapped is None


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Connector:
    """Asks sources.

    Args:
        resolve: Returns the addresses of a host and port.
        may_connect: Whether an address may be connected to.
        context: Verifies certificates.
    """

    def __init__(
        self,
        resolve: Callable[[str, int], list[str]] = resolve,
        may_connect: Callable[[str], bool] = is_public,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._resolve, self._may_connect = resolve, may_connect
        self._context = context or ssl.create_default_context()

    def ask(self, source: Source, headers: Mapping[str, str], entity: str) -> Any:
        """Return the JSON that a source has about an entity; None if it has none (404).

        Raises:
            SourceFailedError: There is no answer in time, it is an error or a redirect, too large or
                not JSON, or the host has an address that is not public.
        """
        try:
            return self._ask(source, headers, entity, time.monotonic() + source.timeout_s)
        except (OSError, HTTPException, msgspec.DecodeError, RecursionError) as error:
            raise SourceFailedError(f"{source.name}: {type(error).__name__}") from error

    def _ask(self, source: Source, headers: Mapping[str, str], entity: str, ends: float) -> Any:
        parts = urlsplit(source.url.replace("{entity}", quote(entity, safe="")))
        host, port = str(parts.hostname), parts.port or 443
        addresses = self._resolve(host, port)
        if not addresses or not all(map(self._may_connect, addresses)):
            raise SourceFailedError(f"{source.name}: the host has an address that is not public")
        connection = _PinnedConnection(host, port, addresses[0], self._context, _left(ends))
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers={"accept": "application/json", **headers})
            connection.limit(ends)
            with connection.getresponse() as answer:
                body = b""
                # `read1` returns after each packet, so that a slow sender cannot keep the deadline away.
                while chunk := answer.read1(_MOST_BYTES):
                    body += chunk
                    if len(body) > _MOST_BYTES:
                        raise SourceFailedError(f"{source.name}: the answer has over {_MOST_BYTES} bytes")
                    connection.limit(ends)
            if answer.status == 404:
                return None
            # Redirects are not followed: they could lead to other hosts and to private addresses.
            if answer.status != 200:
                raise SourceFailedError(f"{source.name}: status {answer.status}")
            return msgspec.json.decode(body)
        finally:
            connection.close()


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _PinnedConnection(HTTPSConnection):
    """A connection to the address that was checked: another look-up could name a private one."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext, timeout_s: float) -> None:
        super().__init__(host, port, timeout=timeout_s, context=context)
        self._address, self._verify = address, context
        self._socket: ssl.SSLSocket | None = None

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        try:
            self.sock = self._socket = self._verify.wrap_socket(plain, server_hostname=self.host)
        except OSError:
            plain.close()
            raise

    def limit(self, ends: float) -> None:
        """Wait for the next packet until a time at most."""
        # `self.sock` is None once the last response of the connection has begun.
        if self._socket is not None:
            self._socket.settimeout(_left(ends))
