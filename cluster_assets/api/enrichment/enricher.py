"""Asks all sources of a day about an entity, with a cache and a circuit breaker for each."""

from __future__ import annotations

import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from cluster_assets.api.enrichment.connections import Connector, SourceFailedError
from cluster_assets.api.enrichment.permissions import NotPermittedError, Permissions
from cluster_assets.api.observing import LOG
from cluster_assets.api.problems import ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_worker.serving.contract import Source

_FAILURES = 5  # in a row; then the source is left alone for a while
_PAUSE_S = 30.0
_THREADS = 16
_SOURCES = 256  # with a cache; beyond, the one that was asked the longest time ago is forgotten
_SLACK_S = 0.5  # beyond a time-out: name servers are asked without one


class Enricher:
    """Adds what sources know to an entity.

    Args:
        permissions: Which sources may be asked.
        connector: Asks them.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        permissions: Permissions,
        connector: Connector | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._permissions, self._connector, self._clock = permissions, connector, clock
        self._threads = ThreadPoolExecutor(_THREADS, "enrichment")
        self._guarded: OrderedDict[bytes, _Guarded] = OrderedDict()
        self._lock = Lock()

    def ask(self, sources: Sequence[Source], entity: str) -> dict[str, Any]:
        """Return the answers by name of the source.

        Raises:
            ProblemError: A source with `on_failure: fail` failed, or may not be asked (502).
        """
        futures = [(source, self._threads.submit(self._ask, source, entity)) for source in sources]
        answers: dict[str, Any] = {}
        for source, future in futures:
            try:
                answers[source.name] = future.result(source.timeout_s + _SLACK_S)
            except (SourceFailedError, NotPermittedError, TimeoutError) as error:
                _log(source, error)
                if source.on_failure == "fail":
                    raise ProblemError(
                        502, f"the source {source.name} does not answer; ask again later"
                    ) from error
        return answers

    def _ask(self, source: Source, entity: str) -> Any:
        # Two versions of a source share nothing; two days with the same one share its cache.
        key = msgspec.json.encode(source)
        with self._lock:
            if key not in self._guarded:
                self._guarded[key] = self._guard(source)
                while len(self._guarded) > _SOURCES:
                    self._guarded.popitem(last=False)
            self._guarded.move_to_end(key)
            guarded = self._guarded[key]
        return guarded.ask(entity)

    def _guard(self, source: Source) -> _Guarded:
        headers = self._permissions.headers_of(source)
        if self._connector is None:
            self._connector = Connector()
        return _Guarded(source, headers, self._connector, self._clock)


class _Guarded:
    """A source with its cache and its circuit breaker."""

    def __init__(
        self, source: Source, headers: dict[str, str], connector: Connector, clock: Callable[[], float]
    ) -> None:
        self.source, self._headers, self._connector, self._clock = source, headers, connector, clock
        self._lock = Lock()
        self._kept: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._failures = 0
        self._rests_until = float("-inf")

    def ask(self, entity: str) -> Any:
        now = self._clock()
        with self._lock:
            known = self._kept.get(entity)
            if known is not None and now < known[0]:
                self._kept.move_to_end(entity)
                return known[1]
            if now < self._rests_until:
                raise SourceFailedError(f"{self.source.name}: it failed {_FAILURES} times and rests")
            if self._failures >= _FAILURES:
                self._rests_until = now + _PAUSE_S  # for all but this request, which tries it again
        try:
            answer = self._connector.ask(self.source, self._headers, entity)
        except SourceFailedError:
            self._note_failure()
            raise
        self._keep(entity, answer)
        return answer

    def _note_failure(self) -> None:
        with self._lock:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._rests_until = self._clock() + _PAUSE_S

    def _keep(self, entity: str, answer: Any) -> None:
        with self._lock:
            self._failures, self._rests_until = 0, float("-inf")
            self._kept[entity] = (self._clock() + self.source.cache_s, answer)
            self._kept.move_to_end(entity)
            while len(self._kept) > self.source.cache_entries:
                self._kept.popitem(last=False)


def _log(source: Source, error: Exception) -> None:
    line = {"time": time.time(), "level": "WARNING", "operation": "enrichment", "source": source.name,
            "error": str(error) or type(error).__name__}  # fmt: skip
    LOG.warning(msgspec.json.encode(line).decode())
