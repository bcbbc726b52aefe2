"""The real worker, which halts with its output written but not yet in place while a file asks for it.

A file `halt-N` in the folder that HALTS names asks; `halted-N-PID` answers. `halt-N.record` asks for a halt
with the result in place and its record not yet.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from lambda_worker.handler import handler

__all__ = ["handler"]

HALTS = Path(os.environ["HALTS"])


def _halt(audited: str, arguments: tuple[object, ...]) -> None:
    if audited == "os.rename" and str(arguments[0]).endswith(".partial"):
        is_record = ".json." in str(arguments[0])
        for halt in HALTS.glob("halt-*"):
            if halt.suffix == ".record" and not is_record:
                continue
            (HALTS / f"halted-{halt.name.removeprefix('halt-')}-{os.getpid()}").touch()
            while halt.exists():
                time.sleep(0.005)


sys.addaudithook(_halt)
