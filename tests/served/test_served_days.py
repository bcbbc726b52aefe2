"""Published indexes as readers see them: newest day, exact versions, flips, damage and a failing catalog."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import CliRunner
from serving_days import SmallDay

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.cli import commands
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import CatalogError, IntegrityError, SpecError
from cluster_assets.lake import open_lake
from cluster_assets.served.days import PublishedIndexes
from cluster_assets.served.files import IndexFiles
from cluster_assets.served.items import classify, read_items
from cluster_assets.stages.ledger.ledger import Draft, Ledger
from lambda_worker.contract.serving import Space
from lambda_worker.serving.contract import DayNotServedError, Item

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.drafts import Attempt

DAY, NEXT = "2026-01-05", "2026-01-06"


class Lake:
    """A local lake whose indexes have one cluster at a place."""

    def __init__(self, folder: Path) -> None:
        self.store, self.catalog = LocalStore(folder / "warehouse"), LocalCatalog(folder / "catalog")
        self.now = 0.0
        self._ledger = Ledger(self.store, self.catalog, "small")
        self._count = 0

    def publish(self, day: str, cluster: int) -> Manifest:
        """Publish an index whose only cluster has this number."""
        self._count += 1
        attempt = self._ledger.start_attempt("index", parse_day(day))
        space = Space("vector", ("x0",), "euclidean", 1.0)
        SmallDay(space, {"type": "connected_components"}, [(0.0,)], [cluster]).index(Path(attempt.uri))
        files = {
            name: WrittenFile(f"{attempt.uri}/{name}", 0, Path(attempt.uri, name).stat().st_size)
            for name in ("index.safetensors", "entities.sqlite")
        }
        # The list of pipelines comes from published clusters.
        self._commit(attempt, day, "clusters", {})
        return self._commit(attempt, day, "index", files, clusters=str(cluster))

    def draw(self, day: str, cluster: int, pictures: dict[str, bytes]) -> Manifest:
        """Publish a report of the clusters that an index of this number has."""
        self._count += 1
        attempt = self._ledger.start_attempt("report", parse_day(day))
        return self._commit(attempt, day, "report", pictures, clusters=str(cluster))

    def _commit(
        self, attempt: Attempt, day: str, stage: str, documents: dict[str, Any], **inputs: str
    ) -> Manifest:
        draft = Draft(
            stage=stage,
            day=parse_day(day),
            attempt=attempt,
            input_digest=str(self._count),
            inputs=inputs,
            tables={},
            metrics={"refresh_s": 10},
            documents=documents,
        )
        return self._ledger.commit(draft)

    def open(self) -> PublishedIndexes:
        return PublishedIndexes(self.store, self.catalog, refresh_s=10, clock=lambda: self.now)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


def cluster_of(day: Any) -> int:
    (found,) = day.classify([Item(vector=(0.2,))])
    return found.cluster


def test_a_new_version_is_seen_after_the_refresh_and_an_opened_one_keeps_answering(lake: Lake) -> None:
    lake.publish(DAY, 1)
    days = lake.open()
    assert (days.pipelines(), days.days("small")) == (["small"], [DAY])
    first = days.open_day("small")
    assert (first.day, first.version, cluster_of(first)) == (DAY, 1, 1)
    lake.publish(DAY, 2)
    lake.publish(NEXT, 3)
    assert days.open_day("small") is first
    lake.now = 10.0
    assert cluster_of(days.open_day("small")) == 3
    assert cluster_of(days.open_day("small", DAY)) == 2
    assert days.open_day("small", DAY).version == 2
    assert cluster_of(days.open_day("small", DAY, version=1)) == 1
    assert cluster_of(first) == 1
    assert days.days("small") == [DAY, NEXT]


def test_pictures_show_the_clusters_of_the_index_or_are_none(lake: Lake) -> None:
    lake.publish(DAY, 1)
    days = lake.open()
    day = days.open_day("small")
    assert days.pictures(day) == {}, "there is no report yet"
    files = {"flow.svg": b"<svg/>", "distances.svg": b"<svg>d</svg>", "sizes.svg": b"<svg>s</svg>"}
    lake.draw(DAY, 1, {**files, "report.html": b"<html/>"})
    assert list(days.pictures(day).items()) == [
        ("sizes", "<svg>s</svg>"),
        ("flow", "<svg/>"),
        ("distances", "<svg>d</svg>"),
    ]
    lake.publish(DAY, 2)
    lake.now = 10.0
    assert days.pictures(days.open_day("small")) == {}, "the report shows earlier clusters"
    lake.draw(DAY, 2, files)
    assert len(days.pictures(days.open_day("small"))) == 3
    assert days.pictures(day) == {}


def test_files_that_are_removed_stay_readable_while_they_are_open(lake: Lake) -> None:
    manifest = lake.publish(DAY, 1)
    opened = lake.open().open_day("small")
    lake.store.delete([one.key for one in manifest.documents.values()])
    assert cluster_of(opened) == 1
    assert opened.entity("e000000") is not None


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("other", None, None), "no pipeline 'other'"),
        (("../small", None, None), "no pipeline"),
        (("small", NEXT, None), f"no index of {NEXT}; the newest is of {DAY}"),
        (("small", "yesterday", None), "not a day"),
        (("small", DAY, 7), "no version 7"),
    ],
)
def test_what_is_not_served_is_named(lake: Lake, asked: tuple[Any, ...], text: str) -> None:
    lake.publish(DAY, 1)
    with pytest.raises(DayNotServedError, match=text):
        lake.open().open_day(*asked)


def test_a_damaged_file_is_refused(lake: Lake) -> None:
    manifest = lake.publish(DAY, 1)
    path = Path(lake.store.uri(manifest.documents["index.safetensors"].key))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(IntegrityError, match="bytes"):
        lake.open().open_day("small")
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        lake.open().open_day("small")


def test_while_the_catalog_fails_answers_come_from_what_is_known(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.publish(DAY, 1)
    days = lake.open()
    assert cluster_of(days.open_day("small")) == 1

    def fail(*arguments: object) -> None:
        raise CatalogError("the catalog does not answer")

    for name in ("pipelines", "days", "current"):
        monkeypatch.setattr(lake.catalog, name, fail)
    lake.now = 11.0
    assert cluster_of(days.open_day("small")) == 1
    with pytest.raises(CatalogError):
        lake.open().open_day("small")


class Bucket:
    """An S3 store as far as copies of files need one."""

    def __init__(self, lake: Lake) -> None:
        self._store = lake.store
        self.reads = 0

    def uri(self, key: str) -> str:
        return f"s3://bucket/{key}"

    def read(self, key: str) -> bytes:
        self.reads += 1
        return self._store.read(key)


def test_files_on_s3_are_copied_once_verified_and_bounded(lake: Lake, tmp_path: Path) -> None:
    document = lake.publish(DAY, 1).documents["index.safetensors"]
    other = lake.publish(NEXT, 2).documents["index.safetensors"]
    bucket = Bucket(lake)
    files = IndexFiles(bucket, tmp_path / "copies", document.bytes)  # type: ignore[arg-type]
    for _ in range(2):
        copy = files.path(document)
        assert hashlib.sha256(copy.read_bytes()).hexdigest() == document.digest
    assert bucket.reads == 1
    files.path(other)
    assert not copy.exists(), "there is room for one file"
    Path(lake.store.uri(document.key)).write_bytes(b"x" * document.bytes)
    with pytest.raises(IntegrityError, match="differ"):
        files.path(document)


def test_items_are_read_from_all_forms_and_errors_name_their_place(lake: Lake) -> None:
    lake.publish(DAY, 1)
    days = lake.open()
    forms = (
        b'{"items": [{"vector": [0]}]}',
        b'[{"vector": [0]}]',
        b'{"vector": [0]}',
        b'{"vector": [0]}\n\n',
    )
    for text in forms:
        assert classify(days, "small", read_items(text, "a")).predictions[0].cluster == 1
    assert len(read_items(b'{"vector": [0]}\n{"vector": [1]}\n', "a")) == 2
    wrong: list[tuple[Callable[[], Any], str]] = [
        (lambda: read_items(b'{"vector": [0]}\n{"vectors": [1]}', "a"), "line 2"),
        (lambda: read_items(b'[{"vector": ["a"]}]', "a"), "items/0"),
        (lambda: read_items(b'{"items": [{"vector": [0]}], "day": "2026-01-05"}', "a"), "the option --day"),
        (lambda: classify(days, "small", [{"text": "a"}]), "items/0/vector"),
        (lambda: classify(days, "small", [{"vector": [1]}], NEXT), "no index"),
    ]
    for call, text in wrong:
        with pytest.raises(SpecError, match=text):
            call()


def test_the_command_line_and_the_lake_give_the_same_answers(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.publish(DAY, 1)
    monkeypatch.setenv("CLUSTER_HOME", str(tmp_path))
    items = b'{"vector": [0.2]}\n{"vector": [9]}\n'
    ran = CliRunner().invoke(commands, ["classify", "small", "--items", "-"], input=items)
    assert ran.exit_code == 0, ran.output
    printed = json.loads(ran.stdout)
    answered = open_lake().classify("small", [{"vector": [0.2]}, {"vector": [9]}], DAY)
    assert printed == {"day": DAY, "predictions": json.loads(msgspec.json.encode(answered))}
    assert [one["cluster"] for one in printed["predictions"]] == [1, -1]
    table = CliRunner().invoke(
        commands, ["classify", "small", "--items", "-", "--format", "table"], input=items
    )
    assert "20260105-000001" in table.stdout


def test_answering_loads_no_engine_and_no_orchestrator() -> None:
    program = (
        "import sys, cluster_assets.served.days; "
        "print(*{'dagster', 'duckdb', 'pandas', 'boto3', 'sqlglot', 'pydantic'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
