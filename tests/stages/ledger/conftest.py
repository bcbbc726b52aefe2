"""A lake to publish days in, and ports that fail at a chosen call."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.domain.tables import MEMBERS
from cluster_assets.stages.ledger.garbage import Collection, collect
from cluster_assets.stages.ledger.layout import ManifestKey, parse_key
from cluster_assets.stages.ledger.ledger import Attempt, Draft, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from cluster_assets.backends.stored import Pointer, StoredObject
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.manifests import Manifest

DAY = parse_day("2013-03-03")


class Crash(BaseException):
    """The process died here: nothing in the product may catch it."""


@dataclass
class Steps:
    """Counts the calls of the ports; something happens before or after the chosen one.

    Attributes:
        at: The call, from 1.
        on: Or the first call of this name.
        after: Let the call take effect first: the answer gets lost.
        happen: What happens; a crash by default.
        watch: Called before and after every call, as a reader of the day would be.
    """

    at: int = 0
    on: str = ""
    after: bool = False
    happen: Callable[[], None] | None = None
    watch: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)

    def run(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        chosen = len(self.calls) == self.at or (name == self.on and self.calls.count(name) == 1)
        self.watch()
        if chosen and not self.after:
            self._strike()
        answer = call()
        if chosen and self.after:
            self._strike()
        self.watch()
        return answer

    def _strike(self) -> None:
        if self.happen is None:
            raise Crash
        self.happen()


class FaultyStore:
    """An object store whose calls `Steps` watches; each single deletion is a call."""

    def __init__(self, store: LocalStore, steps: Steps) -> None:
        self._store = store
        self._steps = steps

    def uri(self, key: str) -> str:
        return self._store.uri(key)

    def key(self, uri: str) -> str:
        return self._store.key(uri)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        return bool(self._steps.run("put", lambda: self._store.put_if_absent(key, body)))

    def read(self, key: str) -> bytes:
        return bytes(self._steps.run("read", lambda: self._store.read(key)))

    def seal(self, key: str) -> str:
        return str(self._steps.run("seal", lambda: self._store.seal(key)))

    def is_intact(self, key: str, digest: str, committed_at: dt.datetime) -> bool:
        return self._store.is_intact(key, digest, committed_at)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return iter(self._steps.run("list", lambda: [*self._store.list(prefix)]))

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._steps.run("delete", partial(self._store.delete, [key]))

    def sweep(self, before: dt.datetime) -> int:
        return int(self._steps.run("sweep", lambda: self._store.sweep(before)))


class FaultyCatalog:
    """A catalog whose calls `Steps` watches."""

    def __init__(self, catalog: LocalCatalog, steps: Steps) -> None:
        self._catalog = catalog
        self._steps = steps

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        found: Pointer | None = self._steps.run(
            "current", lambda: self._catalog.current(pipeline, stage, day)
        )
        return found

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        return bool(self._steps.run("flip", lambda: self._catalog.flip(pipeline, stage, day, pointer)))

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        return self._catalog.days(pipeline, stage)

    def pointers(self, pipeline: str, stage: str) -> Mapping[Day, Pointer]:
        return self._catalog.pointers(pipeline, stage)


class Lake:
    """A store, a catalog and the ledger of pipeline `attackers`."""

    day = DAY
    crash = Crash
    steps = Steps

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalStore(root / "warehouse")
        self.catalog = LocalCatalog(root / "catalog")
        self.ledger = Ledger(self.store, self.catalog, "attackers")

    def ports(self, steps: Steps) -> tuple[FaultyStore, FaultyCatalog]:
        return FaultyStore(self.store, steps), FaultyCatalog(self.catalog, steps)

    def faulty(self, steps: Steps) -> Ledger:
        store, catalog = self.ports(steps)
        return Ledger(store, catalog, "attackers")

    def write(self, uri: str, body: bytes, name: str = "part-00000.parquet") -> WrittenFile:
        """A data file as an engine leaves it: written in place, not flushed."""
        path = Path(uri) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        return WrittenFile(str(path), rows=len(body), bytes=len(body))

    def draft(self, attempt: Attempt, inputs: str, content: str, *, force: bool = False) -> Draft:
        """Write a day of `points` with `content` (none for an empty table) and a scratch file."""
        self.write(attempt.scratch_uri("features"), b"scratch")
        files = (self.write(attempt.prefix_uri("members"), content.encode()),) if content else ()
        return Draft(
            stage="points",
            day=self.day,
            attempt=attempt,
            input_digest=inputs,
            inputs={"raw": inputs},
            tables={"members": (MEMBERS, files)},
            metrics={"entities": len(content)},
            force=force,
        )

    def run(
        self, inputs: str, content: str, *, force: bool = False, ledger: Ledger | None = None
    ) -> Manifest:
        """One run of the day, as a stage does it."""
        ledger = ledger or self.ledger
        if not force:
            found = ledger.find_reusable("points", self.day, inputs)
            if found is not None:
                return found
        attempt = ledger.start_attempt("points", self.day)
        return ledger.commit(self.draft(attempt, inputs, content, force=force))

    def current(self) -> Manifest | None:
        return self.ledger.current("points", self.day)

    def content(self, manifest: Manifest) -> str:
        """What a reader of a manifest reads, every byte checked against it."""
        read = ""
        for file, uri in zip(
            manifest.tables["members"].files, self.ledger.uris(manifest, "members"), strict=True
        ):
            body = Path(uri).read_bytes()
            assert hashlib.sha256(body).hexdigest() == file.digest
            assert len(body) == file.bytes == file.rows
            read += body.decode()
        return read

    def published(self) -> str | None:
        """What a reader of the day reads now."""
        manifest = self.current()
        return None if manifest is None else self.content(manifest)

    def versions(self) -> list[int]:
        """All manifests of the day, whether published or not."""
        keys = [parse_key(found.key) for found in self.store.list("attackers/points/_manifests/")]
        return [key.version for key in keys if isinstance(key, ManifestKey)]

    def manifest(self, version: int) -> Manifest:
        """A manifest of the day, whether published or not."""
        key = f"attackers/points/_manifests/day=2013-03-03/{version:08d}.json"
        return read_manifest(self.store.read(key), where=key)

    def files(self) -> list[str]:
        """All data and scratch files."""
        return [found.key for found in self.store.list("attackers/points/day=")]

    def age(self, days: float = 30) -> None:
        """Make everything in the store look that much older."""
        for path in sorted((self.root / "warehouse").rglob("*"), reverse=True):
            then = path.stat().st_mtime - days * 86_400
            os.utime(path, (then, then))

    def collect(self, *, days: float = 7, dry_run: bool = False, steps: Steps | None = None) -> Collection:
        store, catalog = self.ports(steps or Steps())
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
        retention = dt.timedelta(days=days)
        return collect(store, catalog, retention=retention, now=now, dry_run=dry_run)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path)


@pytest.fixture
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Lake]:
    """Makes an empty lake at each call."""
    return lambda: Lake(tmp_path_factory.mktemp("lake"))
