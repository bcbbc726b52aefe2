"""The source of a pipeline: which files it is, of which format, and whether its columns are as agreed."""

from __future__ import annotations

import difflib
import glob
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import sqlglot.expressions as exp

from cluster_assets.column_types import ONLY_NULLS, wider
from cluster_assets.domain.errors import SourceMissingError, SourceSchemaError, SpecError
from cluster_assets.expressions import parse_expression
from cluster_assets.features.raw_columns import feature_texts
from cluster_assets.ports import FileRelation, TableRelation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cluster_assets.domain.partitions import Day
    from cluster_assets.domain.tables import Column
    from cluster_assets.pipeline_spec import PipelineSpec, Raw
    from cluster_assets.ports import Relation, SqlEngine

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
        modified_ns: When it was last changed, in nanoseconds since 1970; S3 tells whole seconds.
    """

    uri: str
    bytes: int
    modified_ns: int


@runtime_checkable
class DescribesFiles(Protocol):
    """An engine that reads files itself, and can tell the columns of each."""

    def describe_files(self, relation: FileRelation) -> Mapping[str, tuple[Column, ...]]:
        """Columns of each file by its address."""
        ...


def list_source_files(pattern: str, *, root: Path, environment: Mapping[str, str]) -> tuple[SourceFile, ...]:
    """The files a pattern names, sorted by address.

    Args:
        pattern: A path or glob (`*`, `?`, `[…]`, `**`), on `target: aws` an `s3://` address; `${NAME}` and
            `${NAME:-default}` stand for environment variables, a default may hold further ones.
        root: Where relative patterns begin.
        environment: Usually `os.environ`.

    Raises:
        SpecError: A variable is not set and has no default, or the pattern is an `s3://` address though the
            target is not `aws`.
        SourceMissingError: No file matches.
    """
    expanded = expand(pattern, environment)
    if expanded.startswith("s3://") and environment.get("CLUSTER_TARGET") == "aws":
        return _list_on_s3(expanded, pattern, environment)
    if "://" in expanded:
        raise SpecError(
            f"{expanded} is not a path of this machine",
            where=f"raw.files: {pattern}",
            remedy="copy the files here, or name a table under raw.table; s3:// needs CLUSTER_TARGET=aws",
        )
    path = Path(root, Path(expanded).expanduser())
    names = [str(path)] if path.is_file() else glob.glob(str(path), recursive=True)  # noqa: PTH207  # keeps `**`
    files = [
        Path(name) for name in names if Path(name).is_file() and not Path(name).name.startswith((".", "_"))
    ]
    if not files:
        raise SourceMissingError(
            f"no file matches {path}" + (", which is a folder" if path.is_dir() else ""),
            where=f"raw.files: {pattern}",
            remedy=f"write {expanded.rstrip('/')}/*.parquet"
            if path.is_dir()
            else "check the path; ** matches folders",
        )
    found = {str(file.absolute()): file.stat() for file in files}
    return tuple(SourceFile(uri, found[uri].st_size, found[uri].st_mtime_ns) for uri in sorted(found))


def _list_on_s3(pattern: str, written: str, environment: Mapping[str, str]) -> tuple[SourceFile, ...]:
    # Here, so that those without AWS do not load boto3.
    from cluster_assets.aws.globs import find_files

    files = [
        SourceFile(found.uri, found.bytes, int(found.modified.timestamp()) * 1_000_000_000)
        for found in find_files(_s3_client(_aws_variables(environment)), pattern)
    ]
    if not files:
        raise SourceMissingError(
            f"no object matches {pattern}",
            where=f"raw.files: {written}",
            remedy="check it; ** matches folders",
        )
    return tuple(sorted(files, key=lambda file: file.uri))


def _aws_variables(environment: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    """What a client depends on."""
    names = ("AWS_", "CLUSTER_AWS_")
    return frozenset((name, value) for name, value in environment.items() if name.startswith(names))


@lru_cache(maxsize=1)
def _s3_client(variables: frozenset[tuple[str, str]]) -> Any:
    """A client, kept: making one takes a quarter of a second, and each stage lists the source."""
    from cluster_assets.aws.clients import AwsAccount

    values = dict(variables)
    account = AwsAccount(
        values.get("CLUSTER_AWS_REGION") or None, values.get("CLUSTER_AWS_ENDPOINT_URL") or None
    )
    return account.client("s3")


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace `${NAME}` and `${NAME:-default}`; an empty variable takes its default, values stay as they are.

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
    """`parquet`, `csv` or `json` by the files' endings; CSV and JSON may be gzipped.

    Raises:
        SpecError: The formats are mixed, or an ending is not known.
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


def files_of_day(files: Iterable[SourceFile], partition_column: str, day: Day) -> tuple[SourceFile, ...]:
    """The files that may hold rows of a day: below `column=YYYY-MM-DD`, or below no such folder at all."""
    prefix = f"{partition_column}="
    kept = []
    for file in files:
        folders = [part for part in Path(file.uri).parent.parts if part.startswith(prefix)]
        if not folders or f"{prefix}{day.key}" in folders:
            kept.append(file)
    return tuple(kept)


