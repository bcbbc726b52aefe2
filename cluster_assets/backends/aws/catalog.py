"""Published pointers as partitions of Glue tables, which users can query in Athena directly.

The table `<pipeline>_<stage>` has a partition for each published day. Its location is the folder of the day's
files; its parameters name the manifest and the version. Both change in one call, so a query sees either the
old or the new day. If a stage fills further tables (`points` fills `members`), their partitions are moved
first, one call each: for a moment, a query that joins them may see the newer `members` with the older
`points`. Readers in this project are not affected, because they use the manifest.

**Lost updates.** Glue tables have a version for compare-and-swap, but partitions do not. Between our read and
our update of a partition, another process may have moved it further, and we would move it back. The manifests
decide, because each was stored by put-if-absent under its version:

- After every update we list the manifests of the day; if one is newer than ours, we point to it and list
  again. A manifest is committed before its flip begins, so the list after the last update contains nothing
  newer: when all processes are done, the pointer names the newest manifest.
- In between, for some milliseconds, readers may see the complete earlier version of the day again.
- A process killed between update and list leaves the earlier pointer. The next run of the day finds the newer
  manifest and flips again (`Ledger.find_reusable`); gc keeps all versions after a pointer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from cluster_assets.backends.aws.faults import LAKE_FORMATION_GRANTS, Cause, call_aws, cause_of_call, code_of
from cluster_assets.backends.aws.glue_tables import GlueTable, described_files, evolved, table_input
from cluster_assets.backends.patience import Exhausted, Patience
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import Day, check_name, parse_day
from cluster_assets.domain.errors import CatalogError, IntegrityError, SpecError
from cluster_assets.domain.manifests import read_manifest
from cluster_assets.domain.tables import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cluster_assets.backends.ports import ObjectStore
    from cluster_assets.domain.manifests import Manifest, TableData

_Result = TypeVar("_Result")

_MANIFEST = "cluster_assets.manifest"
_VERSION = "cluster_assets.version"
# Parameters of our tables.
_PIPELINE = "cluster_assets.pipeline"
_STAGE = "cluster_assets.stage"
_CLUSTERS = "clusters"
_MISSING = "EntityNotFoundException"
_TAKEN = "AlreadyExistsException"
# A table needs at least one column; a stage without a table of that name still has days.
_NO_COLUMNS = (Column("nothing", "varchar"),)


@dataclass(frozen=True, slots=True)
class GlueConfig:
    """The Glue database of the published tables.

    Attributes:
        database: Created by the deployment; its tables are created and widened here.
        patience: For throttling and transient faults.
    """

    database: str
    patience: Patience = field(default_factory=Patience)


class GlueCatalog:
    """A `Catalog` in a Glue database.

    Args:
        glue: A boto3 client that tries each call once.
        store: Holds the manifests.
        config: The database.
    """

    def __init__(self, glue: Any, store: ObjectStore, config: GlueConfig) -> None:
        self._glue = glue
        self._store = store
        self._config = config
        self._turn = threading.Lock()  # flips of this process take turns
        self._widened: dict[str, frozenset[tuple[str, str]]] = {}

    def current(self, pipeline: str, stage: str, day: Day) -> Pointer | None:
        """Return the published pointer; None if the day was never published.

        Raises:
            IntegrityError: The partition was not created by this project.
            CatalogError: Glue refuses the call, or keeps failing.
        """
        name = _table_name(pipeline, stage)
        found = self._partition(name, day)
        return None if found is None else _pointer_of(found, f"{self._where(name)}, {day.prefix}")

    def flip(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> bool:
        """Publish a manifest; the module docstring says what other processes may see meanwhile.

        Returns:
            True if readers now see `pointer`; False if a later version was already published.

        Raises:
            IntegrityError: The partition is not one of ours, or names another manifest as this version; or
                the manifest is missing or unreadable.
            CatalogError: Glue refuses it, keeps failing, or has a table of this name that is not ours.
        """
        name = _table_name(pipeline, stage)
        with self._turn:
            published = self.current(pipeline, stage, day)
            if published is not None and published.version >= pointer.version:
                return pointer.is_published(published, self._where(name))
            written = pointer
            self._publish(pipeline, stage, day, written)
            while (newer := self._newest_beside(written)) is not None:
                self._publish(pipeline, stage, day, newer)
                written = newer
        return written == pointer

    def days(self, pipeline: str, stage: str) -> tuple[Day, ...]:
        """Return all published days, ascending."""
        return tuple(sorted(day for day, _ in self._partitions(_table_name(pipeline, stage))))

    def pointers(self, pipeline: str, stage: str) -> Mapping[Day, Pointer]:
        """Return the published pointers of all days, ascending; one call for up to 1,000 days.

        Raises:
            IntegrityError: A partition was not created by this project.
            CatalogError: Glue refuses the call, or keeps failing.
        """
        name = _table_name(pipeline, stage)
        found = {
            day: _pointer_of(partition, f"{self._where(name)}, {day.prefix}")
            for day, partition in self._partitions(name)
        }
        return dict(sorted(found.items()))

    def _partitions(self, name: str) -> Iterator[tuple[Day, Mapping[str, Any]]]:
        request = {"DatabaseName": self._config.database, "TableName": name, "ExcludeColumnSchema": True}
        while True:
            try:
                page = self._call("get_partitions", name, **request)
            except CatalogError as error:
                if code_of(error.__cause__) == _MISSING:
                    return
                raise
            for found in page["Partitions"]:
                try:
                    yield parse_day(found["Values"][0]), found
                except SpecError:
                    continue  # not created by this project
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def pipelines(self) -> tuple[str, ...]:
        """Return the names of the pipelines that have a table of clusters, sorted."""
        return tuple(
            sorted(pipeline for name, pipeline in self._owned() if name == f"{pipeline}_{_CLUSTERS}")
        )

    def remove(self, pipeline: str) -> None:
        """Delete the tables of a pipeline with their partitions.

        Raises:
            CatalogError: Glue refuses the call, or keeps failing.
        """
        database = self._config.database
        for name in sorted(name for name, owner in self._owned() if owner == check_name(pipeline)):
            self._done("delete_table", _MISSING, name, DatabaseName=database, Name=name)
            self._widened.pop(name, None)

    def _owned(self) -> Iterator[tuple[str, str]]:
        """Yield the tables of this project, each with its pipeline."""
        request = {"DatabaseName": self._config.database}
        while True:
            page = self._call("get_tables", "*", **request)
            for table in page["TableList"]:
                pipeline = table.get("Parameters", {}).get(_PIPELINE)
                if pipeline:
                    yield str(table["Name"]), str(pipeline)
            if not page.get("NextToken"):
                return
            request["NextToken"] = page["NextToken"]

    def _partition(self, name: str, day: Day) -> Mapping[str, Any] | None:
        try:
            answer = self._call(
                "get_partition",
                name,
                DatabaseName=self._config.database,
                TableName=name,
                PartitionValues=[day.key],
            )
        except CatalogError as error:
            if code_of(error.__cause__) == _MISSING:
                return None
            raise
        found: Mapping[str, Any] = answer["Partition"]
        return found

    def _publish(self, pipeline: str, stage: str, day: Day, pointer: Pointer) -> None:
        """Move the partitions of all tables of a stage, the main table last."""
        manifest = self._manifest(pointer.manifest_key)
        parameters = {_MANIFEST: pointer.manifest_key, _VERSION: str(pointer.version)}
        for table in sorted(manifest.tables, key=lambda table: (table == stage, table)):
            self._move(self._table(pipeline, stage, table, manifest.tables[table]), day, parameters)
        if stage not in manifest.tables:
            self._move(self._table(pipeline, stage, stage, None), day, parameters)

    def _table(self, pipeline: str, stage: str, table: str, data: TableData | None) -> GlueTable:
        """Return a table of a stage with the location of a day; empty days get a folder that stays empty."""
        empty = self._store.uri(f"{pipeline}/{stage}/_empty/{check_name(table)}/none").removesuffix("none")
        files = [self._store.uri(file.key) for file in data.files] if data else []
        return GlueTable(
            name=_table_name(pipeline, table),
            owner={_PIPELINE: pipeline, _STAGE: stage},
            columns=data.columns if data else _NO_COLUMNS,
            location=_common_folder(files) or empty,
            empty=empty,
        )

    def _move(self, table: GlueTable, day: Day, parameters: Mapping[str, str]) -> None:
        """Create or update a partition, whichever succeeds; another process may do the same concurrently."""
        self._widen(table)
        place = {"DatabaseName": self._config.database, "TableName": table.name}
        partition = {
            "Values": [day.key],
            "StorageDescriptor": described_files(table.columns, table.location),
            "Parameters": dict(parameters),
        }
        if self._updated(table.name, partition):
            return
        if not self._done("create_partition", _TAKEN, table.name, **place, PartitionInput=partition):
            self._updated(table.name, partition)

    def _updated(self, name: str, partition: Mapping[str, Any]) -> bool:
        """Update a partition; False if it does not exist."""
        entry = {"PartitionValueList": partition["Values"], "PartitionInput": partition}
        place = {"DatabaseName": self._config.database, "TableName": name}

        def update() -> None:
            answer = self._glue.batch_update_partition(**place, Entries=[entry])
            for failed in answer.get("Errors", ()):
                detail = failed["ErrorDetail"]
                told = {"Code": detail["ErrorCode"], "Message": detail.get("ErrorMessage", "")}
                raise ClientError({"Error": told}, "BatchUpdatePartition")

        return self._unless(_MISSING, lambda: self._persistently(update, name))

    def _widen(self, table: GlueTable) -> None:
        """Create a table or add missing columns; once per set of columns and process."""
        columns = frozenset((column.name, column.type) for column in table.columns)
        if columns <= self._widened.get(table.name, frozenset()):
            return
        place = {"DatabaseName": self._config.database}
        if not self._done("create_table", _TAKEN, table.name, **place, TableInput=table_input(table)):
            self._change(table, place)
        self._widened[table.name] = columns

    def _change(self, table: GlueTable, place: Mapping[str, str]) -> None:
        def change() -> None:
            found = self._glue.get_table(**place, Name=table.name)["Table"]
            wanted = evolved(found, table, self._where(table.name))
            if wanted is not None:
                # If the version has changed, this fails with ConcurrentModificationException and is retried.
                version = {"VersionId": found["VersionId"]} if found.get("VersionId") else {}
                self._glue.update_table(**place, TableInput=wanted, SkipArchive=True, **version)

        self._persistently(change, table.name)

    def _newest_beside(self, pointer: Pointer) -> Pointer | None:
        """Return the newest manifest of the day; None if it is the given one. Keys ascend by version."""
        folder = pointer.manifest_key.rpartition("/")[0]
        keys = [found.key for found in self._store.list(f"{folder}/")]
        if not keys or keys[-1] <= pointer.manifest_key:
            return None
        return Pointer(keys[-1], self._manifest(keys[-1]).version)

    def _manifest(self, key: str) -> Manifest:
        where = self._store.uri(key)
        try:
            return read_manifest(self._store.read(key), where=where)
        except FileNotFoundError as error:
            raise IntegrityError(
                "the manifest to publish is missing", where=where, remedy="run the day again"
            ) from error

    def _done(self, operation: str, unless: str, name: str, **request: Any) -> bool:
        return self._unless(unless, lambda: self._call(operation, name, **request))

    def _unless(self, code: str, call: Callable[[], object]) -> bool:
        """Call Glue; False if it fails with the given code for anything but the database."""
        try:
            call()
        except CatalogError as error:
            if code_of(error.__cause__) == code and "Database" not in str(error.__cause__):
                return False
            raise
        return True

    def _call(self, operation: str, name: str, **request: Any) -> Any:
        return self._persistently(lambda: getattr(self._glue, operation)(**request), name)

    def _persistently(self, call: Callable[[], _Result], name: str) -> _Result:
        return call_aws(call, self._config.patience, lambda error: self._explain(error, name))

    def _explain(self, error: Exception, name: str) -> CatalogError:
        cause = cause_of_call(error)
        what, remedy = "Glue refused the request", "run `cluster-assets doctor`, which checks the database"
        if isinstance(error, Exhausted):
            what, remedy = "Glue does not respond", "run again later; if it persists, run fewer days at once"
        elif cause is Cause.FORBIDDEN:
            what = "Glue denied the call"
            remedy = (
                "check the credentials and their role's permissions on this database; if Lake Formation "
                f"governs it, {LAKE_FORMATION_GRANTS}"
            )
        elif cause is Cause.MISSING:
            what = f"there is no such table, or no Glue database {self._config.database}"
            remedy = "check CLUSTER_AWS_DATABASE, or deploy the stack first"
        return CatalogError(f"{what}: {error}", where=self._where(name), remedy=remedy)

    def _where(self, name: str) -> str:
        return f"Glue table {self._config.database}.{name}"


def _table_name(pipeline: str, table: str) -> str:
    return f"{check_name(pipeline)}_{check_name(table)}"


def _pointer_of(partition: Mapping[str, Any], where: str) -> Pointer:
    parameters = partition.get("Parameters", {})
    try:
        return Pointer(manifest_key=str(parameters[_MANIFEST]), version=int(parameters[_VERSION]))
    except (KeyError, ValueError) as error:
        raise IntegrityError(
            f"not a published pointer: {error}",
            where=where,
            remedy="delete this partition and run the day again: its committed manifests are published",
        ) from error


def _common_folder(uris: list[str]) -> str:
    """Return the folder that contains all files, with a trailing slash; empty without files.

    >>> _common_folder(["s3://b/a/x/1", "s3://b/a/x/2", "s3://b/a/xy/1"])
    's3://b/a/'
    """
    if not uris:
        return ""
    folders = [uri.split("/")[:-1] for uri in uris]
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(min(folders), max(folders), strict=False))
    return "/".join(part for part, _ in pairs) + "/"
