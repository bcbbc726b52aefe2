"""Options of `sam deploy` that samconfig.toml cannot state: for stacks with a suffix, and for arrivals."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deploy.stack.stacks import StackId

_CONFIG = Path(__file__).parents[2] / "samconfig.toml"
# Parameters of the environment's stack that its queues of arrivals have too.
_OF_QUEUES = ("AlarmTopicArn", "KmsKeyArn")


def deploy_options(stack: StackId, part: str = "") -> list[str]:
    """Return the options for a stack with a suffix: its names, and the parameters of its environment.

    Args:
        stack: Which stack. Without a suffix there are no options, because samconfig.toml has them all.
        part: `-serving` for the stack of the API.
    """
    if not stack.suffix:
        return []
    name = stack.name + part
    names = ["--stack-name", name, "--s3-prefix", name, *_tags(stack)]
    return [*names, "--parameter-overrides", *_parameters(stack, part), f"Suffix={stack.suffix}"]


def arrivals_options(stack: StackId, pipeline: str) -> list[str]:
    """Return the options for the queue that announces the arrived days of a pipeline."""
    name = f"{stack.name}-arrivals-{pipeline.replace('_', '-')}"
    parameters = [f"EnvironmentName={stack.environment}", f"Pipeline={pipeline}"]
    parameters += [f"Suffix={stack.suffix}"] if stack.suffix else []
    parameters += [one for one in _parameters(stack) if one.partition("=")[0] in _OF_QUEUES]
    return ["--stack-name", name, *_tags(stack), "--parameter-overrides", *parameters]


def _tags(stack: StackId) -> list[str]:
    return ["--tags", "application=cluster-assets", f"environment={stack.label}"]


def _parameters(stack: StackId, part: str = "") -> list[str]:
    """Return the parameters of an environment in samconfig.toml."""
    config: dict[str, Any] = tomllib.loads(_CONFIG.read_text(encoding="utf-8"))
    parameters: list[str] = config[stack.environment + part]["deploy"]["parameters"]["parameter_overrides"]
    return parameters
