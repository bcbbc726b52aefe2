"""The functions that are built: the worker, and the API over the published days."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its layer.

    Attributes:
        handler: Lambda's name of the handler.
        lock: The packages of the layer.
        output: Default folder of the archives, where the template expects them.
        packages: Packages of this project in the function.
        trials: What to try after building, see `trial_program`.
        others: Further files of the function, by their path.
        has_kernel: Whether it contains the compiled kernel.
    """

    handler: str
    lock: Path
    output: Path
    packages: tuple[Path, ...]
    trials: tuple[str, ...]
    others: Mapping[str, Path] = field(default_factory=dict)
    has_kernel: bool = False


_PAGE = "cluster_assets/api/page.html"
FUNCTIONS = {
    "worker": Function(
        handler="lambda_worker.handler.handler",
        lock=_ROOT / "requirements" / "layer.lock",
        output=_ROOT / "build" / "layer",
        packages=(_ROOT / "lambda_worker",),
        trials=("forest", "sklearn", "modules"),
        has_kernel=True,
    ),
    "serving": Function(
        handler="cluster_assets.api.entrances.lambda_function.handler",
        lock=_ROOT / "requirements" / "serving.lock",
        output=_ROOT / "build" / "serving",
        packages=(_ROOT / "cluster_assets", _ROOT / "lambda_worker"),
        trials=("serving",),
        others={_PAGE: _ROOT / _PAGE},
    ),
}
