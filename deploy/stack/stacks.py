"""CloudFormation stacks, named as in samconfig.toml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.aws.faults import Cause, call_aws, cause_of_call
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import ClusterAssetsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cluster_assets.backends.aws.clients import AwsAccount

ENVIRONMENTS = ("dev", "staging", "prod")
PATIENCE = Patience(attempts=5, seconds=60, first_wait_s=0.5, longest_wait_s=5)


class StackError(ClusterAssetsError):
    """The stack does not exist, or must not or cannot be removed."""


@dataclass(frozen=True, slots=True)
class StackId:
    """Which stack of an account and region.

    Attributes:
        environment: One of `ENVIRONMENTS`.
        suffix: The parameter `Suffix`; an environment may have several stacks.
    """

    environment: str
    suffix: str = ""

    def __post_init__(self) -> None:
        """Refuse what the templates refuse.

        Raises:
            StackError: The suffix has other characters, or too many.
        """
        if not re.fullmatch("[a-z0-9]{0,7}", self.suffix):
            raise StackError(
                f"the suffix {self.suffix!r} is not valid",
                where="NAME",
                remedy="take at most seven lower-case letters and digits",
            )

    @property
    def label(self) -> str:
        """Environment and suffix, as they are part of every name."""
        return self.environment + self.suffix

    @property
    def name(self) -> str:
        """The name of the stack; without a suffix it is that of samconfig.toml."""
        return f"cluster-assets-{self.label}"

    @property
    def is_production(self) -> bool:
        """Whether CloudFormation protects it, and its removal must be confirmed."""
        return self.environment == "prod"


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed stack.

    Attributes:
        name: `cluster-assets-dev` and the like.
        outputs: Outputs by their keys in template.yaml.
    """

    name: str
    outputs: Mapping[str, str]


def find_stack(account: AwsAccount, wanted: StackId) -> Stack:
    """Look a stack up.

    Raises:
        StackError: There is no such stack, or AWS refuses the call.
    """
    name = wanted.name
    cloudformation = account.client("cloudformation")
    found = asked(partial(cloudformation.describe_stacks, StackName=name), f"stack {name}")["Stacks"][0]
    outputs = {str(one["OutputKey"]): str(one["OutputValue"]) for one in found.get("Outputs", ())}
    return Stack(name, outputs)


def settings_of(stack: Stack) -> dict[str, str]:
    """Convert outputs to settings: `ClusterAwsBucket` becomes `CLUSTER_AWS_BUCKET`.

    >>> settings_of(Stack("s", {"ClusterAwsBucket": "b", "SourceUri": "s3://b/"}))
    {'CLUSTER_AWS_BUCKET': 'b'}
    """
    return {
        re.sub(r"(?<=.)(?=[A-Z])", "_", key).upper(): value
        for key, value in stack.outputs.items()
        if key.startswith(("Cluster", "Dagster"))
    }


def protect(account: AwsAccount, stack: StackId) -> bool:
    """Turn on deletion protection for a stack of prod; return whether the stack is protected.

    Raises:
        StackError: AWS refuses.
    """
    _set_protection(account, stack.name, enabled=stack.is_production)
    return stack.is_production


def unprotect(account: AwsAccount, name: str) -> None:
    """Turn off the deletion protection of a stack.

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
    """Call AWS, with retries after transient faults.

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
