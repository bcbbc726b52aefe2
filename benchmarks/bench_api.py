"""The API under load: a thousand requests a second to one process, with a day flipped in between.

Lookups, pages of clusters and classifications in equal parts, from a real index. Requests are sent at fixed
times, so a slow answer does not lower the load, and its delay counts. Every answer must have status 200, no
client may see an older version after a newer one, and looked up clusters must be those of scikit-learn.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import duckdb
import numpy as np

from benchmarks.measure.comparing import ResultsDifferError
from cluster_assets.domain.days import parse_day
from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.measure.options import Options

SECONDS, RATE, ENTITIES = 10, 1000, 100_000
LONGEST_START_S = 300
PIPELINE, DAY = "grid", "2026-01-03"
CONNECTIONS = 32
COMMAND = (sys.executable, "-m", "cluster_assets")
YAML = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: grid
  start_date: "2026-01-03"
  raw: {{files: "{file}", time_column: seen}}
  entity: entity
  features: {{vector: [max(x), max(y)]}}
  distance: {{metric: euclidean, threshold: 0.5}}
  algorithm: {{type: dbscan, min_samples: 3}}
  serve: {{refresh_s: 1}}
"""


def publish_twice(folder: Path, entities: int) -> tuple[Path, bytes, dict[str, str]]:
    """Compute two versions of a day.

    Returns:
        The pointer to the first version, the bytes of that to the second, and the environment of commands.
    """
    file = folder / "grid.parquet"
    duckdb.execute(
        # Rows of points, with a gap after every hundredth.
        f"COPY (SELECT 'e' || i AS entity, (i % 1000) * 0.4 + (i % 1000) // 100 AS x, (i // 1000) * 1.0 AS y,"
        f" TIMESTAMP '{DAY} 06:00:00' AS seen FROM range({entities}) AS t(i)) TO '{file}' (FORMAT parquet)"
    )
    defs = folder / "defs" / PIPELINE
    defs.mkdir(parents=True)
    (defs / "defs.yaml").write_text(YAML.format(file=file))
    environment = os.environ | {"CLUSTER_HOME": str(folder / "home"), "CLUSTER_DEFS": str(folder / "defs")}
    settings = load_settings().model_copy(update={"home": folder / "home"})
    spec = load_pipeline_named(PIPELINE, [folder / "defs"])
    pointer = settings.catalog_dir / PIPELINE / "index" / f"day={DAY}.json"
    versions = []
    with open_backend(settings) as backend:
        job = DayJob(spec, backend, Ledger(backend.store, backend.catalog, PIPELINE), parse_day(DAY))
        for force in (False, True):
            for stage in stages_of(spec):
                run_day(stage, replace(job, force=force))
            versions.append(pointer.read_bytes())
    first, second = versions
    pointer.write_bytes(first)
    return pointer, second, environment


