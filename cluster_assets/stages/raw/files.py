"""The source of a pipeline: its files, their format, and the check of their columns."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import sqlglot.expressions as exp

from cluster_assets.backends.ports import DescribesFiles, FileRelation, TableRelation
from cluster_assets.domain.column_types import ONLY_NULLS, as_read, wider
from cluster_assets.domain.errors import (
    SampleMissingError,
    SourceMissingError,
    SpecError,
)
from cluster_assets.domain.patterns import can_be_name
from cluster_assets.domain.text_files import NO_USE, RFC_4180
from cluster_assets.domain.times.formats import EPOCHS
from cluster_assets.settings import SAMPLE_FOLDER
from cluster_assets.spec.expressions import time_tree
from cluster_assets.stages.raw.casts import check_casts, refuse_wide_decimals
from cluster_assets.stages.raw.column_errors import (
    missing_error,
    repeated_error,
    respelled_error,
    retyped_error,
)
from cluster_assets.stages.raw.column_uses import column_uses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cluster_assets.backends.ports import Relation, SqlEngine
    from cluster_assets.domain.tables import Column
    from cluster_assets.spec.pipeline import PipelineSpec, Raw

_ENDINGS = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
}
_BRACES = re.compile(r"\$\{|\}")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of the source.

    Attributes:
        uri: Absolute path, or `s3://` address.
        bytes: Its size.
        modified_ns: Time of the last change in nanoseconds since 1970; whole seconds on S3.
    """

    uri: str
    bytes: int
    modified_ns: int


