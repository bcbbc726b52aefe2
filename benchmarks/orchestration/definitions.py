"""CPU seconds to load the definitions of many pipelines.

Run it by `python -m benchmarks.orchestration.definitions [PIPELINES]`. A new process imports the code
location and resolves the definitions of 50 pipelines with five years of days each, beside the demo pipelines,
as Dagster does in each of its processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PIPELINES = 50
MOST_S = 5.0
YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: {name}
  start_date: 2021-01-01
  end_date: 2025-12-31
  raw: {{files: "data/*.parquet", time_column: event_time}}
  entity: id
  features: {{vector: [max(x), count(*)]}}
  distance: {{metric: euclidean, threshold: 1}}
  algorithm: {{type: dbscan, min_samples: 5}}
  schedule: {{hour_of_day: 6}}
"""
LOAD = """
import time
from cluster_assets.definitions import defs
imported = time.process_time()
repository = defs().get_repository_def()
repository.get_all_jobs()
loaded = time.process_time() - imported
assert len(repository.get_job("p0_daily").partitions_def.get_partition_keys()) == 1826
print(f"{imported:.2f} {loaded:.2f}")
"""


def main(pipelines: int = PIPELINES) -> None:
    """Print the seconds of the import and of the definitions; fail if those of 50 exceed the limit."""
    with TemporaryDirectory() as folder:
        defs = Path(folder, "defs")
        for number in range(pipelines):
            path = defs / f"p{number}" / "defs.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(YAML.format(name=path.parent.name))
        environment = os.environ | {"CLUSTER_HOME": folder, "CLUSTER_DEFS": str(defs), "DAGSTER_HOME": folder}
        done = subprocess.run(
            [sys.executable, "-c", LOAD], capture_output=True, text=True, check=True, env=environment
        )
    imported, loaded = (float(seconds) for seconds in done.stdout.split())
    print(f"{pipelines} pipelines: {imported:.1f} CPU s to import, {loaded:.1f} CPU s to load")
    if pipelines == PIPELINES and imported + loaded > MOST_S:
        raise SystemExit(f"more than {MOST_S:g} CPU s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
