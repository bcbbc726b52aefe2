"""`python -m deploy.layer`: fetch, leave out, check, trim, compile, zip, measure, try."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import click

from deploy.layer.build import Built, build_function, build_layer
from deploy.layer.errors import LayerError
from deploy.layer.interpreter import DEFAULT_PYTHON, find_interpreter
from deploy.layer.kernels import build_kernels
from deploy.layer.lockfile import read_lock
from deploy.layer.processors import PROCESSORS
from deploy.layer.sizes import check_size, size_table, total
from deploy.layer.trial import runs_here, try_archives
from deploy.layer.wheels import fetch_wheels

_ROOT = Path(__file__).parents[2]
_MANIFEST_VERSION = 1


@click.command()
@click.option(
    "--python", default=DEFAULT_PYTHON, show_default=True, help="Minor version of Lambda's runtime."
)
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
    default=_ROOT / "build" / "layer",
    help="Folder of the archives and the manifest.",
)
@click.option(
    "--wheels",
    type=click.Path(file_okay=False, path_type=Path),
    default=_ROOT / "build" / "wheels",
    help="Folder that keeps the wheels between builds.",
)
def main(python: str, names: tuple[str, ...], output: Path, wheels: Path) -> None:
    """Build the Lambda layer and the function archive of the worker from requirements.lock."""
    try:
        build(python, names, output, wheels)
    except LayerError as error:
        click.echo(str(error), err=True)
        sys.exit(1)


def build(python: str, names: tuple[str, ...], output: Path, wheels: Path) -> None:
    """Build everything, then try what this machine can run, then write the manifest.

    Args:
        python: Minor version of Lambda's runtime, such as `3.13`.
        names: Processors, as Lambda calls them.
        output: Folder to write to.
        wheels: Folder that keeps the wheels.

    Raises:
        LayerError: A step fails; no manifest is left then, so nothing half-checked is deployed.
    """
    manifest = output / "manifest.json"
    manifest.unlink(missing_ok=True)
    interpreter = find_interpreter(python)
    kernels = build_kernels([PROCESSORS[name] for name in names], wheels.parent / "kernel")
    function = build_function(
        _ROOT / "lambda_worker", interpreter, python, output / "function.zip", shared=kernels
    )
    layers: dict[str, Built] = {}
    for name in names:
        processor = PROCESSORS[name]
        lock = read_lock(_ROOT / "requirements.lock", processor.marker_environment(python))
        fetched = fetch_wheels(lock, processor, python, wheels / f"{name}-{python}")
        layers[name] = layer = build_layer(fetched, processor, interpreter, output / f"layer-{name}.zip")
        click.echo(size_table(f"layer {name}", layer.packages))
        click.echo(check_size(total(layer.files), total(function.files), layer.path.name))
        click.echo(f"{layer.path.name}: {layer.path.stat().st_size / (1 << 20):.1f} MiB zipped")
        if runs_here(processor):
            click.echo("\n".join(try_archives(layer.path, function.path, interpreter)))
        else:
            click.echo(f"{name}: every shared object checked; imports not tried, this is another processor")
    write_manifest(manifest, python, layers, function)
    click.echo(f"function.zip: {function.path.stat().st_size / 1024:.0f} KiB zipped; manifest: {manifest}")


def write_manifest(path: Path, python: str, layers: dict[str, Built], function: Built) -> None:
    """Write what was built, from what, as JSON; equal builds give equal bytes."""
    described = {
        "version": _MANIFEST_VERSION,
        "runtime": f"python{python}",
        "handler": "lambda_worker.handler.handler",
        "lock_sha256": hashlib.sha256((_ROOT / "requirements.lock").read_bytes()).hexdigest(),
        "layers": {name: layer.to_json() for name, layer in sorted(layers.items())},
        "function": function.to_json(),
    }
    path.write_text(json.dumps(described, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
