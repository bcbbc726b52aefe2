"""A real Trino server for the tests: fetched once, one node, 127.0.0.1, gone when whoever started it is gone.

    python tests/trino/server.py            starts one, says where, and stops it when standard input ends
    python tests/trino/server.py --fetch    only fetches and unpacks it

Maven brings the server and its plugins from the repository it is configured for. They are unpacked below
`.trino/` in the project folder, or in the folder that CLUSTER_TRINO_CACHE names.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
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

VERSION = "476"
PLUGINS = ("hive", "memory")
LEAST_JAVA = 24
HEAP_MB = 2048
START_TIMEOUT_S = 180
PROJECT = Path(__file__).resolve().parents[2]
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
    """The folder with `server` and `plugin`; fetched when it is not there."""
    cache = Path(os.environ.get("CLUSTER_TRINO_CACHE") or PROJECT / ".trino") / VERSION
    if not cache.is_dir():
        cache.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.parent) as name:
            staged = Path(name) / VERSION
            _fetch(staged, Path(name))
            staged.rename(cache)
    return cache


def _fetch(target: Path, archives: Path) -> None:
    say(f"fetching Trino {VERSION} through Maven: about 470 MB, once")
    server = _maven("trino-server-core", "tar.gz", archives)
    target.mkdir()
    with tarfile.open(server) as archive:
        archive.extractall(target, filter="data")
    (target / f"trino-server-core-{VERSION}").rename(target / "server")
    for plugin in PLUGINS:
        with zipfile.ZipFile(_maven(f"trino-{plugin}", "zip", archives)) as archive:
            archive.extractall(target / "plugin")  # noqa: S202  # a release of Trino
        (target / "plugin" / f"trino-{plugin}-{VERSION}").rename(target / "plugin" / plugin)


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


def configure(folder: Path, plugins: Path, port: int) -> Path:
    """Write the settings of one small node; the Hive catalog lies in files below the folder."""
    catalogs = folder / "catalog"
    catalogs.mkdir()
    (catalogs / "hive.properties").write_text(
        "connector.name=hive\n"
        "hive.metastore=file\n"
        f"hive.metastore.catalog.dir=local://{folder}/metastore\n"
        "fs.native-local.enabled=true\n"
        "local.location=/\n"
        "hive.non-managed-table-writes-enabled=true\n"
    )
    (catalogs / "memory.properties").write_text("connector.name=memory\n")
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
        f"catalog.config-dir={catalogs}\n"
        "query.max-memory=1200MB\n"
        "query.max-memory-per-node=1200MB\n"
        "memory.heap-headroom-per-node=300MB\n"
    )
    return config


def serve() -> int:
    """Run a server until standard input ends; its address is the first line of standard output."""
    program, files = java(), installed()
    with tempfile.TemporaryDirectory(prefix="trino-test-") as name:
        folder, port = Path(name), _free_port()
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
            print(json.dumps({"host": "127.0.0.1", "port": port, "log": str(folder / "log")}), flush=True)
            return process.wait()
        finally:
            _stop(process)


def _stop_with_starter(process: subprocess.Popen[bytes]) -> None:
    """Standard input is a pipe of whoever started this; it ends when that process does, however it dies."""
    while sys.stdin.buffer.read(4096):
        pass
    _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=2) as answer:
                is_up = json.load(answer)["starting"] is False
            if is_up and _has_a_worker(port):
                return
        except OSError:
            pass  # not listening yet
        time.sleep(0.1)
    sys.exit(f"Trino did not start; the end of its log:\n{log.read_text(errors='replace')[-4000:]}")


def _has_a_worker(port: int) -> bool:
    """Whether the server's node has announced itself; until then every query fails."""
    headers = {"X-Trino-User": "start"}
    question = b"SELECT count(*) FROM system.runtime.nodes WHERE state = 'active'"
    page = urllib.request.Request(f"http://127.0.0.1:{port}/v1/statement", question, headers)
    while True:
        with urllib.request.urlopen(page, timeout=10) as answer:  # noqa: S310 - our own server
            body = json.load(answer)
        if body.get("data"):
            return int(body["data"][0][0]) > 0
        if "nextUri" not in body:
            return False
        page = urllib.request.Request(body["nextUri"], headers=headers)  # noqa: S310 - of our own server


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
