"""A run that is killed between two calls of AWS: readers see the old day or the new one, a rerun mends."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import duckdb
import pytest
import yaml
from cloud import ATTACKERS, DAYS
from fault_proxy import Fault, FaultProxy
from two_stages import run_two_stages

from cluster_assets.composition import open_storage
from cluster_assets.settings import PROJECT_ROOT, load_settings
from cluster_assets.stages.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud import Cloud
    from fault_proxy import Call

PROGRAM = Path(__file__).with_name("two_stages.py")


def commits(call: Call) -> bool:
    return call.method == "PUT" and "/points/_manifests/" in call.path


def moves(table: str) -> Callable[[Call], bool]:
    name = f'"attackers_{table}"'.encode()
    return lambda call: call.target in ("BatchUpdatePartition", "CreatePartition") and name in call.body


# Where the run dies: before or after AWS did what it asked; what readers may see then.
POINTS = {
    "before the first scratch table": (lambda call: call.target == "CreateTable", "before", "old"),
    "staged, not committed": (commits, "before", "old"),
    "committed, not flipped": (commits, "after", "old"),
    "members flipped, points not": (moves("members"), "after", "old"),
    "flipped": (moves("points"), "after", "new"),
}


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[FaultProxy]:
    with FaultProxy(cloud.lake.environment["AWS_ENDPOINT_URL_S3"]) as proxy:
        yield proxy


class Reader:
    """Looks at the published day all the time, and checks that it is whole."""

    def __init__(self, folder: Path) -> None:
        self._store, self._catalog = open_storage(load_settings())
        self._folder = folder
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._poll)
        self.seen: list[int] = []
        self.problem: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        if self.problem is not None:
            raise self.problem

    def entities(self) -> int:
        """Members of the published day, counted in its files."""
        ledger = Ledger(self._store, self._catalog, "attackers")
        manifest = ledger.require("points", DAYS[0])
        with tempfile.TemporaryDirectory(dir=self._folder) as folder, duckdb.connect() as connection:
            paths = []
            for number, file in enumerate(manifest.tables["members"].files):
                path = Path(folder, f"{number}.parquet")
                path.write_bytes(self._store.read(file.key))
                assert self._store.digest(file.key) == file.digest
                paths.append(str(path))
            found = connection.execute("SELECT count(*) FROM read_parquet($paths)", {"paths": paths})
            return int(found.fetchall()[0][0])

    def _poll(self) -> None:
        try:
            while not self._done.wait(0.2):
                self.seen.append(self.entities())
        except BaseException as error:  # noqa: BLE001  # told by the thread of the test
            self.problem = error


def test_readers_see_the_old_day_or_the_new_one(
    cloud: Cloud, proxy: FaultProxy, home: Path, tmp_path: Path
) -> None:
    source = cloud.write_source(home)
    cloud.enter("crashes")
    expected = {port: count(source, port) for port in (100, 500, 2000, 6000, 10000, 70000)}
    assert len(set(expected.values())) == len(expected)
    ports = iter(expected)
    old = next(ports)
    run_two_stages(pipeline(tmp_path, old), DAYS[0].key)
    behind = {"AWS_ENDPOINT_URL_S3": proxy.url, "AWS_ENDPOINT_URL_GLUE": proxy.url}
    for (name, (matches, when, shown)), new in zip(POINTS.items(), ports, strict=True):
        spec = pipeline(tmp_path, new)
        with Reader(tmp_path) as reader:
            kill_at(proxy, matches, when, [str(PROGRAM), str(spec), DAYS[0].key], os.environ | behind)
            assert reader.entities() == expected[new if shown == "new" else old], name
            run_two_stages(spec, DAYS[0].key)
            assert reader.entities() == expected[new], name
        assert reader.seen, name
        assert set(reader.seen) <= {expected[old], expected[new]}, name
        assert reader.seen == sorted(reader.seen, key=lambda seen: seen == expected[new]), name
        old = new


def kill_at(
    proxy: FaultProxy,
    matches: Callable[[Call], bool],
    when: str,
    arguments: list[str],
    environment: dict[str, str],
) -> None:
    """Start the program and kill it at a call."""
    with subprocess.Popen(
        [sys.executable, *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:

        def kill() -> None:
            child.kill()
            child.wait(30)

        nothing: dict[str, Any] = {} if when == "after" else {"answer": (500, "")}
        proxy.faults.append(Fault(matches, lose=True, **nothing, **{when: kill}))
        said, _ = child.communicate(timeout=120)
    assert child.returncode == -9, said
    proxy.reset()


def pipeline(folder: Path, port: int) -> Path:
    """The demo pipeline over rows below a port: another one, other points."""
    body = yaml.safe_load(ATTACKERS.read_text())
    body["attributes"]["raw"]["where"] = f"dst_port IS NULL OR dst_port < {port}"
    path = folder / f"attackers-{port}" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(body))
    return path


def count(source: Path, port: int) -> int:
    """Entities of the first day, by another way."""
    with duckdb.connect() as connection:
        found = connection.execute(
            """SELECT count(DISTINCT src_ip) FROM read_parquet($source)
               WHERE (dst_port IS NULL OR dst_port < $port)
                 AND CAST(event_time AS DATE) = DATE '2013-03-03' AND protocol IS NOT NULL""",
            {"source": str(source), "port": port},
        )
        return int(found.fetchall()[0][0])
