"""The guarantees of a ledger without faults around it, and what it refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.backends.ports import WrittenFile
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.digests import canonical_json
from cluster_assets.domain.errors import (
    ClusterAssetsError,
    ConflictError,
    IntegrityError,
    SpecError,
    UpstreamMissingError,
)
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.stages.ledger.ledger import COMMIT_TRIES, Ledger

if TYPE_CHECKING:
    from tests.stages.ledger.conftest import Lake


def test_a_first_run_is_published(lake: Lake) -> None:
    manifest = lake.run("in-1", "hello")
    assert lake.current() == manifest
    assert lake.published() == "hello"
    assert manifest.version == 1
    assert lake.ledger.days("points") == (lake.day,)
    (uri,) = lake.ledger.uris(manifest, "members")
    prefix = f"attackers/points/day=2013-03-03/{manifest.attempt}/members"
    assert uri == lake.store.uri(f"{prefix}/part-00000.parquet")
    body = lake.store.read("attackers/points/_manifests/day=2013-03-03/00000001.json")
    assert read_manifest(body, where="here") == manifest
    earlier = {name: value for name, value in json.loads(body).items() if name != "digest"}
    assert read_manifest(json.dumps(earlier).encode(), where="here") == manifest
    with pytest.raises(IntegrityError, match="its content is not what was written"):
        read_manifest(body.replace(b'"version":1', b'"version":2'), where="here")


def test_scratch_is_removed_once_published(lake: Lake) -> None:
    manifest = lake.run("in-1", "hello")
    assert lake.files() == [file.key for file in manifest.tables["members"].files]


def test_what_an_abandoned_invocation_left_is_not_published(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    draft = lake.draft(attempt, "in-1", "whole")
    lake.write(attempt.prefix_uri("members"), b"half", "part-00000-a.parquet")
    manifest = lake.ledger.commit(draft)
    assert lake.files() == [file.key for file in manifest.tables["members"].files]
    assert lake.published() == "whole"


def test_an_empty_day_is_published(lake: Lake) -> None:
    manifest = lake.run("in-1", "")
    assert lake.current() == manifest
    assert lake.ledger.uris(manifest, "members") == ()
    assert lake.ledger.require("points", lake.day) == manifest
    assert lake.ledger.find_reusable("points", lake.day, "in-1") == manifest


def test_files_are_in_key_order_whatever_the_engine_says(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    draft = lake.draft(attempt, "in-1", "b")
    contract, (file,) = draft.tables["members"]
    last = lake.write(attempt.prefix_uri("members"), b"c", "part-00001.parquet")
    tables = {"members": (contract, (last, file))}
    manifest = lake.ledger.commit(dataclasses.replace(draft, tables=tables))
    assert [Path(uri).name for uri in lake.ledger.uris(manifest, "members")] == [
        "part-00000.parquet",
        "part-00001.parquet",
    ]


def test_an_unpublished_day_has_no_pointer_and_requiring_it_names_a_remedy(lake: Lake) -> None:
    assert lake.current() is None
    assert lake.ledger.find_reusable("points", lake.day, "in-1") is None
    with pytest.raises(UpstreamMissingError) as caught:
        lake.ledger.require("points", lake.day)
    assert "'points'" in str(caught.value)
    assert "cluster-assets run attackers --day 2013-03-03" in str(caught.value)


def test_finished_work_is_found_and_other_inputs_are_not(lake: Lake) -> None:
    manifest = lake.run("in-1", "hello")
    assert lake.ledger.find_reusable("points", lake.day, "in-1") == manifest
    assert lake.ledger.find_reusable("points", lake.day, "in-2") is None
    assert lake.ledger.find_reusable("points", lake.day.next, "in-1") is None
    assert lake.ledger.find_reusable("clusters", lake.day, "in-1") is None


def test_superseded_work_is_not_reused(lake: Lake) -> None:
    lake.run("in-1", "one")
    lake.run("in-2", "two")
    assert lake.ledger.find_reusable("points", lake.day, "in-1") is None
    assert lake.run("in-1", "one").version == 3
    assert lake.published() == "one"


@pytest.mark.parametrize("damage", ["removed", "truncated", "grown"])
def test_damaged_work_is_refused_downstream_and_recomputed(lake: Lake, damage: str) -> None:
    manifest = lake.run("in-1", "hello")
    path = Path(lake.ledger.uris(manifest, "members")[0])
    path.unlink()
    if damage != "removed":
        path.write_bytes(b"hell" if damage == "truncated" else b"hello!")
    with pytest.raises(IntegrityError, match=path.name):
        lake.ledger.require("points", lake.day)
    assert lake.ledger.find_reusable("points", lake.day, "in-1") is None
    again = lake.run("in-1", "hello")
    assert again.version == 2
    assert again.content_digest == manifest.content_digest
    assert lake.ledger.require("points", lake.day) == again
    assert lake.published() == "hello"


def test_force_publishes_a_new_version_of_the_same_content(lake: Lake) -> None:
    first = lake.run("in-1", "hello")
    forced = lake.run("in-1", "hello", force=True)
    assert (forced.version, forced.content_digest) == (2, first.content_digest)
    assert lake.current() == forced


@pytest.mark.parametrize("damage", ["missing", "nonsense", "list", "bad day", "of another day"])
def test_a_damaged_manifest_is_one_clear_error_that_force_repairs(lake: Lake, damage: str) -> None:
    lake.run("in-1", "hello")
    path = Path(lake.store.uri("attackers/points/_manifests/day=2013-03-03/00000001.json"))
    written = json.loads(path.read_bytes())
    del written["digest"]  # else it would be found first
    body = canonical_json(written).encode()
    bodies = {
        "nonsense": b"\xff{",
        "list": b"[1]",
        "bad day": body.replace(b'"2013-03-03"', b'"2013-99-03"'),
        "of another day": body.replace(b'"2013-03-03"', b'"2013-03-04"'),
    }
    path.unlink()
    if damage in bodies:
        assert bodies[damage] != body
        path.write_bytes(bodies[damage])
    for read in (lake.ledger.current, lake.ledger.require):
        with pytest.raises(IntegrityError, match=r"00000001\.json") as caught:
            read("points", lake.day)
        assert caught.value.remedy
    assert lake.run("in-1", "hello", force=True).version == 2
    assert lake.published() == "hello"


def test_a_pointer_to_a_version_that_was_deleted_by_hand_is_passed(lake: Lake) -> None:
    lake.run("in-1", "one")
    pointer = Pointer("attackers/points/_manifests/day=2013-03-03/00000005.json", 5)
    lake.catalog.flip("attackers", "points", lake.day, pointer)
    with pytest.raises(IntegrityError, match="missing"):
        lake.current()
    assert lake.run("in-1", "one").version == 6
    assert lake.published() == "one"


def test_a_lost_pointer_is_found_again_without_recomputing(lake: Lake) -> None:
    manifest = lake.run("in-1", "one")
    (lake.root / "catalog" / "attackers" / "points" / "day=2013-03-03.json").unlink()
    assert lake.current() is None
    assert lake.ledger.find_reusable("points", lake.day, "in-1") == manifest
    assert lake.current() == manifest


def test_only_files_of_the_attempt_can_be_committed(lake: Lake) -> None:
    ledger = lake.ledger
    other = ledger.start_attempt("points", lake.day)
    attempt = ledger.start_attempt("points", lake.day)
    draft = lake.draft(attempt, "in-1", "hello")
    contract, (good,) = draft.tables["members"]
    strays = [
        lake.write(other.prefix_uri("members"), b"x"),
        lake.write(attempt.scratch_uri("members"), b"x"),
        lake.write(attempt.prefix_uri("points"), b"x"),
        lake.write(str(lake.root / "elsewhere"), b"x"),
        WrittenFile(good.uri, rows=5, bytes=4),
        WrittenFile(good.uri + ".missing", rows=5, bytes=5),
    ]
    for stray in strays:
        bad = dataclasses.replace(draft, tables={"members": (contract, (stray,))})
        with pytest.raises(IntegrityError):
            ledger.commit(bad)
    link = Path(attempt.prefix_uri("members")) / "link.parquet"
    link.symlink_to(lake.root / "elsewhere" / "part-00000.parquet")
    bad = dataclasses.replace(draft, tables={"members": (contract, (WrittenFile(str(link), 1, 1),))})
    with pytest.raises(IntegrityError, match="symbolic link"):
        ledger.commit(bad)
    assert lake.versions() == []
    assert ledger.commit(draft).version == 1


def test_an_unknown_table_is_one_clear_error(lake: Lake) -> None:
    with pytest.raises(IntegrityError, match="'points'"):
        lake.ledger.uris(lake.run("in-1", "hello"), "points")


@pytest.mark.parametrize("name", ["..", "a/b", "", "_manifests", "day=2013-03-03", "A"])
def test_hostile_names_are_refused(lake: Lake, name: str) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    for action in (
        lambda: Ledger(lake.store, lake.catalog, name),
        lambda: lake.ledger.start_attempt(name, lake.day),
        lambda: lake.ledger.current(name, lake.day),
        lambda: attempt.prefix_uri(name),
        lambda: attempt.scratch_uri(name),
    ):
        with pytest.raises(SpecError):
            action()


def test_attempts_are_apart_even_in_the_same_second(lake: Lake) -> None:
    then = dt.datetime(2026, 1, 31, 6, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    ledger = Ledger(lake.store, lake.catalog, "attackers", clock=lambda: then, code_version="1.2.3")
    attempts = [ledger.start_attempt("points", lake.day) for _ in range(100)]
    assert len({attempt.uri for attempt in attempts}) == 100
    assert all(attempt.id.startswith("20260131T050000Z-") for attempt in attempts)
    manifest = ledger.commit(lake.draft(attempts[0], "in-1", "x"))
    assert (manifest.created_at, manifest.code_version) == ("2026-01-31T05:00:00+00:00", "1.2.3")


def test_a_commit_gives_up_after_a_bounded_number_of_tries(lake: Lake) -> None:
    class Contended(type(lake.store)):  # type: ignore[misc]
        """A store in which somebody else always was a moment earlier."""

        def put_if_absent(self, key: str, body: bytes) -> bool:
            ours = read_manifest(body, where=key)
            other = dataclasses.replace(ours, input_digest="in-2", attempt="another")
            super().put_if_absent(key, other.to_json())
            return bool(super().put_if_absent(key, body))

    ledger = Ledger(Contended(lake.root / "warehouse"), lake.catalog, "attackers")
    attempt = ledger.start_attempt("points", lake.day)
    with pytest.raises(ConflictError, match=str(COMMIT_TRIES)) as caught:
        ledger.commit(lake.draft(attempt, "in-1", "x"))
    assert isinstance(caught.value, ClusterAssetsError)
    assert lake.versions() == list(range(1, COMMIT_TRIES + 1))
    assert lake.current() is None
