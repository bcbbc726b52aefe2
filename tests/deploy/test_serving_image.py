"""The image of the API: what it copies, and its process as it runs inside."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest
from asking import Request
from entrances import OverHttp
from packaging.markers import Marker
from ports import free_port
from waiting import LONGEST_S, wait_for

from cluster_assets.project import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "deploy" / "serving"
TEXT = (FOLDER / "Dockerfile").read_text()
COPIED = [name for line in re.findall(r"^COPY (.+)", TEXT, re.MULTILINE) for name in line.split()[:-1]]
LOCK = PROJECT_ROOT / "requirements" / "container.lock"


def _words(instruction: str) -> list[str]:
    found: list[str] = json.loads(re.findall(rf"{instruction} (\[.+\])", TEXT)[-1])
    return found


def _variables() -> dict[str, str]:
    line = re.findall(r"^ENV (.+)", TEXT, re.MULTILINE)[0]
    return dict(pair.split("=", 1) for pair in shlex.split(line))


def test_the_image_has_what_it_copies_and_no_more() -> None:
    assert [name for name in COPIED if not (PROJECT_ROOT / name).exists()] == []
    sent = re.findall(r"^!(.+)", (FOLDER / "Dockerfile.dockerignore").read_text(), re.MULTILINE)
    assert sorted(sent) == sorted(COPIED)


def test_both_images_pin_the_same_base_by_its_digest() -> None:
    bases = {
        re.findall(r"^ARG BASE=(.+)\nFROM \$\{BASE\}$", path.read_text(), re.MULTILINE)[0]
        for path in sorted(PROJECT_ROOT.glob("deploy/*/Dockerfile"))
    }
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.12\.\d+-slim-\w+@sha256:[0-9a-f]{64}", bases.pop())
    # Of the Python that the image's lock is resolved for.
    assert (
        "$(subst 3.11,3.12,$(TOOL_LOCK_FLAGS)) $(UPGRADE) -o requirements/container.lock"
        in (PROJECT_ROOT / "Makefile").read_text()
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder as the image has it, with the packages of its lock in `packages`."""
    for name in ("cluster_assets", "lambda_worker"):
        shutil.copytree(PROJECT_ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    site = Path(sysconfig.get_path("platlib"))
    (tmp_path / "packages").mkdir()
    tops: set[str] = set()
    for pinned in re.findall(r"^([\w-]+)==\S+(?: ; (.+?))? \\", LOCK.read_text(), re.MULTILINE):
        if pinned[1] and not Marker(pinned[1]).evaluate():
            continue
        files = distribution(pinned[0]).files or ()
        tops |= {file.parts[0] for file in files if ".." not in file.parts}
    for top in tops - {"__pycache__"}:
        (tmp_path / "packages" / top).symlink_to(site / top)
    return tmp_path


def _environment(image: Path, **more: str) -> dict[str, str]:
    """The variables of the image; with `-S`, Python sees no other packages."""
    own = {"CLUSTER_HOME": str(image / "home"), "PYTHONPATH": str(image / "packages")}
    return _variables() | {"PATH": os.environ["PATH"]} | own | more


def test_its_process_answers_and_is_healthy(image: Path) -> None:
    port = free_port()
    variables = _environment(image, CLUSTER_API_BEHIND_GATEWAY="1", PORT=str(port))
    arguments = [*_words("ENTRYPOINT")[1:], *_words("\nCMD")]
    assert arguments[-1] == "serve"  # what SageMaker passes
    with subprocess.Popen(
        [sys.executable, "-S", *arguments],
        cwd=image,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().decode() == f"answering at http://0.0.0.0:{port}\n"
            check = [sys.executable, *_words("HEALTHCHECK .+ CMD")[1:]]

            def is_healthy() -> bool:
                assert server.poll() is None
                done = subprocess.run(
                    check, env=variables, capture_output=True, check=False, timeout=LONGEST_S
                )
                return done.returncode == 0

            wait_for("the health check succeeds", is_healthy)
            # Without an index there is nothing to invoke.
            assert OverHttp(port).send(Request("GET", "/ping")).status == 404
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=LONGEST_S)
    assert server.returncode == 0


def test_its_packages_are_enough_for_aws(image: Path) -> None:
    code = "import boto3, cluster_assets.backends.aws.catalog, cluster_assets.backends.aws.store; print('ok')"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=image,
        env=_environment(image),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_its_process_refuses_to_answer_everybody(image: Path) -> None:
    command = [sys.executable, "-S", *_words("ENTRYPOINT")[1:], *_words("\nCMD")]
    done = subprocess.run(
        command, cwd=image, env=_environment(image), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "CLUSTER_API_TOKEN" in done.stderr
