"""Find, read and check pipeline YAML files; every error names its file and line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from cluster_assets.domain.counts import counted
from cluster_assets.domain.errors import SpecError
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.unknown_keys import explain_unknown_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails

COMPONENT_TYPE = "cluster_assets.components.ClusteringPipeline"
FILE_NAME = "defs.yaml"
_LARGEST = 1_000_000  # bytes; PyYAML reads about 300,000 per second
_DOCUMENT_KEYS = {"type", "attributes", "requirements", "post_processing", "template_vars_module"}


class _Loader(yaml.SafeLoader):
    """Keeps dates as text, so that an impossible day is reported like any other bad value."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True)
class PipelineFile:
    """A YAML file that defines a pipeline; `name` is taken from its attributes."""

    path: Path
    name: str


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A YAML file that cannot be loaded; `name` is the likely name of its pipeline."""

    path: Path
    name: str
    error: SpecError


@dataclass(frozen=True, slots=True)
class FoundFiles:
    """The contents of definition folders: pipeline files by name, and files that cannot be loaded."""

    files: tuple[PipelineFile, ...]
    broken: tuple[BrokenFile, ...]


def scan_pipeline_files(folders: Iterable[Path]) -> FoundFiles:
    """Find all pipeline files below the folders; files that cannot be loaded are listed separately.

    Raises:
        SpecError: A folder does not exist.
    """
    found: dict[str, PipelineFile] = {}
    broken: list[BrokenFile] = []
    for folder in folders:
        if not folder.is_dir():
            raise SpecError(
                "the folder of pipeline definitions does not exist",
                where=str(folder),
                remedy="create it, or unset CLUSTER_DEFS",
            )
        for path in sorted(folder.rglob(FILE_NAME)):
            try:
                name = _pipeline_name(path)
            except Exception as error:  # noqa: BLE001  # the other files are still found
                broken.append(BrokenFile(path, path.parent.name, as_spec_error(error, path)))
                continue
            if name in found:
                twice = SpecError(
                    f"two files define the pipeline {name!r}",
                    where=f"{found[name].path} and {path}",
                    remedy="rename one of them",
                )
                broken.append(BrokenFile(path, name, twice))
            elif name is not None:
                found[name] = PipelineFile(path, name)
    return FoundFiles(tuple(found[name] for name in sorted(found)), tuple(broken))


def broken_file(path: Path, error: Exception) -> BrokenFile:
    """Describe a file that cannot be loaded, with the line of its error if the file alone causes it."""
    name = path.parent.name
    try:
        name = _pipeline_name(path) or name
        load_pipeline(path)
    except SpecError as found:
        error = found
    return BrokenFile(path, name, as_spec_error(error, path))


def as_spec_error(error: Exception, path: Path) -> SpecError:
    """Convert any exception to an error that names the file."""
    if isinstance(error, SpecError):
        return error
    return SpecError(
        f"the file cannot be loaded: {type(error).__name__}: {error}",
        where=str(path),
        remedy="correct the file; `cluster-assets doctor` checks it again",
    )


def load_pipeline_named(name: str, folders: Iterable[Path]) -> PipelineSpec:
    """Load one pipeline by name; broken files of other pipelines do not matter.

    Raises:
        SpecError: No file defines it (the message lists all pipelines), two do, or its file is invalid.
    """
    found = scan_pipeline_files(folders)
    known = {file.name: file.path for file in found.files}
    for broken in found.broken:
        # A folder may have the name of a pipeline in another file; only two definitions are a conflict.
        if broken.name == name and (name not in known or _defines(broken.path, name)):
            raise broken.error
    if name in known:
        return load_pipeline(known[name])
    if found.broken:
        raise SpecError(
            f"no readable file defines the pipeline {name!r}, and this file is broken: "
            f"{found.broken[0].error.what}",
            where=found.broken[0].error.where,
            remedy=f"correct that file, or choose one of: {', '.join(known) or 'none yet'}",
        )
    raise SpecError(
        f"there is no pipeline {name!r}" + _suggest(name, list(known)),
        remedy=f"choose one of: {', '.join(known) or 'none yet'}; or `cluster-assets new {name}`",
    )


def load_pipeline(path: Path) -> PipelineSpec:
    """Read and check one file.

    Raises:
        SpecError: The file is invalid; the message has the line of each problem.
    """
    node = _compose(path)
    body = _construct(node, path)
    unknown = [key for key in body if key not in _DOCUMENT_KEYS]
    if body.get("type") != COMPONENT_TYPE or not isinstance(body.get("attributes"), dict) or unknown:
        raise SpecError(
            f"not a pipeline file{f': unknown key {unknown[0]}' if unknown else ''}",
            where=f"{path}:{_line(node, tuple(unknown[:1]))}",
            remedy=f"it needs `type: {COMPONENT_TYPE}` and `attributes:`",
        )
    try:
        return PipelineSpec.model_validate(body["attributes"])
    except ValidationError as error:
        raise _spec_error(error, node, path) from error
    except Exception as error:  # a validator raised an unexpected error
        raise as_spec_error(error, path) from error


def _dotted(key: str, text: str) -> str:
    return f"{key}: {text}"


def check_attributes(
    attributes: Mapping[str, Any], describe: Callable[[str, str], str] = _dotted
) -> PipelineSpec:
    """Check attributes that are not in a file yet.

    Args:
        attributes: As in the YAML.
        describe: Formats the dotted key of a problem and its explanation.

    Raises:
        SpecError: An attribute is invalid; the message has the key of each problem.
    """
    try:
        return PipelineSpec.model_validate(dict(attributes))
    except ValidationError as error:
        node = yaml.compose(yaml.safe_dump({"attributes": dict(attributes)}), Loader=_Loader)
        problems = [_problem(problem, _keys(problem, node)) for problem in error.errors()]
        raise SpecError("; ".join(describe(key, text) for key, text in problems)) from error


def _defines(path: Path, name: str) -> bool:
    try:
        return _pipeline_name(path) == name
    except SpecError:
        return False


def _pipeline_name(path: Path) -> str | None:
    body = _construct(_compose(path), path)
    if body.get("type") != COMPONENT_TYPE:
        return None
    attributes = body.get("attributes")
    name = attributes.get("name") if isinstance(attributes, dict) else None
    return str(name) if name is not None else path.parent.name


def _compose(path: Path) -> yaml.Node:
    try:
        _check_file(path)
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except OSError as error:
        raise SpecError(
            f"the file cannot be read: {error.strerror}", where=str(path), remedy="check its permissions"
        ) from error
    except RecursionError as error:
        raise SpecError("the YAML is nested too deeply", where=str(path), remedy="flatten it") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or "not UTF-8 text"
        raise SpecError(
            f"not valid YAML: {problem}", where=where, remedy="correct the line named above"
        ) from error
    if node is None:
        raise SpecError("the file is empty", where=str(path), remedy="see README, 'Your own table'")
    _check_nodes(node, path, {})
    return node


def _check_file(path: Path) -> None:
    """Refuse files that would take minutes to read, or never end."""
    if not path.is_file():  # a folder, or a pipe without a writer
        raise SpecError("this is not a regular file", where=str(path), remedy="remove or rename it")
    if path.stat().st_size > _LARGEST:
        raise SpecError(
            f"the file has {counted(path.stat().st_size, 'byte')}; a pipeline file may have {_LARGEST:,}",
            where=str(path),
            remedy="shorten it; prepare long lists of values in a view",
        )


def _construct(node: yaml.Node, path: Path) -> dict[str, Any]:
    loader = _Loader("")
    try:
        body = loader.construct_document(node)
    except Exception as error:
        # PyYAML does not catch the errors of its conversions, for example of `!!bool maybe`.
        raise SpecError(
            f"not valid YAML: {error}", where=str(path), remedy="correct the line named above"
        ) from error
    if not isinstance(body, dict):
        raise SpecError("the file is not a mapping", where=f"{path}:1", remedy="see README, 'Your own table'")
    return body


def _check_nodes(node: yaml.Node, path: Path, done: dict[int, bool]) -> None:
    """Refuse YAML features that no pipeline needs; `done` is True for visited nodes, False for ancestors."""
    if id(node) in done:
        if not done[id(node)]:
            raise SpecError(
                "an alias is inside the node it refers to",
                where=f"{path}:{node.start_mark.line + 1}",
                remedy="write the value instead of the alias",
            )
        return
    done[id(node)] = False
    if isinstance(node, yaml.MappingNode):
        _check_keys(node, path)
        for _, value in node.value:
            _check_nodes(value, path, done)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_nodes(item, path, done)
    done[id(node)] = True


def _check_keys(node: yaml.MappingNode, path: Path) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        where = f"{path}:{key.start_mark.line + 1}"
        if not isinstance(key, yaml.ScalarNode):
            raise SpecError("a key is a list or a mapping", where=where, remedy="write a name as the key")
        if key.value in seen:
            raise SpecError(f"the key {key.value!r} occurs twice", where=where, remedy="remove one of them")
        seen.add(key.value)


def _spec_error(error: ValidationError, node: yaml.Node, path: Path) -> SpecError:
    texts, lines = [], []
    for problem in error.errors():
        keys = _keys(problem, node)
        key, text = _problem(problem, keys)
        lines.append(_line(node, keys))
        texts.append(f"{key} (line {lines[-1]}): {text}")
    return SpecError(
        "; ".join(texts),
        where=f"{path}:{lines[0]}",
        remedy="correct the YAML; `cluster-assets doctor` checks it again",
    )


def _problem(problem: ErrorDetails, keys: tuple[str | int, ...]) -> tuple[str, str]:
    """Return the dotted key of a problem and its explanation."""
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = explain_unknown_key(problem["loc"])
    elif problem["type"] == "missing":
        message = "is missing"
    elif problem["type"] == "union_tag_invalid":
        choices = problem["ctx"]["expected_tags"].replace("', '", "' or '")
        message = f"type must be {choices}, not {problem['ctx']['tag']!r}"
    elif problem["type"] == "union_tag_not_found":
        message = "type is missing"
    elif problem["type"] != "value_error" and not isinstance(problem["input"], dict | list):
        message = f"{message}, not {problem['input']!r}"
    return ".".join(str(key) for key in keys[1:]) or "attributes", message


def _keys(problem: ErrorDetails, node: yaml.Node | None) -> tuple[str | int, ...]:
    """Return the YAML path of a problem, without the union tags that pydantic inserts."""
    keys: list[str | int] = ["attributes"]
    place = _child(node, "attributes") if node is not None else None
    for part in problem["loc"]:
        below = _child(place, part) if place is not None else None
        if below is None and part != problem["loc"][-1]:
            continue
        keys.append(part)
        place = below
    return tuple(keys)


def _line(node: yaml.Node, keys: tuple[str | int, ...]) -> int:
    """Return the line of the deepest existing key."""
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


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
