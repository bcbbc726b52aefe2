"""`make bench`: all benchmarks, one after the other, or those named, as `candidates clusters days`."""

from __future__ import annotations

import argparse
import importlib

from benchmarks.measure.options import Options

MODULES = (
    "api", "backfills", "candidates", "clusters", "days", "drift", "growth", "hdbscan", "history", "kmeans",
    "reading", "serving", "windows",
)  # fmt: skip


def main() -> None:
    """Run the benchmarks that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODULES)}; default: all")
    parser.add_argument("--rounds", type=int, default=3, help="readings of each side (default: 3)")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose title has this text")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--small", action="store_true", help="seconds; checks results, measures nothing")
    size.add_argument("--full", action="store_true", help="the largest sizes; hours")
    asked = parser.parse_args()
    if unknown := sorted(set(asked.names) - set(MODULES)):
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(MODULES)}")
    options = Options(asked.rounds, asked.small, asked.full, asked.case)
    for name in asked.names or MODULES:
        print(f"\n== {name}", flush=True)
        importlib.import_module(f"benchmarks.bench_{name}").main(options)


if __name__ == "__main__":
    main()
