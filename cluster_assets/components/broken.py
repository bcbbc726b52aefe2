"""A pipeline with an invalid file: the UI shows its error, and all other pipelines run."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.components.files import load_file
from cluster_assets.domain.digests import digest_of
from cluster_assets.spec.yaml.files import broken_file

if TYPE_CHECKING:
    from cluster_assets.spec.yaml.files import BrokenFile, FoundFiles

_LOG = logging.getLogger(__name__)
_NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
_LONGEST = 60


def load_each(found: FoundFiles) -> list[dg.Definitions]:
    """Load each file on its own; for an invalid file, define an asset that shows the error."""
    loaded: list[dg.Definitions] = []
    wrong = list(found.broken)
    for file in found.files:
        try:
            loaded.append(load_file(file.path))
        except Exception as error:  # noqa: BLE001  # whatever it is, the other pipelines load
            wrong.append(broken_file(file.path, error))
    return loaded + [broken_pipeline(file) for file in wrong]


def broken_pipeline(file: BrokenFile) -> dg.Definitions:
    """Define one asset in the group `broken` that shows the error of a file and fails with it when run."""
    _LOG.error("%s defines no pipeline: %s", file.path, file.error)
    text = str(file.error)
    place = digest_of({"path": str(file.path)})[:8]  # several files may have the same name

    @dg.asset(
        key=[_NO_NAME.sub("_", file.name)[:_LONGEST] or "_", f"broken_{place}"],
        group_name="broken",
        kinds={"broken"},
        description="This file defines no pipeline:\n\n"
        + "\n".join(f"    {line}" for line in text.splitlines()),
        metadata={"file": dg.MetadataValue.path(str(file.path)), "error": dg.MetadataValue.text(text)},
    )
    def broken() -> None:
        raise file.error

    return dg.Definitions(assets=[broken])