def list_source_files(pattern: str, *, root: Path, environment: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """List the files that match a pattern, sorted by URI.

    Args:
        pattern: A path or glob (`*`, `?`, `[…]`, `**`); with `target: aws` an `s3://` URI. `${NAME}` and
            `${NAME:-default}` are replaced with environment variables; a default may contain further ones.
            The longest prefix that exists as written is taken literally, so a folder `a[1]` needs no escape.
        root: Base folder of relative patterns.
        environment: Usually `os.environ`.

    Raises:
        SpecError: A variable is not set and has no default, or the pattern is an `s3://` URI but the target
            is not `aws`.
        SourceMissingError: No file matches; a SampleMissingError if `cluster-assets sample` writes them.
    """
    expanded = expand(pattern, environment)
    # A variable may hold a secret, so messages show the text of the YAML.
    shown = pattern if "${" in pattern else expanded
    if expanded.startswith("s3://") and environment.get("CLUSTER_TARGET") == "aws":
        return _list_on_s3(expanded, pattern, environment)
    if "://" in expanded:
        raise SpecError(
            f"{shown} is not a path of this machine",
            where=f"raw.files: {pattern}",
            remedy="copy the files here, or name a table under raw.table; s3:// needs CLUSTER_TARGET=aws",
        )
    path = Path(root, Path(expanded).expanduser())
    names = glob.glob(_pattern(path), recursive=True)  # noqa: PTH207  # keeps `**`
    files = [
        Path(name) for name in names if Path(name).is_file() and not Path(name).name.startswith((".", "_"))
    ]
    if not files:
        if path.parent == Path(environment.get("CLUSTER_HOME", ""), SAMPLE_FOLDER):
            raise SampleMissingError(
                f"the sample data is not there: no file matches {path}",
                where=f"raw.files: {pattern}",
                remedy="write it: cluster-assets sample (or make demo, which runs the demo pipelines too)",
            )
        raise SourceMissingError(
            f"no file matches {shown if '${' in pattern else path}"
            + (", which is a folder" if path.is_dir() else ""),
            where=f"raw.files: {pattern}",
            remedy=f"write {shown.rstrip('/')}/*.parquet" if path.is_dir() else _check_pattern(shown),
        )
    found = {str(file.absolute()): file.stat() for file in files}
    return tuple(SourceFile(uri, found[uri].st_size, found[uri].st_mtime_ns) for uri in sorted(found))


def _pattern(path: Path) -> str:
    """Return the glob of a path; the longest prefix that exists as written is escaped."""
    here, parts = "", list(path.parts[1:])
    while parts and can_be_name(parts[0]) and os.path.exists(f"{here}/{parts[0]}"):  # noqa: PTH110  # never raises
        here = f"{here}/{parts.pop(0)}"
    return "/".join([glob.escape(here), *parts])


def _check_pattern(pattern: str) -> str:
    """Return a hint for a pattern that matches nothing."""
    bracket = "; [ begins a list of characters, [[] is the bracket itself" if "[" in pattern else ""
    return f"check the path; ** matches folders{bracket}"


def _list_on_s3(pattern: str, written: str, environment: Mapping[str, str]) -> tuple[SourceFile, ...]:
    # Imported here, so that boto3 is loaded only for AWS.
    from cluster_assets.backends.aws.globs import find_files

    files = [
        SourceFile(found.uri, found.bytes, int(found.modified.timestamp()) * 1_000_000_000)
        for found in find_files(_s3_client(_aws_variables(environment)), pattern)
    ]
    if not files:
        raise SourceMissingError(
            f"no object matches {written}",
            where=f"raw.files: {written}",
            remedy=_check_pattern(written),
        )
    return tuple(sorted(files, key=lambda file: file.uri))


def _aws_variables(environment: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """Return the environment variables that an AWS client depends on."""
    names = ("AWS_", "CLUSTER_AWS_")
    variables = {**os.environ, **environment}
    return frozenset((name, value) for name, value in variables.items() if name.startswith(names))


@lru_cache(maxsize=1)
def _s3_client(variables: frozenset[tuple[str, str]]) -> Any:
    """Return a cached client: creating one takes a quarter of a second, and each stage lists the source."""
    from cluster_assets.backends.aws.clients import AwsAccount

    values = dict(variables)
    account = AwsAccount(
        values.get("CLUSTER_AWS_REGION") or None, values.get("CLUSTER_AWS_ENDPOINT_URL") or None
    )
    return account.client("s3")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME}` and `${NAME:-default}`; empty variables take the default, values are not expanded.

    Raises:
        SpecError: A variable is not set and has no default, or a brace is missing.
    """
    start = text.find("${")
    if start < 0:
        return text
    end = _closing_brace(text, start)
    name, has_default, default = text[start + 2 : end].partition(":-")
    value = environment.get(name) or (expand(default, environment) if has_default else None)
    if value is None:
        raise SpecError(
            f"the environment variable {name} is not set",
            where=f"raw.files: {text}",
            remedy=f"set it, or write ${{{name}:-default}}",
        )
    return text[:start] + value + expand(text[end + 1 :], environment)


def _closing_brace(text: str, start: int) -> int:
    depth = 0
    for match in _BRACES.finditer(text, start):
        depth += 1 if match[0] == "${" else -1
        if depth == 0:
            return match.start()
    raise SpecError("a ${ has no closing brace", where=f"raw.files: {text}", remedy="write ${NAME}")


def detect_format(uris: Sequence[str]) -> str:
    """Return `parquet`, `csv` or `json` by file extension; CSV and JSON may be gzipped.

    Raises:
        SpecError: The formats are mixed, or an extension is unknown.
    """
    formats = {uri: _format_of(uri) for uri in uris}
    kinds = sorted(set(formats.values()))
    if len(kinds) > 1:
        examples = ", ".join(next(uri for uri in uris if formats[uri] == kind) for kind in kinds)
        raise SpecError(
            f"raw.files matches files of several formats: {', '.join(kinds)}",
            where=examples,
            remedy="narrow the pattern by its ending, such as *.parquet",
        )
    return kinds[0]


def source_relation(
    raw: Raw, spec: PipelineSpec, files: Sequence[SourceFile]
) -> FileRelation | TableRelation:
    """Return the relation for the table name `raw`.

    Args:
        raw: The section `raw` of the YAML.
        spec: The pipeline, whose expressions determine the uses of the columns of text files.
        files: The files of `raw`; ignored for `raw.table`.

    Raises:
        SpecError: The files have mixed or unknown formats.
    """
    if raw.table is not None:
        return TableRelation(raw.table)
    uris = tuple(file.uri for file in files)
    kind = detect_format(uris)
    hive = raw.layout.column if raw.layout is not None else None
    in_folders = hive is not None and all(in_folder(uri, hive) for uri in uris)
    declared = raw.columns if kind == "parquet" else _text_times(raw) | raw.columns
    types = {name: type_ for name, type_ in declared.items() if not in_folders or name != hive}
    if kind == "parquet":
        return FileRelation(uris, kind, types, hive if in_folders else None)
    uses = dict.fromkeys(types, NO_USE) | column_uses(spec)
    if in_folders:
        uses.pop(str(hive), None)
    dialect = RFC_4180 if raw.csv is None else raw.csv.dialect
    return FileRelation(uris, kind, types, hive if in_folders else None, uses=uses, dialect=dialect)


def in_folder(uri: str, column: str) -> bool:
    """Whether a file is below a folder `column=…`."""
    return any(part.startswith(f"{column}=") for part in PurePosixPath(uri).parent.parts)


def _text_times(raw: Raw) -> dict[str, str]:
    """Declare the time column as text if the YAML gives its format, so that no CSV reader guesses it."""
    is_read = raw.time_format not in (None, *EPOCHS) or raw.time_zone is not None
    tree = time_tree(raw.time_column or "")
    return {tree.name: "varchar"} if is_read and isinstance(tree, exp.Column) else {}


def check_columns(
    engine: SqlEngine, relation: Relation, needed: Sequence[str], contract: Mapping[str, str]
) -> dict[str, str]:
    """Check that every file or the table has the columns that a pipeline reads, with the declared types.

    Args:
        engine: Describes the source.
        relation: The source.
        needed: Columns that expressions read.
        contract: Columns of `raw.columns` with their Athena types.

    Returns:
        Athena types of all columns of the source by name; `ONLY_NULLS` for a needed column without values.

    Raises:
        SourceSchemaError: A column is missing or has another type; the message names the file.
        SourceUnreadableError: A file does not have the expected format.
    """
    found = _described(engine, relation)
    names = tuple(dict.fromkeys([*needed, *contract]))
    schema: dict[str, str] = {}
    first_seen: dict[str, str] = {}
    spellings: dict[str, str] = {}
    form = relation.format if isinstance(relation, FileRelation) else "table"
    guessed = form in ("csv", "json")
    declares = can_declare(engine, relation)
    casts = contract if declares and not guessed else {}
    for place, columns in found.items():
        if guessed and not columns:
            continue  # an empty file
        for name in names:
            column = _column_of(name, place, columns, relation, contract.get(name))
            spelled, kind = column.name, column.type
            if form == "json" and spellings.setdefault(name, spelled) != spelled:
                raise respelled_error(place, spelled, spellings[name])
            if kind == ONLY_NULLS:
                continue
            refuse_wide_decimals(column, place)
            kind = as_read(kind, casts.get(name))
            expected = contract.get(name) or schema.get(name, kind)
            both = wider(kind, expected, guessed=guessed)
            if both is None or (name in contract and kind != expected):
                first = None if name in contract else first_seen[name]
                raise retyped_error(name, place, (expected, kind), first, can_declare=declares)
            schema[name] = both
            first_seen.setdefault(name, place)
        for column in columns:
            if column.type != ONLY_NULLS:
                schema.setdefault(column.name, column.type)
    check_casts(engine, relation, found, casts)
    return {name: contract.get(name, ONLY_NULLS) for name in names} | schema


def can_declare(engine: SqlEngine, relation: Relation) -> bool:
    """Whether `raw.columns` determines how files are read, rather than only what is checked."""
    form = relation.format if isinstance(relation, FileRelation) else "table"
    return form in ("csv", "json") or (form == "parquet" and engine.name == "duckdb")


def _described(engine: SqlEngine, relation: Relation) -> Mapping[str, tuple[Column, ...]]:
    if isinstance(relation, TableRelation):
        return {f"table {relation.name}": engine.describe(relation)}
    if relation.uris and isinstance(engine, DescribesFiles):
        return engine.describe_files(relation)
    return {relation.uris[0] if relation.uris else "the empty source": engine.describe(relation)}


def _column_of(
    name: str, place: str, columns: Sequence[Column], relation: Relation, declared: str | None
) -> Column:
    """Return the column of a name; a Hive folder goes before a column of the file."""
    folder = relation.partition_column if isinstance(relation, FileRelation) else None
    found = [column for column in columns if column.name.lower() == name.lower()]
    if not found:
        has_header = (
            isinstance(relation, FileRelation) and relation.format == "csv" and not relation.dialect.names
        )
        raise missing_error(name, place, [column.name for column in columns], declared, has_header=has_header)
    if len(found) > 1 and name != folder:
        raise repeated_error(place, found[0].name, found[1].name)
    return found[-1]


def _format_of(uri: str) -> str:
    name = Path(uri).name.lower()
    kind = _ENDINGS.get(Path(name.removesuffix(".gz")).suffix)
    if kind is None or (kind == "parquet" and name.endswith(".gz")):
        raise SpecError(
            f"the format of {Path(uri).name} is not known by its ending",
            where=uri,
            remedy="name the files .parquet, .csv, .tsv, .json, .jsonl or .ndjson; all but Parquet also .gz",
        )
    return kind
