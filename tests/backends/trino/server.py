"""A real Trino server for the tests: downloaded once, one node, 127.0.0.1; it ends with its parent process.

    python tests/backends/trino/server.py            starts one, says where, and stops when its input ends
    python tests/backends/trino/server.py --fetch    only fetches and unpacks it

Maven brings the server and its plugins from the repository it is configured for. They are unpacked below
`.trino/` in the project folder, or in the folder that CLUSTER_TRINO_CACHE names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2] / "processes"))  # it is started by its path

from ports import free_port
from waiting import LONGEST_S

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "476"
PLUGINS = ("hive", "iceberg", "memory")
LEAST_JAVA = 24
HEAP_MB = 3072  # for two workers of the tests
PROJECT = Path(__file__).resolve().parents[3]
_JVM = (
    f"-Xmx{HEAP_MB}m",
    "-XX:+UseSerialGC",  # two cores need no more
    "-XX:+ExitOnOutOfMemoryError",
    "-Djdk.attach.allowAttachSelf=true",
    "-Dfile.encoding=UTF-8",
    "--add-modules=jdk.incubator.vector",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
)


def installed() -> Path:
    """The folder with `server` and `plugin`; what is not there is fetched."""
    cache = Path(os.environ.get("CLUSTER_TRINO_CACHE") or PROJECT / ".trino") / VERSION
    cache.mkdir(parents=True, exist_ok=True)
    missing = [name for name in PLUGINS if not (cache / "plugin" / name).is_dir()]
    if missing or not (cache / "server").is_dir():
        say(f"fetching Trino {VERSION} through Maven: about 820 MB, once")
    with tempfile.TemporaryDirectory(dir=cache) as name:
        staged = Path(name)
        if not (cache / "server").is_dir():
            with tarfile.open(_maven("trino-server-core", "tar.gz", staged)) as archive:
                archive.extractall(staged, filter="data")
            (staged / f"trino-server-core-{VERSION}").rename(cache / "server")
        for plugin in missing:
            with zipfile.ZipFile(_maven(f"trino-{plugin}", "zip", staged)) as archive:
                archive.extractall(staged)  # noqa: S202  # a release of Trino
            (cache / "plugin").mkdir(exist_ok=True)
            (staged / f"trino-{plugin}-{VERSION}").rename(cache / "plugin" / plugin)
    return cache


def _maven(artifact: str, kind: str, folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        sys.exit("mvn is not on the PATH: install Maven, which brings the Trino server")
    done = subprocess.run(
        [
            maven,
            "--quiet",
            "--batch-mode",
            "dependency:copy",
            f"-Dartifact=io.trino:{artifact}:{VERSION}:{kind}",
            f"-DoutputDirectory={folder}",
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"Maven could not fetch io.trino:{artifact}:{VERSION}:\n{done.stdout}{done.stderr}")
    return folder / f"{artifact}-{VERSION}.{kind}"


def java() -> Path:
    """The Java of JAVA_HOME, the PATH or /usr/lib/jvm that is new enough for the server."""
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    candidates = [home / "bin" / "java" for home in homes]
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    candidates += sorted(Path("/usr/lib/jvm").glob("*/bin/java"), reverse=True)
    found = {}
    for candidate in candidates:
        if candidate.is_file():
            found[candidate] = _java_version(candidate)
            if found[candidate] >= LEAST_JAVA:
                return candidate
    listed = ", ".join(f"{path} ({version})" for path, version in found.items()) or "none"
    sys.exit(f"Trino {VERSION} needs Java {LEAST_JAVA} or later; found: {listed}. Set JAVA_HOME.")


def _java_version(path: Path) -> int:
    told = subprocess.run([str(path), "-version"], check=False, capture_output=True, text=True).stderr
    match = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(match[1]) if match else 0


def catalogs(folder: Path) -> dict[str, dict[str, str]]:
    """Properties of the catalogs; their tables lie in files below the folder."""
    files = {"fs.native-local.enabled": "true", "local.location": "/"}
    hive = {
        "connector.name": "hive",
        "hive.metastore": "file",
        "hive.metastore.catalog.dir": f"local://{folder}/metastore",
        "hive.non-managed-table-writes-enabled": "true",
    }
    iceberg = {
        "connector.name": "iceberg",
        "iceberg.catalog.type": "TESTING_FILE_METASTORE",
        "hive.metastore.catalog.dir": f"local://{folder}/iceberg",
    }
    return {"hive": hive | files, "iceberg": iceberg | files, "memory": {"connector.name": "memory"}}


def catalog_text(name: str, properties: Mapping[str, str]) -> str:
    """The statement that creates a catalog."""
    given = ", ".join(
        f"\"{key}\" = '{value}'" for key, value in properties.items() if key != "connector.name"
    )
    options = f" WITH ({given})" if given else ""
    return f"CREATE CATALOG {name} USING {properties['connector.name']}{options}"


def configure(folder: Path, plugins: Path, port: int) -> Path:
    """Write the settings of one small node."""
    config = folder / "config.properties"
    config.write_text(
        "node.environment=test\n"
        f"node.id={uuid.uuid4().hex}\n"
        "node.bind-ip=127.0.0.1\n"
        "node.internal-address=127.0.0.1\n"
        "coordinator=true\n"
        "node-scheduler.include-coordinator=true\n"
        f"http-server.http.port={port}\n"
        f"discovery.uri=http://127.0.0.1:{port}\n"
        "failure-detector.enabled=false\n"  # it takes a node that a busy machine slows down for a lost one
        f"plugin.dir={plugins}\n"
        "catalog.management=dynamic\n"  # tests add catalogs over servers of their own
        "query.max-memory=1200MB\n"
        "query.max-memory-per-node=1200MB\n"
        "memory.heap-headroom-per-node=300MB\n"
    )
    return config


def serve() -> int:
    """Run a server until standard input ends; its address is the first line of standard output."""
    program, files = java(), installed()
    with tempfile.TemporaryDirectory(prefix="trino-test-") as name:
        folder, port = Path(name), free_port()
        config = configure(folder, files / "plugin", port)
        command = [str(program), *_JVM, "-cp", f"{files / 'server' / 'lib'}/*", f"-Dconfig={config}"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "io.trino.server.TrinoServer"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            threading.Thread(target=_stop_with_starter, args=(process,), daemon=True).start()
            _wait_until_up(process, port, folder / "log")
            _open_catalogs(port, catalogs(folder))
            print(json.dumps({"host": "127.0.0.1", "port": port, "log": str(folder / "log")}), flush=True)
            return process.wait()
        finally:
            _stop(process)


def _stop_with_starter(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, a pipe of the parent, which closes however the parent dies."""
    while sys.stdin.buffer.read(4096):
        pass
    _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + LONGEST_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=LONGEST_S) as answer:
                is_up = json.load(answer)["starting"] is False
            if is_up and not _refusal(port, "SELECT 1"):
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.1)
    sys.exit(f"Trino did not start; the end of its log:\n{log.read_text(errors='replace')[-4000:]}")


