"""Target `delta`: a Delta table for each pipeline table, partitioned by day, over published Parquet files.

A day is replaced by one commit of the log, which also records the version (`txn`), so that readers see the
old day or the new one. `deltalake` checks that no other commit touched the day; if one did, this module
decides anew.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.packages import require
from cluster_assets.domain.errors import PublicationError, TargetUnavailableError
from cluster_assets.publish.delta.types import add_fields, table_fields
from cluster_assets.publish.target import TRIES, Mark, Receipt, decide, outdone, unwritten

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.publish.delta.files import DeltaFiles, PlacedFile
    from cluster_assets.publish.target import TableDay

DAY = "day"
# How deltalake draws its messages, and what they say of calls that it repeated.
_MARKUP = re.compile(r"\x1b\[[\d;]*m|↳")
_RETRIED = re.compile(r"after [1-9]\d* retries|error sending request")


class DeltaTarget:
    """Publishes to a Delta table for each pipeline table.

    Args:
        files: Where the tables are, and how their files get there.
        options: `storage_options` of deltalake, such as credentials.
    """

    def __init__(self, files: DeltaFiles, options: Callable[[], Mapping[str, str]] = dict) -> None:
        self._delta = _deltalake()
        self._files = files
        self._options = options

    def publish(self, table: TableDay) -> Receipt:
        """Replace the day in the Delta table, unless it has this version or a newer one.

        Raises:
            PublicationError: The storage refuses or fails, or a column has another type than before.
            ConflictError: Other publishers were faster each time.
        """
        root = self._files.root(table)
        placed: tuple[PlacedFile, ...] | None = None
        for _ in range(TRIES):
            found = self._open(root)
            shown = self._shown(found, table)
            outcome = decide(shown, table.mark, root)
            if outcome != "written":
                return unwritten(outcome, shown, root)
            placed = placed if placed is not None else self._files.place(table)
            if self._commit(found, root, table, placed):
                return Receipt("written", root, sum(file.bytes for file in placed if file.copied))
        raise outdone("committed to the Delta table", root)

    def count(self, table: TableDay) -> int | None:
        """Return the rows of the day in the newest snapshot; None if it shows another version.

        Raises:
            PublicationError: The storage refuses or fails.
        """
        found = self._open(self._files.root(table))
        if found is None or self._shown(found, table) != table.mark:
            return None
        actions = found.get_add_actions(flatten=True)
        days, rows = (actions.column(name).to_pylist() for name in (f"partition.{DAY}", "num_records"))
        return sum(int(count) for day, count in zip(days, rows, strict=True) if day == table.day.key)

    def _open(self, root: str) -> Any:
        return open_table(root, self._options())

    def _shown(self, found: Any, table: TableDay) -> Mark | None:
        """Return the mark of the day that a snapshot shows; the digest is known only if it is ours."""
        if found is None:
            return None
        version, ours = (found.transaction_version(name) for name in _applications(table))
        if version is None:
            return None
        return Mark(int(version), table.mark.digest if ours == version else "of other content")

    def _commit(self, found: Any, root: str, table: TableDay, placed: tuple[PlacedFile, ...]) -> bool:
        """Commit the files of a day; False if another commit came first."""
        transaction = self._delta.transaction
        actions = [
            transaction.AddAction(
                file.name,
                file.bytes,
                {DAY: table.day.key},
                int(time.time() * 1000),
                True,  # the data changes; deltalake takes it by position
                json.dumps({"numRecords": file.rows}),
            )
            for file in placed
        ]
        known = [] if found is None else json.loads(found.schema().to_json())["fields"]
        fields = add_fields(known, table_fields(table.snapshot.data, DAY), root)
        schema = self._delta.Schema.from_json(json.dumps({"type": "struct", "fields": fields}))
        recorded = self._delta.CommitProperties(
            app_transactions=[
                self._delta.Transaction(name, table.mark.version) for name in _applications(table)
            ]
        )
        try:
            if found is None:
                transaction.create_table_with_add_actions(
                    root,
                    schema,
                    actions,
                    mode="error",
                    partition_by=[DAY],
                    name=f"{table.pipeline}_{table.name}",
                    description=table.snapshot.contract.description,
                    configuration=self._files.configuration,
                    storage_options=dict(self._options()) or None,
                    commit_properties=recorded,
                )
            else:
                found.create_write_transaction(
                    actions,
                    "overwrite",
                    schema,
                    partition_by=[DAY],
                    partition_filters=[(DAY, "=", table.day.key)],
                    commit_properties=recorded,
                )
        except self._delta.exceptions.CommitFailedError:
            return False
        except (OSError, self._delta.exceptions.DeltaError) as error:
            if found is None and "already exists" in str(error):
                return False  # another publisher created the table
            raise _refused(error, root) from error
        return True


def open_table(root: str, options: Mapping[str, str]) -> Any:
    """Return the newest snapshot of a Delta table; None if there is no table.

    Raises:
        PublicationError: The storage refuses or fails, or deltalake is not installed.
    """
    delta = _deltalake()
    try:
        return delta.DeltaTable(root, storage_options=dict(options) or None)
    except delta.exceptions.TableNotFoundError:
        return None
    except (OSError, delta.exceptions.DeltaError) as error:
        raise _refused(error, root) from error


def _applications(table: TableDay) -> tuple[str, str]:
    """Return the ids of the log's transactions: one for all versions of a day, one for its content."""
    application = f"cluster-assets/{table.pipeline}/{table.name}/{table.day.prefix}"
    return application, f"{application}/{table.mark.digest}"


def _deltalake() -> Any:
    # Imported when a pipeline publishes to it: 130 MB that nobody else needs.
    for module in ("deltalake.exceptions", "deltalake.transaction"):
        require(module, extra="delta")
    return require("deltalake", extra="delta")


def _refused(error: Exception, root: str) -> PublicationError:
    told = " ".join(_MARKUP.sub("", str(error)).split())
    if _RETRIED.search(told):
        return TargetUnavailableError(
            f"the storage of the Delta table does not answer, or throttles: {told}",
            where=root,
            remedy="publish the day again later: cluster-assets run, or materialize the asset",
        )
    return PublicationError(
        f"the Delta table cannot be read or written: {told}",
        where=root,
        remedy="check the address, and the credentials: they must list, get and put there",
    )
