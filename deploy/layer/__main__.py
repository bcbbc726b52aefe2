"""`python -m deploy.layer`: install, compile, zip, measure, test."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.layer.build import MIB, build_function, build_layer, check_size
from deploy.layer.errors import LayerError
from deploy.layer.functions import FUNCTIONS
from deploy.layer.interpreter import PYTHON, find_interpreter
from deploy.layer.kernels import build_kernels
from deploy.layer.processors import PROCESSORS
from deploy.layer.trial import runs_here, try_archives

if TYPE_CHECKING:
    from deploy.layer.archive import Archive
    from deploy.layer.functions import Function

_ROOT = Path(__file__).parents[2]


@click.command()
@click.argument("function", type=click.Choice(sorted(FUNCTIONS)), default="worker")
@click.option(
    "--processor",
    "names",
    type=click.Choice(sorted(PROCESSORS)),
    multiple=True,
    default=sorted(PROCESSORS, reverse=True),
    help="Processors to build for; both when left out.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the archives and the manifest; by default where the template expects them.",
)
def main(function: str, names: tuple[str, ...], output: Path | None) -> None:
    """Build the Lambda layer and the archive of a function from its lock in requirements/."""
    try:
        build(FUNCTIONS[function], names, output or FUNCTIONS[function].output)
    except LayerError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def build(function: Function, names: tuple[str, ...], output: Path) -> None:
    """Build everything, test what this machine can run, and write the manifest.

    Args:
        function: The function.
        names: Lambda's names of the processors.
        output: Folder to write to.

    Raises:
        LayerError: A step failed. There is no manifest then, so nothing unchecked is deployed.
    """
    manifest = output / "manifest.json"
    manifest.unlink(missing_ok=True)
    interpreter = find_interpreter()
    others = dict(function.others)
    if function.has_kernel:
        others |= build_kernels([PROCESSORS[name] for name in names], _ROOT / "build" / "kernel")
    code = build_function(function.packages, interpreter, output / "function.zip", others)
    layers: dict[str, Archive] = {}
    for name in names:
        processor = PROCESSORS[name]
        layers[name] = layer = build_layer(
            processor, interpreter, output / f"layer-{name}.zip", function.lock
        )
        click.echo(check_size(layer, code))
        click.echo(f"{layer.path.name}: {layer.path.stat().st_size / MIB:.1f} MiB zipped")
        if runs_here(processor):
            click.echo("\n".join(try_archives(layer.path, code.path, interpreter, function.trials)))
        else:
            click.echo(f"{layer.path.name}: not tried, this machine is of another processor")
    write_manifest(manifest, function, layers, code)
    click.echo(f"manifest: {manifest}")


def write_manifest(path: Path, function: Function, layers: dict[str, Archive], code: Archive) -> None:
    """Write the built files and their inputs as JSON; equal builds give equal bytes."""
    described = {
        "runtime": f"python{PYTHON}",
        "handler": function.handler,
        "lock_sha256": hashlib.sha256(function.lock.read_bytes()).hexdigest(),
        "layers": {name: layer.to_json() for name, layer in sorted(layers.items())},
        "function": code.to_json(),
    }
    path.write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
