"""Changes to pipeline files that keep everything else as the user wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import yaml

from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.yaml.files import load_pipeline, scan_pipeline_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cluster_assets.spec.pipeline import PipelineSpec


def find_pipeline_file(name: str, folders: Iterable[Path]) -> Path | None:
    """Return the file that defines a pipeline; None if there is none.

    Raises:
        SpecError: A folder does not exist, or two files define the pipeline.
    """
    found = scan_pipeline_files(folders)
    for broken in found.broken:
        if broken.name == name and "two files" in broken.error.what:
            raise broken.error
    return next((file.path for file in found.files if file.name == name), None)


def rename_in_file(path: Path, new: str) -> None:
    """Replace the name of a pipeline in its file, atomically; comments and layout stay.

    Raises:
        SpecError: The file is invalid.
    """
    load_pipeline(path)
    text = path.read_text(encoding="utf-8")
    name = _child(_child(yaml.compose(text, Loader=yaml.SafeLoader), "attributes"), "name")
    if name is None:
        raise SpecError("the attributes have no name", where=str(path), remedy=f"add `name: {new}`")
    start, end = name.start_mark.index, name.end_mark.index
    draft = _write_draft(path, text[:start] + new + text[end:])
    draft.replace(path)


def set_numbers(path: Path, values: Mapping[tuple[str, str], float], expected: PipelineSpec) -> None:
    """Set numbers of a pipeline in its file, atomically; comments and layout stay.

    Args:
        path: The file.
        values: Numbers by section and key, such as `("distance", "threshold")`. A missing key is added after
            the first key of its section.
        expected: The pipeline that the changed file must define.

    Raises:
        SpecError: The changed file would define another pipeline, for example because an anchor shares the
            value; nothing was changed.
    """
    text = path.read_text(encoding="utf-8")
    attributes = _child(yaml.compose(text, Loader=yaml.SafeLoader), "attributes")
    edits = [
        _edit(_child(attributes, section), key, f"{value:.15g}") for (section, key), value in values.items()
    ]
    for start, end, written in sorted((edit for edit in edits if edit is not None), reverse=True):
        text = text[:start] + written + text[end:]
    draft = _write_draft(path, text)
    try:
        if not _is_defined(draft, expected):
            listed = ", ".join(f"{section}.{key}: {value:g}" for (section, key), value in values.items())
            raise SpecError(
                "the values cannot be changed in place without changing others",
                where=str(path),
                remedy=f"write them by hand: {listed}",
            )
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_defined(path: Path, expected: PipelineSpec) -> bool:
    try:
        return load_pipeline(path) == expected
    except SpecError:
        return False


def _write_draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    draft.write_text(text, encoding="utf-8")
    return draft


def _edit(section: yaml.Node | None, key: str, value: str) -> tuple[int, int, str] | None:
    """Return start, end and text of the change that sets a key of a section; None without a section."""
    if not isinstance(section, yaml.MappingNode) or not section.value:
        return None
    node = _child(section, key)
    if node is not None:
        return node.start_mark.index, node.end_mark.index, value
    first_key, first = section.value[0]
    between = ", " if section.flow_style else "\n" + " " * first_key.start_mark.column
    end = first.end_mark.index
    return end, end, f"{between}{key}: {value}"


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)
