"""Free ports for servers that need a port number before they start."""

from __future__ import annotations

import random
import socket

# Systems give programs that ask for any port one from 32768 on: none of these is taken by chance.
_PORTS = range(20_000, 32_768)


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    while True:
        port = random.SystemRandom().choice(_PORTS)  # not that of a test with a seed
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