def source_relation(
    raw: Raw, spec: PipelineSpec, files: Sequence[SourceFile]
) -> FileRelation | TableRelation:
    """What the table name `raw` stands for.

    Args:
        raw: Where the rows are.
        spec: The pipeline, whose expressions tell which columns are text.
        files: The files of `raw`; ignored for `raw.table`.

    Raises:
        SpecError: The files are of several or unknown formats.
    """
    if raw.table is not None:
        return TableRelation(raw.table)
    uris = tuple(file.uri for file in files)
    kind = detect_format(uris)
    hive = raw.partition_column
    in_folders = hive is not None and all(_hive_folder(uri, hive) for uri in uris)
    types = {} if kind == "parquet" else text_types(spec) | raw.columns
    if in_folders:
        types = {name: type_ for name, type_ in types.items() if name != hive}
    return FileRelation(uris, kind, types, hive if in_folders else None)


def text_types(spec: PipelineSpec) -> dict[str, str]:
    """Columns that the pipeline takes as text wherever it reads them; a reader of CSV must not guess numbers.

    Guessed, `0080` and `80` would become one entity, in one file but not in another.
    """
    columns: dict[str, bool] = {}
    for text in (spec.entity, *feature_texts(spec.features), *([spec.raw.where] if spec.raw.where else [])):
        tree = parse_expression(text)
        alone = isinstance(tree, exp.Column) and text in (spec.entity, spec.features.set)
        for column in tree.find_all(exp.Column):
            columns[column.name] = columns.get(column.name, True) and (alone or _is_text(column))
    return {name: "varchar" for name, is_text in columns.items() if is_text}


def check_columns(
    engine: SqlEngine, relation: Relation, needed: Sequence[str], contract: Mapping[str, str]
) -> dict[str, str]:
    """Check that every file or the table has the columns a pipeline reads, with the agreed types.

    Args:
        engine: Describes the source.
        relation: The source.
        needed: Columns that expressions read.
        contract: Columns of `raw.columns` with their Athena types.

    Returns:
        Athena types by column name, all columns of the source.

    Raises:
        SourceSchemaError: A column is missing or of another type; names the file.
        SourceUnreadableError: A file is not of its format.
    """
    found = _described(engine, relation)
    names = tuple(dict.fromkeys([*needed, *contract]))
    schema: dict[str, str] = {}
    first_seen: dict[str, str] = {}
    spellings: dict[str, str] = {}
    form = relation.format if isinstance(relation, FileRelation) else "table"
    guessed = form in ("csv", "json")
    for place, columns in found.items():
        if guessed and not columns:
            continue  # a file of no bytes
        types = {column.name.lower(): column.type for column in columns}
        for name in names:
            kind = types.get(name.lower())
            if kind is None:
                raise _missing(name, place, [column.name for column in columns], contract.get(name))
            spelled = next(column.name for column in columns if column.name.lower() == name.lower())
            if form == "json" and spellings.setdefault(name, spelled) != spelled:
                raise _respelled(place, spelled, spellings[name])
            if kind == ONLY_NULLS:
                continue
            expected = contract.get(name) or schema.get(name, kind)
            both = wider(kind, expected, guessed=guessed)
            if both is None or (name in contract and kind != expected):
                raise _retyped(name, place, (expected, kind), None if name in contract else first_seen[name])
            schema[name] = both
            first_seen.setdefault(name, place)
        for column in columns:
            if column.type != ONLY_NULLS:
                schema.setdefault(column.name, column.type)
    return {name: contract.get(name, "varchar") for name in names} | schema


def _described(engine: SqlEngine, relation: Relation) -> Mapping[str, tuple[Column, ...]]:
    if isinstance(relation, TableRelation):
        return {f"table {relation.name}": engine.describe(relation)}
    if relation.uris and isinstance(engine, DescribesFiles):
        return engine.describe_files(relation)
    return {relation.uris[0] if relation.uris else "the empty source": engine.describe(relation)}


def _missing(name: str, place: str, present: list[str], kind: str | None) -> SourceSchemaError:
    lowered = {column.lower(): column for column in present}
    near = difflib.get_close_matches(name.lower(), lowered, n=1)
    hint = f"did you mean {lowered[near[0]]}? " if near else ""
    shown = ", ".join(present[:30]) + (", …" if len(present) > 30 else "")
    return SourceSchemaError(
        f"the column {name}{f' ({kind})' if kind else ''} is missing",
        where=place,
        remedy=f"{hint}It has: {shown}",
    )


def _retyped(name: str, place: str, types: tuple[str, str], first: str | None) -> SourceSchemaError:
    expected, found = types
    says = f"as in {first}" if first else "as raw.columns says"
    return SourceSchemaError(
        f"the column {name} is {found}, not {expected} {says}",
        where=place,
        remedy="write the file again with the agreed type, or "
        + (f"declare it: raw.columns: {{{name}: varchar}}" if first else "correct raw.columns"),
    )


def _respelled(place: str, spelled: str, first: str) -> SourceSchemaError:
    """JSON keys differ by case; read as one column, one of them would be null."""
    return SourceSchemaError(
        f"the column {spelled} is spelled {first} in another file",
        where=place,
        remedy="write the key the same way in all JSON files",
    )


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


def _hive_folder(uri: str, column: str) -> bool:
    return any(part.startswith(f"{column}=") for part in Path(uri).parent.parts)


def _is_text(column: exp.Column) -> bool:
    """Whether the expression around a column takes it as text."""
    parent = column.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    if isinstance(parent, exp.Cast):
        return parent.to.this is exp.DType.VARCHAR
    return isinstance(parent, exp.DPipe | exp.Concat | exp.Lower | exp.Upper | exp.Trim)
