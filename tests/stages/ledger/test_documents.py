"""Documents are published, checked for damage and collected like tables."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.errors import IntegrityError
from cluster_assets.domain.manifests import read_manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.ledger import Ledger
    from tests.stages.ledger.conftest import Lake

PAGE, PICTURE = b"<!doctype html>", b"\x89PNG"


def run(
    lake: Lake, inputs: str, page: bytes = PAGE, *, ledger: Ledger | None = None, force: bool = False
) -> Manifest:
    """One run of a day that has documents beside its table."""
    ledger = ledger or lake.ledger
    found = None if force else ledger.find_reusable("points", lake.day, inputs)
    if found is not None:
        return found
    attempt = ledger.start_attempt("points", lake.day)
    draft = lake.draft(attempt, inputs, page.decode(errors="replace"), force=force)
    return ledger.commit(dataclasses.replace(draft, documents={"report.html": page, "sizes.svg": PICTURE}))


def read(lake: Lake, manifest: Manifest, name: str) -> bytes:
    body = Path(lake.ledger.document_uri(manifest, name)).read_bytes()
    document = manifest.documents[name]
    assert (len(body), hashlib.sha256(body).hexdigest()) == (document.bytes, document.digest)
    return body


def test_documents_are_published_with_the_day(lake: Lake) -> None:
    manifest = run(lake, "in-1")
    assert lake.current() == manifest
    assert sorted(manifest.documents) == ["report.html", "sizes.svg"]
    assert read(lake, manifest, "report.html") == PAGE
    assert read(lake, manifest, "sizes.svg") == PICTURE
    assert lake.files() == sorted(file.key for file in manifest.files)
    assert run(lake, "in-1") == manifest


def test_they_are_a_part_of_the_content(lake: Lake) -> None:
    first, second = run(lake, "in-1", b"one"), run(lake, "in-2", b"two")
    plain = dataclasses.replace(first, documents={})
    assert len({first.content_digest, second.content_digest, plain.content_digest}) == 3


def test_a_manifest_without_documents_is_as_it_ever_was(lake: Lake) -> None:
    body = lake.run("in-1", "hello").to_json()
    assert "documents" not in json.loads(body)
    assert read_manifest(body, where="here").documents == {}


@pytest.mark.parametrize("damage", ["gone", "shorter"])
def test_a_damaged_document_is_noticed_and_repaired(lake: Lake, damage: str) -> None:
    first = run(lake, "in-1")
    path = Path(lake.ledger.document_uri(first, "report.html"))
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(PAGE[:3])
    with pytest.raises(IntegrityError, match=r"missing or has another size"):
        lake.ledger.require("points", lake.day)
    second = run(lake, "in-1")
    assert second.version == 2
    assert read(lake, second, "report.html") == PAGE


def test_a_manifest_tells_what_it_lacks(lake: Lake) -> None:
    with pytest.raises(IntegrityError, match=r"no document 'flow\.svg'"):
        lake.ledger.document_uri(run(lake, "in-1"), "flow.svg")


@pytest.mark.parametrize("name", ["report", "../report.html", "a/b.html", "Report.html", ".html", ""])
def test_only_plain_names_are_documents(lake: Lake, name: str) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    draft = dataclasses.replace(lake.draft(attempt, "in-1", "x"), documents={name: PAGE})
    with pytest.raises(ValueError, match="no name of a document"):
        lake.ledger.commit(draft)
    assert lake.current() is None


def test_another_file_in_its_place_is_refused(lake: Lake) -> None:
    attempt = lake.ledger.start_attempt("points", lake.day)
    draft = dataclasses.replace(lake.draft(attempt, "in-1", "x"), documents={"report.html": PAGE})
    Path(attempt.uri, "report.html").write_bytes(b"somebody else's")
    with pytest.raises(IntegrityError, match="another file lies in its place"):
        lake.ledger.commit(draft)
    assert lake.current() is None


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_call_leaves_the_old_day_or_the_new_one(
    new_lake: Callable[[], Lake], *, after: bool
) -> None:
    counting = new_lake()
    run(counting, "in-1", b"old")
    steps = counting.steps()
    run(counting, "in-2", b"new", ledger=counting.faulty(steps))
    assert len(steps.calls) > 8
    for at in range(1, len(steps.calls) + 1):
        lake = new_lake()
        old = run(lake, "in-1", b"old")
        with pytest.raises(lake.crash):
            run(lake, "in-2", b"new", ledger=lake.faulty(lake.steps(at=at, after=after)))
        seen = lake.current()
        assert seen is not None
        assert read(lake, seen, "report.html") == (b"old" if seen == old else b"new")
        assert read(lake, run(lake, "in-2", b"new"), "report.html") == b"new"


def test_collection_takes_the_superseded_and_keeps_the_others(lake: Lake) -> None:
    old = run(lake, "in-1", b"old")
    new = run(lake, "in-2", b"new")
    abandoned = lake.ledger.start_attempt("points", lake.day)
    lake.write(abandoned.uri, b"half", "report.html")
    lake.age()
    removed = {found.key for found in lake.collect().removed}
    assert {file.key for file in old.files} <= removed
    assert lake.store.key(f"{abandoned.uri}/report.html") in removed
    assert lake.files() == sorted(file.key for file in new.files)
    assert read(lake, new, "report.html") == b"new"
