"""Pipeline YAML files: found, read and checked, with every error at its file and line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from cluster_assets.domain.errors import SpecError
from cluster_assets.pipeline_spec import PipelineSpec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pydantic_core import ErrorDetails

COMPONENT_TYPE = "cluster_assets.components.ClusteringPipeline"
FILE_NAME = "defs.yaml"
_DOCUMENT_KEYS = {"type", "attributes", "requirements", "post_processing", "template_vars_module"}


class _Loader(yaml.SafeLoader):
    """Leaves dates as their text: a day that does not exist is then told like any other bad value."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A YAML file that defines a pipeline; `name` is what its attributes say."""

    path: Path
    name: str


def find_pipeline_files(folders: Iterable[Path]) -> tuple[PipelineFile, ...]:
    """All pipeline files below the folders, by name.

    Raises:
        SpecError: A folder does not exist, a file is no YAML, or two files define one name.
    """
    found: dict[str, PipelineFile] = {}
    for folder in folders:
        if not folder.is_dir():
            raise SpecError(
                "the folder of pipeline definitions does not exist",
                where=str(folder),
                remedy="create it, or unset CLUSTER_DEFS",
            )
        for path in sorted(folder.rglob(FILE_NAME)):
            name = _pipeline_name(path)
            if name is None:
                continue
            if name in found:
                raise SpecError(
                    f"two files define the pipeline {name!r}",
                    where=f"{found[name].path} and {path}",
                    remedy="rename one of them",
                )
            found[name] = PipelineFile(path, name)
    return tuple(found[name] for name in sorted(found))


def load_pipeline_named(name: str, folders: Iterable[Path]) -> PipelineSpec:
    """Load one pipeline by name; broken neighbours do not matter.

    Raises:
        SpecError: No file defines it (the message lists what there is), or its file is wrong.
    """
    files = find_pipeline_files(folders)
    for file in files:
        if file.name == name:
            return load_pipeline(file.path)
    known = [file.name for file in files]
    raise SpecError(
        f"there is no pipeline {name!r}" + _suggest(name, known),
        remedy=f"choose one of: {', '.join(known) or 'none yet'}; or `cluster-assets new {name}`",
    )


def load_pipeline(path: Path, *, text: str | None = None) -> PipelineSpec:
    """Read and check one file.

    Args:
        path: The file, for reading and for messages.
        text: Its text to be, when it is not written yet.

    Raises:
        SpecError: With file and line of each problem.
    """
    node = _compose(path, text)
    body = _construct(node, path)
    unknown = [key for key in body if key not in _DOCUMENT_KEYS]
    if body.get("type") != COMPONENT_TYPE or not isinstance(body.get("attributes"), dict) or unknown:
        raise SpecError(
            f"not a pipeline file{': unknown key ' + unknown[0] if unknown else ''}",
            where=f"{path}:{_line(node, tuple(unknown[:1]))}",
            remedy=f"it needs `type: {COMPONENT_TYPE}` and `attributes:`",
        )
    try:
        return PipelineSpec.model_validate(body["attributes"])
    except ValidationError as error:
        raise _spec_error(error, node, path) from error


def _pipeline_name(path: Path) -> str | None:
    body = _construct(_compose(path), path)
    if body.get("type") != COMPONENT_TYPE:
        return None
    attributes = body.get("attributes")
    name = attributes.get("name") if isinstance(attributes, dict) else None
    return str(name) if name is not None else path.parent.name


def _compose(path: Path, text: str | None = None) -> yaml.Node:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8") if text is None else text, Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise SpecError(
            f"not valid YAML: {problem}", where=where, remedy="mend the line named above"
        ) from error
    if node is None:
        raise SpecError("the file is empty", where=str(path), remedy="see README, 'Your own table'")
    _refuse_duplicate_keys(node, path)
    return node


def _construct(node: yaml.Node, path: Path) -> dict[str, Any]:
    loader = _Loader("")
    try:
        body = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise SpecError(
            f"not valid YAML: {error}", where=str(path), remedy="mend the line named above"
        ) from error
    if not isinstance(body, dict):
        raise SpecError("the file holds no mapping", where=f"{path}:1", remedy="see README, 'Your own table'")
    return body


def _refuse_duplicate_keys(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise SpecError(
                    f"the key {key.value!r} stands twice",
                    where=f"{path}:{key.start_mark.line + 1}",
                    remedy="remove one of them",
                )
            seen.add(key.value)
            _refuse_duplicate_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, path)


def _spec_error(error: ValidationError, node: yaml.Node, path: Path) -> SpecError:
    problems = error.errors()
    texts = [_problem(problem, node) for problem in problems]
    first = _line(node, _keys(problems[0], node))
    return SpecError(
        "; ".join(texts),
        where=f"{path}:{first}",
        remedy="mend the YAML; `cluster-assets doctor` checks it again",
    )


def _problem(problem: ErrorDetails, node: yaml.Node) -> str:
    keys = _keys(problem, node)
    dotted = ".".join(str(key) for key in keys[1:]) or "attributes"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key" + _suggest(str(keys[-1]), _field_names())
    elif problem["type"] == "missing":
        message = "is missing"
    elif problem["type"] != "value_error" and not isinstance(problem["input"], dict | list):
        message = f"{message}, not {problem['input']!r}"
    return f"{dotted} (line {_line(node, keys)}): {message}"


def _keys(problem: ErrorDetails, node: yaml.Node) -> tuple[str | int, ...]:
    """The YAML path of a problem; union tags, which pydantic puts in between, are left out."""
    keys: list[str | int] = ["attributes"]
    place = _child(node, "attributes")
    for part in problem["loc"]:
        below = _child(place, part) if place is not None else None
        if below is None and part != problem["loc"][-1]:
            continue
        keys.append(part)
        place = below
    return tuple(keys)


def _line(node: yaml.Node, keys: tuple[str | int, ...]) -> int:
    """Line of the deepest key that is there."""
    line = node.start_mark.line
    place: yaml.Node | None = node
    for key in keys:
        if isinstance(place, yaml.MappingNode):
            line = next((k.start_mark.line for k, _ in place.value if k.value == str(key)), line)
        place = _child(place, key) if place is not None else None
        if place is None:
            break
        if isinstance(key, int):
            line = place.start_mark.line
    return int(line) + 1


def _child(node: yaml.Node, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == str(key)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        item: yaml.Node = node.value[key]
        return item
    return None


def _field_names() -> list[str]:
    """Every key the schema knows, for suggestions."""
    schema = PipelineSpec.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return sorted({name for part in parts for name in part.get("properties", {})})


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
