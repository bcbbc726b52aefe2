"""`make bench`: all benchmarks, one after the other, or those named, as `candidates clusters days`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPTS = {script.stem.removeprefix("bench_"): script for script in Path(__file__).parent.glob("bench_*.py")}

wanted = sys.argv[1:] or sorted(SCRIPTS)
if unknown := sorted(set(wanted) - SCRIPTS.keys()):
    raise SystemExit(f"no benchmark {', '.join(unknown)}; there are {', '.join(sorted(SCRIPTS))}")
for name in wanted:
    print(f"\n== {name}", flush=True)
    subprocess.run([sys.executable, str(SCRIPTS[name])], check=True)
