"""Glob patterns on S3, with the same rules as for local files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.aws.faults import Cause, call_aws, cause_of_call
from cluster_assets.backends.patience import Patience
from cluster_assets.domain.errors import SourceMissingError, SpecError
from cluster_assets.domain.patterns import can_be_name

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

_PAGE = 1000  # S3's maximum number of objects per call
_MAGIC = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"s3://([^/*?\[]+)/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A matching object."""

    uri: str
    bytes: int
    modified: dt.datetime


def find_files(s3: Any, pattern: str, patience: Patience | None = None) -> tuple[FoundFile, ...]:
    """Return the objects that match a pattern, by URI, without names that begin with `.` or `_`.

    All objects that share the pattern's prefix up to its first wildcard are listed, a thousand per call. The
    longest prefix of the pattern that exists as written is taken literally, as for local files.

    Args:
        s3: A boto3 client that tries each call once.
        pattern: `s3://bucket/key` with `*`, `?`, `[…]` inside a name, and `**` for any folders.
        patience: For throttling and transient faults.

    Raises:
        SpecError: The pattern is not such a URI, or AWS refuses the listing.
        SourceMissingError: The bucket does not exist.
    """
    address = _ADDRESS.fullmatch(pattern)
    if address is None:
        raise SpecError(
            f"{pattern} is not an S3 URI",
            remedy="write s3://bucket/folder/*.parquet, without wildcards in the bucket",
        )
    bucket, key = address.groups()
    wanted = key.split("/")
    magic = _MAGIC.search(key)
    request: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": key[: magic.start()] if magic else key,
        "MaxKeys": _PAGE,
    }
    matches: list[tuple[int, FoundFile]] = []
    longest = 0
    for found in _listed(s3, request, patience or Patience(), pattern):
        parts = str(found["Key"]).split("/")
        literal = _literal_parts(parts, wanted)
        longest = max(longest, literal)
        is_shown = parts[-1] and not parts[-1].startswith((".", "_"))
        if is_shown and literal == longest and _matches(parts[literal:], wanted[literal:]):
            file = FoundFile(f"s3://{bucket}/{found['Key']}", int(found["Size"]), found["LastModified"])
            matches.append((literal, file))
    return tuple(file for literal, file in matches if literal == longest)


def _literal_parts(parts: Sequence[str], wanted: Sequence[str]) -> int:
    """Return how many leading parts of a pattern equal those of a key literally."""
    count = 0
    for part, name in zip(parts, wanted, strict=False):
        if part != name or not can_be_name(name):
            break
        count += 1
    return count


def _listed(s3: Any, request: dict[str, Any], patience: Patience, pattern: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of a listing, page by page."""
    while True:
        page = _page(s3, request, patience, pattern)
        yield from page.get("Contents", ())
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


def _page(s3: Any, request: dict[str, Any], patience: Patience, pattern: str) -> Any:
    def translate_error(error: Exception) -> SpecError | SourceMissingError:
        if cause_of_call(error) is Cause.MISSING:
            return SourceMissingError(
                f"there is no bucket {request['Bucket']}",
                where=f"raw.files: {pattern}",
                remedy="check its name",
            )
        return SpecError(
            f"S3 cannot list the files: {error}",
            where=f"raw.files: {pattern}",
            remedy="allow s3:ListBucket and s3:GetObject on the bucket, and check the region",
        )

    return call_aws(lambda: s3.list_objects_v2(**request), patience, translate_error)


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the parts of a key match those of a pattern; `**` matches any number of folders."""
    if not wanted:
        return not parts
    if wanted[0] == "**" and len(wanted) > 1:
        return any(_matches(parts[skip:], wanted[1:]) for skip in range(len(parts)))
    return bool(parts) and _named(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _named(name: str, pattern: str) -> bool:
    return re.fullmatch(translate(pattern), name) is not None
