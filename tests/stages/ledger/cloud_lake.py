"""The lake of the tests on S3 and Glue, as moto has them in this process."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.aws.catalog import GlueCatalog, GlueConfig
from cluster_assets.backends.aws.store import S3Config, S3Store
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.stages.ledger.garbage import Collection, collect
from cluster_assets.stages.ledger.ledger import Ledger
from tests.stages.ledger.conftest import Lake, Steps

if TYPE_CHECKING:
    from cluster_assets.domain.manifests import Manifest

BUCKET = "lake"


class CloudLake(Lake):
    """An S3 store, a Glue catalog and the ledger of pipeline `attackers`.

    Args:
        s3: A client of S3 with the bucket.
        glue: A client of Glue.
        name: A new database, and the folder in the bucket.
    """

    def __init__(self, s3: Any, glue: Any, name: str) -> None:
        glue.create_database(DatabaseInput={"Name": name})
        self.store: Any = S3Store(s3, S3Config(bucket=BUCKET, prefix=name))
        self.catalog: Any = GlueCatalog(glue, self.store, GlueConfig(database=name))
        self.ledger = Ledger(self.store, self.catalog, "attackers")
        self._passed = dt.timedelta(0)

    def write(self, uri: str, body: bytes, name: str = "part-00000.parquet") -> WrittenFile:
        uri = f"{uri}/{name}"
        self.store.put_if_absent(self.store.key(uri), body)
        return WrittenFile(uri, rows=len(body), bytes=len(body))

    def content(self, manifest: Manifest) -> str:
        read = ""
        for file in manifest.tables["members"].files:
            body = self.store.read(file.key)
            assert hashlib.sha256(body).hexdigest() == file.digest
            assert len(body) == file.bytes == file.rows
            read += body.decode()
        return read

    def age(self, days: float = 30) -> None:
        """Let time pass until the next collection: S3 sets the time of an object itself."""
        self._passed = dt.timedelta(days=days)

    def collect(self, *, days: float = 7, dry_run: bool = False, steps: Steps | None = None) -> Collection:
        store, catalog = self.ports(steps or Steps())
        now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5) + self._passed
        self._passed = dt.timedelta(0)
        return collect(store, catalog, retention=dt.timedelta(days=days), now=now, dry_run=dry_run)
