"""`python -m deploy.stack options|arrivals|settings|protect|destroy ENV`, for the Makefile."""

from __future__ import annotations

import sys

import click

from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.domain.errors import ClusterAssetsError
from deploy.stack.removal import destroy
from deploy.stack.stacks import ENVIRONMENTS, StackId, find_stack, protect, settings_of
from deploy.stack.tool_options import arrivals_options, deploy_options

_ENVIRONMENT = click.argument("environment", type=click.Choice(ENVIRONMENTS))
_SUFFIX = click.option("--name", "suffix", default="", help="Suffix of the stack.")


@click.group()
def main() -> None:
    """Look after the deployed stack; account and region are those of the AWS environment."""


@main.command()
@_ENVIRONMENT
@_SUFFIX
@click.option("--serving", is_flag=True, help="Of the API.")
def options(environment: str, suffix: str, *, serving: bool) -> None:
    """Print what `sam deploy` needs besides samconfig.toml."""
    click.echo(" ".join(deploy_options(StackId(environment, suffix), "-serving" if serving else "")))


@main.command()
@_ENVIRONMENT
@click.argument("pipeline")
@_SUFFIX
def arrivals(environment: str, pipeline: str, suffix: str) -> None:
    """Print what `sam deploy` needs for the queue of a pipeline."""
    click.echo(" ".join(arrivals_options(StackId(environment, suffix), pipeline)))


@main.command()
@_ENVIRONMENT
@_SUFFIX
def settings(environment: str, suffix: str) -> None:
    """Print the settings of a stack, as lines of .env."""
    stack = find_stack(AwsAccount(), StackId(environment, suffix))
    for name, value in settings_of(stack).items():
        click.echo(f"{name}={value}")


@main.command("protect")
@_ENVIRONMENT
@_SUFFIX
def protect_command(environment: str, suffix: str) -> None:
    """Have CloudFormation refuse to delete a stack of prod."""
    guarded = protect(AwsAccount(), StackId(environment, suffix))
    click.echo("# protected against deletion" if guarded else "# may be deleted by make destroy")


@main.command("destroy")
@_ENVIRONMENT
@_SUFFIX
@click.option("--data", type=click.Choice(["keep", "delete"]), default="keep", help="What is published.")
@click.option("--confirm", default="", help="The stack's name; prod asks for it.")
def destroy_command(environment: str, suffix: str, data: str, confirm: str) -> None:
    """Remove a stack; refuses while there are published days."""
    doomed = StackId(environment, suffix)
    destroy(AwsAccount(), doomed, delete_data=data == "delete", confirmed=confirm, tell=click.echo)


if __name__ == "__main__":
    try:
        main()
    except ClusterAssetsError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
