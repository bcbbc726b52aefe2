"""The tools of the deployment, and a stack deployed to an emulator."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from waiting import LONGEST_S

from cluster_assets.project import PROJECT_ROOT
from deploy.stack.stacks import StackId
from deploy.stack.tool_options import arrivals_options

if TYPE_CHECKING:
    from ministack_server import Ministack

sys.path.insert(0, str(Path(__file__).parent))  # its modules are used by several tests


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--built-layer", metavar="FOLDER", help="deploy what `make layer` made there")


@dataclass(frozen=True)
class Tools:
    """Where the tools are."""

    sam: Path
    lint: Path

    def run_sam(self, *arguments: str, folder: Path, environment: dict[str, str] | None = None) -> str:
        """Run sam without the AWS environment of this process; what it says."""
        base = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        quiet = {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-central-1", "HOME": str(folder)}
        done = subprocess.run(
            [self.sam, *arguments],
            cwd=folder,
            env=base | quiet | (environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST_S,
        )
        assert done.returncode == 0, f"$ sam {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def tools() -> Tools:
    venv = PROJECT_ROOT / ".venv-deploy" / "bin"
    for path in (venv / "sam", venv / "cfn-lint"):
        assert path.exists(), f"there is no {path}: make deploy-venv makes it"
    return Tools(venv / "sam", venv / "cfn-lint")


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `make deploy` deploys from."""
    from artifacts import make_artifacts, make_serving_artifacts  # after this folder is on the path

    folder = tmp_path_factory.mktemp("project")
    for name in ("template.yaml", "samconfig.toml", "deploy/arrivals.yaml", "deploy/serving.yaml"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT_ROOT / name, folder / name)
    if built := pytestconfig.getoption("built_layer", default=None):
        shutil.copytree(built, folder / "build" / "layer")
    else:
        make_artifacts(folder / "build" / "layer")
    make_serving_artifacts(folder / "build" / "serving")
    return folder


@dataclass(frozen=True)
class Deployed:
    """The stack of dev, and clients of its account."""

    ministack: Ministack
    project: Path
    tools: Tools

    def client(self, service: str) -> Any:
        return self.ministack.client(service)

    def sam(self, *arguments: str) -> str:
        return self.tools.run_sam(*arguments, folder=self.project, environment=self.ministack.environment)

    def deploy(self) -> None:
        """What `make deploy ENV=dev` does."""
        self.sam("build", "--config-env", "dev")
        self.sam("deploy", "--config-env", "dev")

    def deploy_arrivals(self, stack: StackId, pipeline: str) -> None:
        """What `make deploy-arrivals` does."""
        template = ("--template-file", "deploy/arrivals.yaml")
        self.sam("deploy", *template, *arrivals_options(stack, pipeline))

    def outputs(self, stack: str = "cluster-assets-dev") -> dict[str, str]:
        found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}


@pytest.fixture(scope="session")
def deployed(tools: Tools, project: Path, ministack: Ministack) -> Deployed:
    """The stack as `make deploy ENV=dev` makes it, and the queue of one pipeline."""
    from artifacts import python_of  # after this folder is on the path

    # Shared objects and bytecode of the layer are of one minor version.
    assert ministack.python == python_of(project / "build" / "layer")
    stack = Deployed(ministack, project, tools)
    stack.deploy()
    stack.deploy_arrivals(StackId("dev"), "attackers")
    return stack
