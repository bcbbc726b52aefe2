"""A process that runs one day and is killed before its k-th system call that changes the disk.

Usage: run_and_die.py ROOT INPUTS CONTENT K
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.tables import MEMBERS
from cluster_assets.stages.ledger.ledger import Draft, Ledger

DAY = parse_day("2013-03-03")


class Executioner:
    """Ends the process, with no cleaning up, before the call whose turn has come."""

    def __init__(self, at: int) -> None:
        self._left = at

    def guard(self, name: str) -> None:
        call = getattr(os, name)

        def guarded(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                os._exit(137)
            return call(*arguments, **options)

        setattr(os, name, guarded)


def run(root: Path, inputs: str, content: str) -> None:
    ledger = Ledger(LocalStore(root / "warehouse"), LocalCatalog(root / "catalog"), "attackers")
    if ledger.find_reusable("points", DAY, inputs) is not None:
        return
    attempt = ledger.start_attempt("points", DAY)
    files = [Path(attempt.prefix_uri("members")) / "part-00000.parquet"]
    files.append(Path(attempt.scratch_uri("features")) / "part-00000.parquet")
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_bytes(content.encode())
    written = WrittenFile(str(files[0]), rows=len(content), bytes=len(content))
    ledger.commit(
        Draft(
            stage="points",
            day=DAY,
            attempt=attempt,
            input_digest=inputs,
            inputs={"raw": inputs},
            tables={"members": (MEMBERS, (written,))},
        )
    )


if __name__ == "__main__":
    executioner = Executioner(int(sys.argv[4]))
    for name in ("mkdir", "fsync", "link", "unlink", "replace"):
        executioner.guard(name)
    run(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
