"""Stacks of CloudFormation as samconfig.toml names them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster_assets.aws.faults import Cause, Patience, call_aws, cause_of_call
from cluster_assets.domain.errors import ClusterAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.aws.clients import AwsAccount

ENVIRONMENTS = ("dev", "staging", "prod")
PATIENCE = Patience(attempts=5, seconds=60, first_wait_s=0.5, longest_wait_s=5)


class StackError(ClusterAssetsError):
    """The stack is not there, or must not or cannot be removed."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: `cluster-assets-dev` and the like.
        outputs: By the keys of template.yaml.
    """

    name: str
    outputs: Mapping[str, str]


def stack_name(environment: str) -> str:
    """Name of the stack of an environment; samconfig.toml says the same."""
    return f"cluster-assets-{environment}"


def find_stack(account: AwsAccount, environment: str) -> Stack:
    """Look a stack up.

    Raises:
        StackError: There is none, or AWS does not tell.
    """
    name = stack_name(environment)
    cloudformation = account.client("cloudformation")
    found = asked(partial(cloudformation.describe_stacks, StackName=name), f"stack {name}")["Stacks"][0]
    outputs = {str(one["OutputKey"]): str(one["OutputValue"]) for one in found.get("Outputs", ())}
    return Stack(name, outputs)


def settings_of(stack: Stack) -> dict[str, str]:
    """The settings that outputs stand for: `ClusterAwsBucket` is `CLUSTER_AWS_BUCKET`.

    >>> settings_of(Stack("s", {"ClusterAwsBucket": "b", "SourceUri": "s3://b/"}))
    {'CLUSTER_AWS_BUCKET': 'b'}
    """
    return {
        re.sub(r"(?<=.)(?=[A-Z])", "_", key).upper(): value
        for key, value in stack.outputs.items()
        if key.startswith(("Cluster", "Dagster"))
    }


def protect(account: AwsAccount, environment: str) -> bool:
    """Have CloudFormation refuse to delete the stack of prod; whether it does now.

    Raises:
        StackError: AWS refuses.
    """
    guarded = environment == "prod"
    _set_protection(account, stack_name(environment), enabled=guarded)
    return guarded


def unprotect(account: AwsAccount, name: str) -> None:
    """Let CloudFormation delete a stack.

    Raises:
        StackError: AWS refuses.
    """
    _set_protection(account, name, enabled=False)


def _set_protection(account: AwsAccount, name: str, *, enabled: bool) -> None:
    cloudformation = account.client("cloudformation")
    asked(
        partial(
            cloudformation.update_termination_protection, StackName=name, EnableTerminationProtection=enabled
        ),
        f"stack {name}",
    )


def asked(call: Callable[[], Any], where: str) -> Any:
    """Call AWS, several times where a fault passes.

    Raises:
        StackError: AWS refuses, or keeps failing.
    """

    def translate(error: Exception) -> StackError:
        forbidden = cause_of_call(error) is Cause.FORBIDDEN
        missing = "does not exist" in str(error)
        remedy = "look at the account and region of your AWS environment"
        if forbidden:
            remedy = "take credentials that may change the stack"
        elif missing:
            remedy = "deploy it first: make deploy ENV=dev, staging or prod"
        return StackError(f"AWS refuses: {error}", where=where, remedy=remedy)

    return call_aws(call, PATIENCE, translate)