def check_lookups(port: int, file: Path) -> None:
    """Look entities up, and compare their clusters with scikit-learn's.

    Raises:
        ResultsDifferError: A cluster differs.
    """
    from sklearn.cluster import DBSCAN

    # Clusters are numbered by their first core entity in the order of names.
    rows = duckdb.sql(f"SELECT entity, x, y FROM '{file}' ORDER BY entity").fetchnumpy()
    labels = DBSCAN(eps=0.5, min_samples=3).fit(np.column_stack([rows["x"], rows["y"]])).labels_
    for place in range(0, len(labels), max(1, len(labels) // 50)):
        entity = rows["entity"][place]
        with urlopen(f"http://127.0.0.1:{port}/v1/{PIPELINE}/entities/{entity}") as answer:
            found = json.load(answer)["today"]
        if found["cluster"] != labels[place]:
            raise ResultsDifferError(f"{entity} is in cluster {labels[place]}; the API says {found}")


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Port and process id of a server.

    Raises:
        TimeoutError: It does not start.
    """
    port = _free_port()
    command = (*COMMAND, "serve", "--port", str(port))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as server:
        try:
            until = time.monotonic() + LONGEST_START_S
            while not _listens(port):
                if time.monotonic() > until:
                    raise TimeoutError(f"no server on port {port} after {LONGEST_START_S} s")
                time.sleep(0.1)
            yield port, server.pid
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def requests() -> list[bytes]:
    """The requests, in turn."""
    head = "HTTP/1.1\r\nhost: bench\r\n"
    texts = []
    for number in range(0, 3000, 7):
        item = json.dumps({"items": [{"vector": [number * 0.1, number * 0.01]}]})
        texts += [
            f"GET /v1/{PIPELINE}/entities/e{number} {head}\r\n",
            f"GET /v1/{PIPELINE}/clusters?limit=20 {head}\r\n",
            (
                f"POST /v1/{PIPELINE}/classify {head}content-type: application/json\r\n"
                f"content-length: {len(item)}\r\n\r\n{item}"
            ),
        ]
    return [text.encode() for text in texts]


@dataclass
class Load:
    """What the clients saw."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    versions: Counter[int] = field(default_factory=Counter)
    steps_back: int = 0


async def client(port: int, first: int, due: list[float], load: Load) -> None:
    """Send every 32nd request when it is due, on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    texts, newest = requests(), 0
    for index in range(first, len(due), CONNECTIONS):
        await asyncio.sleep(max(0.0, due[index] - time.perf_counter()))
        writer.write(texts[index % len(texts)])
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        load.seconds.append(time.perf_counter() - due[index])
        load.statuses[int(head[9:12])] += 1
        if version := body.get("version"):
            load.versions[version] += 1
            load.steps_back += version < newest
            newest = max(newest, version)
    writer.close()


async def run_load(port: int, seconds: float, rate: int, flip: Callable[[], object]) -> Load:
    """Send requests at a rate and flip the day in the middle."""
    load, start = Load(), time.perf_counter() + 0.2
    due = [start + index / rate for index in range(int(seconds * rate))]
    asyncio.get_running_loop().call_later(seconds / 2, flip)
    await asyncio.gather(*(client(port, first, due, load) for first in range(CONNECTIONS)))
    return load


def peak_mb(pid: int) -> float:
    """Largest memory of a process so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def processor_s(pid: int) -> float:
    """Processor time of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def main(options: Options) -> None:
    """Print what the clients saw and what the server needed.

    Raises:
        ResultsDifferError: An answer failed or came from an older version.
    """
    seconds, rate = options.at(SECONDS, 1), options.at(RATE, 100)
    entities = options.at(ENTITIES, 3_000)
    with tempfile.TemporaryDirectory() as name:
        pointer, second, environment = publish_twice(Path(name), entities)
        with serving(environment) as (port, pid):
            asyncio.run(run_load(port, 1, 100, lambda: None))  # opens the day
            check_lookups(port, Path(name) / "grid.parquet")
            before, used = peak_mb(pid), processor_s(pid)
            load = asyncio.run(run_load(port, seconds, rate, lambda: pointer.write_bytes(second)))
            after = peak_mb(pid)
            cpu = (processor_s(pid) - used) / len(load.seconds) * 1000
    load.seconds.sort()
    p50, p99 = (load.seconds[int(len(load.seconds) * part)] * 1000 for part in (0.5, 0.99))
    took = f"{len(load.seconds):,} requests at {rate:,} a second: p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    print(f"{took}; statuses {dict(load.statuses)}; versions {dict(load.versions)}, {load.steps_back} back")
    print(
        f"the server: {cpu:.2f} ms of processor time a request; peak memory {before:,.0f} to {after:,.0f} MB"
    )
    if set(load.statuses) != {200} or load.steps_back:
        raise ResultsDifferError(f"statuses {dict(load.statuses)}, {load.steps_back} steps back")
