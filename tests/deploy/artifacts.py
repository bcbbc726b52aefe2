"""What the template deploys, made quickly: the function as it is, a layer of packages of this environment.

The packages are those that a day of forests needs; scikit-learn is left out, and shared objects are not
trimmed. `make test-layer` deploys the layer that is built for Lambda.
"""

from __future__ import annotations

import json
import sys
import sysconfig
import zipfile
from pathlib import Path

from cluster_assets.settings import PROJECT_ROOT
from deploy.layer.build import build_function

PYTHON = "{}.{}".format(*sys.version_info[:2])
MANIFEST = "manifest.json"
_PACKAGES = ("numpy", "numpy.libs", "arro3", "threadpoolctl.py")


def make_artifacts(folder: Path) -> None:
    """Write function and layers where template.yaml looks for them below its folder."""
    folder.mkdir(parents=True)
    build_function(PROJECT_ROOT / "lambda_worker", Path(sys.executable), PYTHON, folder / "function.zip")
    site = Path(sysconfig.get_path("platlib"))
    with zipfile.ZipFile(folder / "layer-x86_64.zip", "w", zipfile.ZIP_STORED) as layer:
        for package in _PACKAGES:
            for file in sorted([site / package, *(site / package).rglob("*")]):
                if file.is_file() and not {"__pycache__", "tests"} & set(file.parts):
                    layer.write(file, f"python/{file.relative_to(site)}")
    with zipfile.ZipFile(folder / "layer-arm64.zip", "w") as layer:
        layer.writestr("python/nothing.txt", "of the other processor")
    (folder / MANIFEST).write_text(json.dumps({"runtime": f"python{PYTHON}"}))


def python_of(folder: Path) -> str:
    """Minor version of Python that the layers of a folder are made for, such as `3.13`."""
    runtime: str = json.loads((folder / MANIFEST).read_text())["runtime"]
    return runtime.removeprefix("python")
