"""Pipeline files outside the project's folder `defs`, loaded by Dagster like those in it."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.assets.previews import accepted_previews
from cluster_assets.domain.digests import digest_of

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@accepted_previews()
def load_file(path: Path) -> dg.Definitions:
    """Load the components of one file, with its requirements, post-processing and link to the file.

    The folder of the file becomes a `defs` folder of its own, so that Dagster imports no Python file that
    happens to be below `CLUSTER_DEFS`.
    """
    tree = dg.ComponentTree.from_module(defs_module=_module_of(path.parent), project_root=path.parent)
    return tree.build_defs_at_path(path.parent)


def _module_of(folder: Path) -> ModuleType:
    """Return the folder as a package, so that a file can name a `template_vars_module` beside it."""
    name = f"cluster_assets_defs_{digest_of({'folder': str(folder)})[:16]}"
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    module = module_from_spec(spec)
    sys.modules[name] = module
    return module