def _open_catalogs(port: int, wanted: dict[str, dict[str, str]]) -> None:
    """Create the catalogs, which announce themselves one by one, and wait for a node in each."""
    for catalog, properties in wanted.items():
        if refusal := _refusal(port, catalog_text(catalog, properties)):
            sys.exit(f"Trino refused the catalog {catalog}: {refusal}")
    deadline = time.monotonic() + LONGEST_S
    while refusal := _written(port, wanted):
        if time.monotonic() > deadline:
            sys.exit(f"Trino has no node for its catalogs: {refusal}")
        time.sleep(0.1)


def _written(port: int, wanted: dict[str, dict[str, str]]) -> str:
    """Write a table in each catalog of files; the first refusal, or nothing."""
    refusals = (
        _refusal(port, statement)
        for catalog in wanted
        if catalog != "memory"
        for statement in (
            f"CREATE SCHEMA IF NOT EXISTS {catalog}.start",
            f"CREATE TABLE {catalog}.start.numbers AS SELECT 1 AS number",
            f"DROP TABLE {catalog}.start.numbers",
        )
    )
    return next(filter(None, refusals), "")


def _refusal(port: int, statement: str) -> str:
    """Run a statement; why it failed, or nothing."""
    headers = {"X-Trino-User": "start"}
    page = urllib.request.Request(f"http://127.0.0.1:{port}/v1/statement", statement.encode(), headers)
    while True:
        with urllib.request.urlopen(page, timeout=LONGEST_S) as answer:  # noqa: S310 - our own server
            body = json.load(answer)
        if "nextUri" not in body:
            return str(body["error"]["message"]) if "error" in body else ""
        page = urllib.request.Request(body["nextUri"], headers=headers)  # noqa: S310 - of our own server


def say(text: str) -> None:
    """Standard output is for the address alone."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    # A terminated starter gets the same clean end as one that closes its pipe.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if sys.argv[1:] == ["--fetch"]:
        say(f"Trino {VERSION} is in {installed()}")
    else:
        sys.exit(serve())
