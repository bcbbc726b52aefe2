"""Calls of the project between Dagster's call of an asset and the engine.

`python -m benchmarks.orchestration.hops` materializes two days of a demo pipeline in this process. Each call
of the engine (`fetch`, `unload` or a scratch table) is listed with the functions of `cluster_assets` on the
stack, from the function of the asset to the method of the engine.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

DAYS = ("2013-03-03", "2013-03-04")
PIPELINE = "attackers"
MOST = 10
_SHOWN = 10


def main() -> None:
    """Print how many calls lie on the way, and the longest ways."""
    logging.disable(logging.DEBUG)
    with TemporaryDirectory() as home:
        os.environ |= {"CLUSTER_HOME": home, "DAGSTER_HOME": home, "CLUSTER_TARGET": "local"}
        ways = _ways()
    lengths = [len(way) for way in ways]
    print(f"{len(ways)} statements: mean {sum(lengths) / len(ways):.1f} calls, at most {max(lengths)}")
    for way, count in sorted(Counter(ways).items(), key=lambda item: -len(item[0]))[:_SHOWN]:
        print(f"{len(way):3} {count:3} x {' > '.join(way)}")
    if max(lengths) > MOST:
        raise SystemExit(f"more than {MOST} calls")


def _ways() -> list[tuple[str, ...]]:
    # Imported here, because the settings are read when the code location is loaded.
    import cluster_assets
    from cluster_assets.assets.resource import RESOURCES
    from cluster_assets.backends.duckdb.engine import DuckDbEngine
    from cluster_assets.definitions import defs
    from cluster_assets.domain.days import parse_day
    from cluster_assets.sample import SampleConfig, write_sample
    from cluster_assets.settings import load_settings

    root = str(Path(cluster_assets.__file__).parent)
    ways: list[tuple[str, ...]] = []

    def noted(name: str) -> Any:
        method = getattr(DuckDbEngine, name)

        def call(engine: DuckDbEngine, *given: Any, **options: Any) -> Any:
            frames = [frame for frame in traceback.extract_stack() if frame.filename.startswith(root)]
            names = [f"{Path(frame.filename).stem}.{frame.name}" for frame in frames]
            if "daily.materialize" in names:
                ways.append((*names[names.index("daily.materialize") :], f"engine.{name}"))
            return method(engine, *given, **options)

        return call

    for name in ("fetch", "unload", "_keep"):
        setattr(DuckDbEngine, name, noted(name))
    lake = load_settings().lake_dir
    write_sample(SampleConfig(lake, parse_day(DAYS[0]), days=len(DAYS), entities=200))
    loaded = defs()
    keys = [key for key in loaded.resolve_asset_graph().get_all_asset_keys() if key.path[0] == PIPELINE]
    assets = [loaded.get_assets_def(key) for key in keys]
    for day in DAYS:
        dg.materialize(assets, partition_key=day, resources=RESOURCES)
    return ways


if __name__ == "__main__":
    main()
