"""Near pairs of the texts or sets of a day, in one invocation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.contract import ContractError, InputError
from lambda_worker.contract.candidates import JoinReply, set_join_memory_mb, text_join_memory_mb
from lambda_worker.kernel.token_sets import METRICS
from lambda_worker.pairs.pairs import PairFiles
from lambda_worker.pairs.sets import SetSearch
from lambda_worker.pairs.texts import TextSearch
from lambda_worker.tables.lists import TooLargeError, read_sets, read_texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_worker.contract.candidates import JoinEvent

    Search = TextSearch | SetSearch


def join_points(event: JoinEvent) -> JoinReply:
    """Write the near pairs of an event; equal input gives equal bytes.

    Raises:
        ContractError: The event or an input file is not of the contract, or there are too many pairs.
    """
    try:
        begin, count = _read(event)
    except TooLargeError:
        return JoinReply(ok=True, declined=f"the points do not fit into {event.memory_mb:,.0f} MiB")
    if count != event.point_count:
        raise InputError(f"the event promises {event.point_count} points, the files hold {count}")
    search = begin()
    tests = search.count_tests(max(event.max_tests, event.max_pairs))
    if tests > event.max_tests:
        return JoinReply(ok=True, declined=f"more than {event.max_tests:,} pairs of points share a key")
    if tests > event.max_pairs:  # pairs are counted before any is written
        _write(search, PairFiles(None, event.max_pairs))
        search = begin()
    files = PairFiles(event.output, event.max_pairs)
    _write(search, files)
    return JoinReply(ok=True, tested=search.tested, **files.fields())


def _write(search: Search, files: PairFiles) -> None:
    for one, other, distance in search.pairs():
        files.add(one, other, distance)
    files.close()


def _read(event: JoinEvent) -> tuple[Callable[[], Search], int]:
    """Return a function that begins the search, and the number of points.

    Raises:
        TooLargeError: The points do not fit into the memory of the event.
    """
    if event.kind == "text" and event.metric == "levenshtein":
        edits = int(event.threshold)
        texts = read_texts(
            event.points,
            event.column,
            lambda count, codes: text_join_memory_mb(count, codes, edits) <= event.memory_mb,
        )
        return lambda: TextSearch(texts, edits), len(texts.ids)
    if event.kind == "set" and event.metric in METRICS:
        sets = read_sets(
            event.points,
            event.column,
            lambda count, tokens, size: set_join_memory_mb(count, tokens, size) <= event.memory_mb,
        )
        return lambda: SetSearch(sets, event.metric, event.threshold), len(sets.ids)
    raise ContractError(f"there is no join of the kind {event.kind} by {event.metric}")
