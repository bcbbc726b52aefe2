"""The files of an event whose pairs of kept points are known are those of one that compares all pairs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import arro3.io
import numpy as np
import pytest
from arro3.core import Array, RecordBatch
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_worker.contract.candidates import MeasureNewEvent
from lambda_worker.handler import handler
from lambda_worker.pairs import blocks
from lambda_worker.pairs.pairs import PairFiles
from tests.worker.pairs.test_measure import brute, clouds, event_of, measure, write_block

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return lambda: tmp_path_factory.mktemp("new")


def write_pairs(path: Path, pairs: Sequence[tuple[int, int, float]]) -> tuple[str, ...]:
    """A file of known pairs; none without pairs."""
    if not pairs:
        return ()
    low, high, distance = (np.array(column) for column in zip(*pairs, strict=True))
    arrays = [Array.from_numpy(column) for column in (low.astype(np.int64), high.astype(np.int64), distance)]
    arro3.io.write_parquet(
        RecordBatch.from_arrays(arrays, names=["point_a", "point_b", "distance"]), str(path)
    )
    return (str(path),)


def events_of(
    folder: Path, cloud: tuple[str, float, Any], kept: Any, parts: int
) -> list[tuple[Any, MeasureNewEvent]]:
    """For each block of ids, with itself and those after it: an event of all pairs, and one of new ones."""
    metric, threshold, values = cloud
    cuts = [part for part in np.array_split(np.arange(len(values)), parts) if len(part)]
    files = [
        (write_block(folder / f"{n}.parquet", part, values[part], kept[part]),) for n, part in enumerate(cuts)
    ]
    known = [pair for pair in brute(values, metric, threshold) if kept[pair[0]] and kept[pair[1]]]
    found = []
    for n, part in enumerate(cuts):
        place = {name: folder / f"{name}{n}" for name in ("all", "new")}
        given: dict[str, Any] = {
            "others": tuple(files[n + 1 :]), "metric": metric, "threshold": threshold,
            "point_count": sum(map(len, cuts[n:])),
        }  # fmt: skip
        at_home = write_pairs(folder / f"known{n}.parquet", [pair for pair in known if pair[0] in part])
        plain = event_of(files[n], values, place["all"], **given)
        new = MeasureNewEvent.of(event_of(files[n], values, place["new"], **given), "is_halo", at_home)
        found.append((plain, new))
    return found


def bytes_of(event: Any) -> list[bytes]:
    return [Path(file.uri).read_bytes() for file in measure(event).files]


@settings(max_examples=100)
@given(clouds(), st.integers(1, 3), st.floats(0, 1), st.integers(0, 2**32))
def test_files_are_those_of_all_pairs(
    folders: Any, cloud: tuple[str, float, Any], parts: int, share: float, seed: int
) -> None:
    kept = (np.random.default_rng(seed).random(len(cloud[2])) < share).astype(int)
    for plain, new in events_of(folders(), cloud, kept, parts):
        assert bytes_of(new) == bytes_of(plain)


def test_only_new_pairs_are_measured(folders: Any) -> None:
    values = np.random.default_rng(1).standard_normal((200, 8))
    kept = np.ones(200, int)
    kept[::10] = 0
    ((plain, new),) = events_of(folders(), ("cosine", 2.0, values), kept, 1)
    assert measure(plain).tested == 200 * 199 // 2
    assert measure(new).tested == 20 * 19 // 2 + 20 * 180


def test_halves_of_an_event_have_its_pairs(folders: Any) -> None:
    """A block alone, and its others without it, as a caller splits an event that takes too long."""
    values = np.random.default_rng(2).standard_normal((90, 8))
    kept = (np.arange(90) % 3 > 0).astype(int)
    plain, new = events_of(folders(), ("cosine", 0.8, values), kept, 3)[0]
    folder = folders()
    halves = [
        {"others": (), "point_count": 30, "output": str(folder / "a")},
        {"within": False, "output": str(folder / "b")},
    ]
    for change in halves:
        split = [type(one).from_json({**one.to_json(), **change}) for one in (plain, new)]
        assert bytes_of(split[1]) == bytes_of(split[0]) != []


def test_several_files_are_written_by_the_search_of_all_pairs(
    folders: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their contents depend on the order in which pairs are found."""
    monkeypatch.setattr(blocks, "PairFiles", partial(PairFiles, file_pairs=100))
    values = np.random.default_rng(3).standard_normal((60, 8))
    kept = (np.arange(60) % 2).astype(int)
    ((plain, new),) = events_of(folders(), ("cosine", 0.9, values), kept, 1)
    assert len(bytes_of(new)) > 2
    assert bytes_of(new) == bytes_of(plain)


def test_known_pairs_count_towards_the_limit_and_must_be_at_home(folders: Any) -> None:
    values, folder = np.random.default_rng(4).standard_normal((20, 8)), folders()
    new = events_of(folder, ("cosine", 2.0, values), np.arange(20) % 2, 1)[0][1]
    assert measure(MeasureNewEvent.from_json(new.to_json() | {"max_pairs": 190})).pairs == 190
    assert handler(new.to_json() | {"max_pairs": 189}, None)["error_type"] == "PairLimitError"
    other = write_pairs(folder / "other.parquet", [(2, 3, 0.5)])  # point 2 is new
    reply = handler(new.to_json() | {"known": list(other)}, None)
    assert (reply["ok"], reply["error_type"]) == (False, "InputError")
    assert "point 2 is not kept at home" in reply["error"]
    reply = handler(new.to_json() | {"halo_column": "is_halo"}, None)
    assert "has no halo" in reply["error"]
