"""A process that prepares several drafts of one day, waits for the word, and commits them all.

Usage: commit_many.py ROOT NUMBER ROUNDS (shared | own) (same | different); prints attempts by input digest.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.ports import WrittenFile
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.tables import MEMBERS
from cluster_assets.stages.ledger.ledger import Draft, Ledger

DAY = parse_day("2013-03-03")


def draft(ledger: Ledger, inputs: str, content: str) -> Draft:
    attempt = ledger.start_attempt("points", DAY)
    file = Path(attempt.prefix_uri("members")) / "part-00000.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(content.encode())
    written = WrittenFile(str(file), rows=len(content), bytes=len(content))
    return Draft(
        stage="points",
        day=DAY,
        attempt=attempt,
        input_digest=inputs,
        inputs={"raw": inputs},
        tables={"members": (MEMBERS, (written,))},
    )


def main(root: Path, number: str, rounds: int, inputs: str, contents: str) -> None:
    ledger = Ledger(LocalStore(root / "warehouse"), LocalCatalog(root / "catalog"), "attackers")
    owner = f"-{number}" if inputs == "own" else ""
    author = number * 3 if contents == "different" else "abc"
    drafts = [draft(ledger, f"in-{each}{owner}", f"content-{each}-{author}") for each in range(rounds)]
    print("ready", flush=True)
    sys.stdin.readline()
    committed = [ledger.commit(each) for each in drafts]
    print(json.dumps({manifest.input_digest: manifest.attempt for manifest in committed}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
