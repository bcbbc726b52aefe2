"""Files of a pattern on S3, by the rules of patterns on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from cluster_assets.aws.faults import Cause, Patience, call_aws, cause_of_call
from cluster_assets.domain.errors import SourceMissingError, SpecError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

_PAGE = 1000  # objects of one call, the most there are
_MAGIC = re.compile(r"[*?\[]")
_ADDRESS = re.compile(r"s3://([^/*?\[]+)/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """An object that matches."""

    uri: str
    bytes: int
    modified: dt.datetime


def find_files(s3: Any, pattern: str, patience: Patience | None = None) -> Iterator[FoundFile]:
    """Objects that match a pattern, by address; names that begin with `.` or `_` are left out.

    Everything that begins like the pattern up to its first wildcard is listed, a thousand objects to a call.

    Args:
        s3: A boto3 client that tries each call once.
        pattern: `s3://bucket/key` with `*`, `?`, `[…]` inside a name, and `**` for any folders.
        patience: For throttles and passing faults.

    Raises:
        SpecError: It is no such address, or AWS refuses the listing.
        SourceMissingError: There is no such bucket.
    """
    address = _ADDRESS.fullmatch(pattern)
    if address is None:
        raise SpecError(
            f"{pattern} is not an address on S3",
            remedy="write s3://bucket/folder/*.parquet, the bucket in full",
        )
    bucket, key = address.groups()
    wanted = key.split("/")
    magic = _MAGIC.search(key)
    request: dict[str, Any] = {
        "Bucket": bucket,
        "Prefix": key[: magic.start()] if magic else key,
        "MaxKeys": _PAGE,
    }
    while True:
        page = _page(s3, request, patience or Patience(), pattern)
        for found in page.get("Contents", ()):
            parts = str(found["Key"]).split("/")
            if parts[-1] and not parts[-1].startswith((".", "_")) and _matches(parts, wanted):
                yield FoundFile(f"s3://{bucket}/{found['Key']}", int(found["Size"]), found["LastModified"])
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
            f"S3 does not list the files: {error}",
            where=f"raw.files: {pattern}",
            remedy="allow s3:ListBucket and s3:GetObject there, and check the region",
        )

    return call_aws(lambda: s3.list_objects_v2(**request), patience, translate_error)


def _matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether the parts of a key match those of a pattern; `**` stands for any number of folders."""
    if not wanted:
        return not parts
    if wanted[0] == "**" and len(wanted) > 1:
        return any(_matches(parts[skip:], wanted[1:]) for skip in range(len(parts)))
    return bool(parts) and _named(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _named(name: str, pattern: str) -> bool:
    return re.fullmatch(translate(pattern), name) is not None
