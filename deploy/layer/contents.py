"""What of a wheel goes into the layer."""

from __future__ import annotations

import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Folders of tests, wherever they are. `numpy.testing` and the like are imported and stay.
_LEFT_OUT_FOLDERS = {"tests", "test", "__pycache__"}
# Sources, headers, stubs, static libraries, build files and prose.
_LEFT_OUT_SUFFIXES = {
    *(".c", ".cpp", ".f", ".f90", ".h", ".hpp", ".pxd", ".pxi", ".pyf", ".pyi", ".pyx"),
    *(".a", ".build", ".cmake", ".in", ".md", ".pc", ".rst", ".tp"),
}
_LEFT_OUT_PATHS = re.compile(
    r"""
    (^|/)(py\.typed|conftest\.py)$
    | ^[^/]+\.dist-info/(?!METADATA$|licenses/|LICEN[CS]E|NOTICE|COPYING)  # version and licences stay
    | ^numpy/(_core/include|_core/lib|_core/tests|random/lib|random/_examples|_pyinstaller)/
    | ^numpy/_core/_(simd|\w+_tests)\.[^/]*so$                             # only numpy's own tests load these
    | ^scipy/.*/_test_\w+\.[^/]*so$                                        # and scipy's these
    | ^scipy/(special/_precompute|io/_fast_matrix_market/include)/          # generators of scipy's own tables
    | ^sklearn/_build_utils/
    | ^joblib/externals/loky/backend/_win_reduction\.py$
    | ^sklearn/datasets/(data|descr|images)/                               # example data sets
    """,
    re.VERBOSE,
)


def read_wheel(path: Path) -> dict[str, bytes]:
    """The files a wheel installs on the import path; scripts and headers are left out.

    Raises:
        LayerError: A path leads out of the layer.
    """
    files = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            target = None if info.is_dir() else _installed_path(info.filename)
            if target is None:
                continue
            if PurePosixPath(target).is_absolute() or ".." in PurePosixPath(target).parts:
                raise LayerError(f"the wheel holds a file outside itself: {info.filename}", where=str(path))
            files[target] = archive.read(info)
    return files


def leave_out(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files that the worker can need."""
    return {path: content for path, content in files.items() if is_needed(path)}


def is_needed(path: str) -> bool:
    """Whether a file of a wheel is more than tests, sources, stubs, documents or sample data."""
    parts = PurePosixPath(path)
    if _LEFT_OUT_PATHS.search(path):
        return False
    if any(part.endswith(".dist-info") for part in parts.parts):
        return True
    return not _LEFT_OUT_FOLDERS.intersection(parts.parts[:-1]) and parts.suffix not in _LEFT_OUT_SUFFIXES


def _installed_path(name: str) -> str | None:
    """Where a file of a wheel is installed (PEP 427: `*.data/purelib` and `platlib` spread to the root)."""
    top, _, rest = name.partition("/")
    if not top.endswith(".data"):
        return name
    scheme, _, target = rest.partition("/")
    return target if scheme in {"purelib", "platlib"} else None
