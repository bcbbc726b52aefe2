"""`python -m deploy.stack settings|protect|destroy ENV`; `make deploy` and `make destroy` call it."""

from __future__ import annotations

import sys

import click

from cluster_assets.aws.clients import AwsAccount
from cluster_assets.domain.errors import ClusterAssetsError
from deploy.stack.removal import destroy
from deploy.stack.stacks import ENVIRONMENTS, find_stack, protect, settings_of

_ENVIRONMENT = click.argument("environment", type=click.Choice(ENVIRONMENTS))


@click.group()
def main() -> None:
    """Look after the deployed stack; account and region are those of the AWS environment."""


@main.command()
@_ENVIRONMENT
def settings(environment: str) -> None:
    """Print the settings of a stack, as lines of .env."""
    stack = find_stack(AwsAccount(), environment)
    for name, value in settings_of(stack).items():
        click.echo(f"{name}={value}")


@main.command("protect")
@_ENVIRONMENT
def protect_command(environment: str) -> None:
    """Have CloudFormation refuse to delete the stack of prod."""
    guarded = protect(AwsAccount(), environment)
    click.echo("# protected against deletion" if guarded else "# may be deleted by make destroy")


@main.command("destroy")
@_ENVIRONMENT
@click.option("--data", type=click.Choice(["keep", "delete"]), default="keep", help="What is published.")
@click.option("--confirm", default="", help="The stack's name; prod asks for it.")
def destroy_command(environment: str, data: str, confirm: str) -> None:
    """Remove a stack; refuses while there are published days."""
    destroy(AwsAccount(), environment, delete_data=data == "delete", confirmed=confirm, tell=click.echo)


if __name__ == "__main__":
    try:
        main()
    except ClusterAssetsError as error:
        click.echo(str(error), err=True)
        sys.exit(1)
