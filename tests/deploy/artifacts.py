"""The artifacts of the template, built quickly: the real function, a layer of this environment's packages.

The packages are those that a day of forests needs, without scikit-learn. `make test-layer` deploys the layer
that is built for Lambda.
"""

from __future__ import annotations

import json
import re
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.layer.build import build_function
from deploy.layer.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

PYTHON = "{}.{}".format(*sys.version_info[:2])
MANIFEST = "manifest.json"
_PACKAGES = ("numpy", "numpy.libs", "arro3", "msgspec", "threadpoolctl.py")


def make_artifacts(folder: Path) -> None:
    """Write function and layers where template.yaml looks for them below its folder."""
    site = Path(sysconfig.get_path("platlib"))
    files = (file for package in _PACKAGES for file in [site / package, *(site / package).rglob("*")])
    _write(folder, "worker", ((file, file.relative_to(site)) for file in sorted(files)))


def make_serving_artifacts(folder: Path) -> None:
    """Write function and layers of the API: the packages of its lock, of this environment."""
    pinned = re.findall(r"^([\w-]+)==", FUNCTIONS["serving"].lock.read_text(), re.MULTILINE)
    files = (file for name in pinned for file in distribution(name).files or ())
    _write(
        folder,
        "serving",
        ((Path(str(file.locate())), Path(file)) for file in files if ".." not in file.parts),
    )


def _write(folder: Path, name: str, files: Iterable[tuple[Path, Path]]) -> None:
    folder.mkdir(parents=True)
    function = FUNCTIONS[name]
    build_function(function.packages, Path(sys.executable), folder / "function.zip", function.others)
    with zipfile.ZipFile(folder / "layer-x86_64.zip", "w", zipfile.ZIP_STORED) as layer:
        for file, place in files:
            if file.is_file() and not {"__pycache__", "tests"} & set(place.parts):
                layer.write(file, f"python/{place}")
    with zipfile.ZipFile(folder / "layer-arm64.zip", "w") as layer:
        layer.writestr("python/nothing.txt", "of the other processor")
    (folder / MANIFEST).write_text(json.dumps({"runtime": f"python{PYTHON}"}))


def python_of(folder: Path) -> str:
    """Minor version of Python that the layers of a folder are made for, such as `3.13`."""
    runtime: str = json.loads((folder / MANIFEST).read_text())["runtime"]
    return runtime.removeprefix("python")
