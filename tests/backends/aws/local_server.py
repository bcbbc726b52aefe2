"""A server of the tests: on 127.0.0.1 and a free port, in a thread, while its context is open."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from socketserver import BaseServer


class LocalServer:
    """Runs a server; a subclass says what it answers."""

    def serve(self, server: BaseServer) -> None:
        """Take the server over; it answers once the context is entered."""
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The address clients use."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"
