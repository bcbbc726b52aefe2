"""The user behind a connection on this machine."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

_TABLE = Path("/proc/net/tcp")


def uid_of_peer(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Return the user id of the process that opened an IPv4 connection within this machine.

    Linux lists it in `/proc/net/tcp` (proc_net_tcp in the kernel's documentation).

    Args:
        client: Address and port of the peer.
        server: Address and port that it connected to.

    Returns:
        The user id; -1 if no such connection is listed any more; None on systems without this table.
    """
    if not _TABLE.exists():
        return None
    wanted = [_listed(client), _listed(server)]
    for line in _TABLE.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1:3] == wanted:
            return int(fields[7])
    return -1


def _listed(address: tuple[str, int]) -> str:
    """Return an address as in the table: the bytes as a number of this machine, then the port, in hex."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"
