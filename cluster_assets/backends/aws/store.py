"""Objects in an S3 bucket, with the guarantees that the protocol of atomic days needs."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.backends.aws.faults import call_aws, code_of, is_ambiguous
from cluster_assets.backends.aws.store_errors import explain
from cluster_assets.backends.keys import check_key, is_key
from cluster_assets.backends.patience import Patience
from cluster_assets.backends.stored import StoredObject
from cluster_assets.domain.digests import digest_stream
from cluster_assets.domain.errors import IntegrityError, SpecError, StoreError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

_Result = TypeVar("_Result")

_BATCH = 1000  # S3's maximum number of keys per DeleteObjects and per page of a listing
_LARGEST_COPY = 5 << 30  # of CopyObject
_PUT_ID = "put"  # user metadata `x-amz-meta-put`: which call stored the object
_TAKEN = "PreconditionFailed"
_GONE = frozenset({"NoSuchKey", "404"})
# Another write of the key is in progress, or the conflicting object has just been deleted: retry.
_CONTENDED = frozenset({"ConditionalRequestConflict", *_GONE})
_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class S3Config:
    """A location on S3.

    Attributes:
        bucket: Name of the bucket.
        prefix: Folder for all objects, without leading or trailing slash; empty for the whole bucket.
        kms_key: Id or ARN of the KMS key for new objects; None uses the bucket's default.
        owner: Account that must own the bucket, so that another account's bucket is refused.
        verify: Whether `is_intact` checks; else it returns True.
        patience: For throttling and transient faults.

    Raises:
        SpecError: The prefix is not a valid key.
    """

    bucket: str
    prefix: str = ""
    kms_key: str | None = None
    owner: str | None = None
    verify: bool = True
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if self.prefix and not is_key(self.prefix):
            raise SpecError(
                f"{self.prefix!r} is not a valid folder of a bucket",
                remedy="write it without leading or trailing slash, such as warehouse/prod",
            )


class S3Store:
    """An `ObjectStore` in a bucket.

    S3 stores objects atomically and durably, its listings are consistent, and `If-None-Match: *` decides
    between writers of one key. Each put has a unique id in the object's metadata, so that a call whose
    response was lost recognises its own object when the key is taken.

    Args:
        s3: A boto3 client that tries each call once.
        config: Where, and how to encrypt.
    """

    def __init__(self, s3: Any, config: S3Config) -> None:
        self._s3 = s3
        self._config = config
        self._folder = f"{config.prefix}/" if config.prefix else ""
        self._root = f"s3://{config.bucket}/{self._folder}"
        self._place = {"Bucket": config.bucket}
        if config.owner:
            self._place["ExpectedBucketOwner"] = config.owner

    def uri(self, key: str) -> str:
        """Return the `s3://` URI of an object.

        Raises:
            IntegrityError: The key is invalid.
        """
        return self._root + check_key(key)

    def key(self, uri: str) -> str:
        """Return the key of a URI below the prefix.

        Raises:
            IntegrityError: The URI is outside the prefix, or its key is invalid.
        """
        if not uri.startswith(self._root):
            raise IntegrityError(
                f"{uri!r} is outside the store",
                where=self._root,
                remedy="write only below the prefix of an attempt; if you did not, report a bug",
            )
        return check_key(uri.removeprefix(self._root))

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object atomically and durably; False if the key is taken.

        Raises:
            IntegrityError: The key is invalid.
            StoreError: S3 refuses the call, or keeps failing.
        """
        request = {
            **self._place,
            "Key": self._key(key),
            "Body": body,
            "IfNoneMatch": "*",
            "ChecksumAlgorithm": "SHA256",
            "Metadata": {_PUT_ID: uuid.uuid4().hex},
            "ContentType": _content_type(key),
            **self._encryption(),
        }
        unsure = False

        def put() -> bool:
            nonlocal unsure
            try:
                self._s3.put_object(**request)
            except (ClientError, BotoCoreError) as error:
                if code_of(error) == _TAKEN:
                    return unsure and self._is_stored_by(request)
                unsure = unsure or is_ambiguous(error)
                raise
            return True

        return self._call(put, key, passes=lambda error: code_of(error) in _CONTENDED)

    def read(self, key: str) -> bytes:
        """Return the bytes of an object.

        Raises:
            FileNotFoundError: The object does not exist.
            StoreError: S3 refuses the call, or keeps failing.
        """
        request = {**self._place, "Key": self._key(key)}

        def get() -> bytes:
            with self._s3.get_object(**request)["Body"] as stream:
                body: bytes = stream.read()
            return body

        return self._call(get, key)

    def digest(self, key: str) -> str:
        """Return the SHA-256 of an object's bytes.

        One small call if S3 has recorded it for the whole object; else the object is read.

        Raises:
            FileNotFoundError: The object does not exist.
            StoreError: S3 refuses the call, or keeps failing.
        """
        head = self._head(key)
        if recorded := _whole_digest(head):
            return recorded
        # Read the same object as the head, not a later replacement.
        request = {**self._place, "Key": self._key(key), "IfMatch": head["ETag"]}

        def get() -> str:
            with self._s3.get_object(**request)["Body"] as stream:
                return digest_stream(stream)

        return self._call(get, key)

    def seal(self, key: str) -> str:
        """Return the SHA-256 of an object's bytes, which S3 then has on record; they are durable already.

        An object without such a record, such as those that Athena writes, is copied onto itself inside S3,
        which computes and records it (docs/decisions/0015-checksums-by-s3.md). It is read only if it is
        larger than such a copy may be, or if the store does not compute.

        Raises:
            FileNotFoundError: The object does not exist.
            StoreError: S3 refuses the call, or keeps failing.
        """
        head = self._head(key)
        if recorded := _whole_digest(head):
            return recorded
        if head["ContentLength"] <= _LARGEST_COPY:
            # S3 refuses a copy onto itself that says nothing new, so the properties are said again.
            kept = {name: head[name] for name in ("ContentType", "Metadata")}
            copied = self._copy(key, key, MetadataDirective="REPLACE", **kept)
            if recorded := _whole_digest(copied):
                return recorded
        return self.digest(key)

    def copy(self, key: str, target: str) -> None:
        """Copy an object inside S3, which takes up to 5 GiB; a target that exists is left as it is.

        Raises:
            FileNotFoundError: The object does not exist.
            IntegrityError: A key is invalid.
            StoreError: S3 refuses the call, or keeps failing.
        """
        present = next(self._listed(target), None)  # in key order: the target itself, if it exists
        if present is None or present.key != target:
            self._copy(key, target)

    def is_intact(self, key: str, digest: str, committed_at: dt.datetime) -> bool:
        """Whether an object still has this SHA-256 according to S3, which checks stored bytes itself.

        An object without a record is read if it was stored after the commit, and may thus be a replacement.
        An older one is the object that was committed, and counts as intact.

        Raises:
            StoreError: S3 refuses the call, or keeps failing.
        """
        if not self._config.verify:
            return True
        try:
            head = self._head(key)
            recorded = _whole_digest(head)
            if recorded is None and head["LastModified"] >= committed_at:
                recorded = self.digest(key)
        except FileNotFoundError:
            return True
        return recorded in (None, digest)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose key begins with `prefix`, in key order, a thousand per call.

        Raises:
            IntegrityError: The prefix could lead outside the store.
            StoreError: S3 refuses the call, or keeps failing.
        """
        folder, slash, start = prefix.rpartition("/")
        for part in (folder if slash else None, start or None):
            if part is not None:
                check_key(part)
        return self._listed(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects in the given order, a thousand per call; a missing object is not an error.

        S3 guarantees no order within a call, but responds only after all deletions. A killed process may
        therefore skip later calls, but never leaves a call half done.

        Raises:
            IntegrityError: A key is invalid; objects before it may already be removed.
            StoreError: S3 refuses a deletion, or keeps failing.
        """
        names = (self._key(key) for key in keys)
        while batch := tuple(islice(names, _BATCH)):
            self._delete(batch)

    def sweep(self, before: dt.datetime) -> int:
        """Abort multipart uploads that began before a time; killed writers leave them, and they cost money.

        Returns:
            Number of aborted uploads.

        Raises:
            StoreError: S3 refuses the call, or keeps failing.
        """
        old = [found for found in self._uploads() if found["Initiated"] < before]
        for found in old:
            request = {**self._place, "Key": found["Key"], "UploadId": found["UploadId"]}
            self._call(partial(self._abort, request), found["Key"])
        return len(old)

    def _key(self, key: str) -> str:
        return check_key(self._folder + check_key(key))

    def _head(self, key: str) -> Mapping[str, Any]:
        """Return the properties of an object, among them its checksums."""
        request = {**self._place, "Key": self._key(key), "ChecksumMode": "ENABLED"}
        head: Mapping[str, Any] = self._call(lambda: self._s3.head_object(**request), key)
        return head

    def _copy(self, key: str, target: str, **properties: Any) -> Mapping[str, Any]:
        """Copy an object inside S3, which computes its SHA-256, and return the properties of the copy."""
        request = {
            **self._place,
            "Key": self._key(target),
            "CopySource": {"Bucket": self._config.bucket, "Key": self._key(key)},
            "ChecksumAlgorithm": "SHA256",
            **self._encryption(),
            **properties,
        }
        if self._config.owner:
            request["ExpectedSourceBucketOwner"] = self._config.owner
        copied: Mapping[str, Any] = self._call(
            lambda: self._s3.copy_object(**request)["CopyObjectResult"], key
        )
        return copied

    def _encryption(self) -> dict[str, str]:
        if self._config.kms_key is None:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._config.kms_key}

    def _is_stored_by(self, request: dict[str, Any]) -> bool:
        """Whether this very request stored the object at the key."""
        head = self._s3.head_object(**self._place, Key=request["Key"])
        return bool(head["Metadata"].get(_PUT_ID) == request["Metadata"][_PUT_ID])

    def _listed(self, prefix: str) -> Iterator[StoredObject]:
        request = {**self._place, "Prefix": self._folder + prefix, "MaxKeys": _BATCH}
        for page in self._pages("list_objects_v2", request, ("ContinuationToken",), prefix):
            for found in page.get("Contents", ()):
                key = str(found["Key"]).removeprefix(self._folder)
                if is_key(key):  # skips foreign objects, such as the `folder/` that a console creates
                    yield StoredObject(key, int(found["Size"]), found["LastModified"])

    def _uploads(self) -> tuple[Any, ...]:
        request = {**self._place, "Prefix": self._folder}
        markers = ("KeyMarker", "UploadIdMarker")
        pages = self._pages("list_multipart_uploads", request, markers, "unfinished uploads")
        return tuple(found for page in pages for found in page.get("Uploads", ()))

    def _pages(
        self, operation: str, request: dict[str, Any], markers: tuple[str, ...], place: str
    ) -> Iterator[Any]:
        call = getattr(self._s3, operation)
        while True:
            page = self._call(partial(call, **request), place)
            yield page
            if not page.get("IsTruncated"):
                return
            request |= {name: page[f"Next{name}"] for name in markers if page.get(f"Next{name}")}

    def _abort(self, request: dict[str, Any]) -> None:
        try:
            self._s3.abort_multipart_upload(**request)
        except ClientError as error:
            if code_of(error) != "NoSuchUpload":  # finished or aborted since the listing
                raise

    def _delete(self, names: tuple[str, ...]) -> None:
        left = names

        def delete() -> None:
            nonlocal left
            objects = {"Objects": [{"Key": name} for name in left], "Quiet": True}
            failed = self._s3.delete_objects(**self._place, Delete=objects).get("Errors", ())
            if failed:
                left = tuple(str(error["Key"]) for error in failed)
                raise ClientError({"Error": failed[0]}, "DeleteObjects")

        self._call(delete, names[0])

    def _explainer(self, where: str) -> Callable[[Exception], StoreError]:
        config = self._config
        return partial(explain, where=where, bucket=config.bucket, owner=config.owner, kms_key=config.kms_key)

    def _call(
        self,
        call: Callable[[], _Result],
        place: str,
        *,
        passes: Callable[[BaseException], bool] | None = None,
    ) -> _Result:
        where = f"{self._root}{place}"
        try:
            return call_aws(call, self._config.patience, self._explainer(where), passes=passes)
        except StoreError as error:
            if code_of(error.__cause__) in _GONE:
                raise FileNotFoundError(2, "no such object", where) from error
            raise


def _content_type(key: str) -> str:
    """Return the content type of an object; browsers open reports by URL."""
    return _CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")


def _whole_digest(head: Mapping[str, Any]) -> str | None:
    """Return the recorded SHA-256 of all bytes; None if S3 has none, or a digest of digests of parts."""
    recorded = str(head.get("ChecksumSHA256", ""))
    in_parts = "-" in recorded or "-" in head["ETag"] or head.get("ChecksumType") == "COMPOSITE"
    return base64.b64decode(recorded).hex() if recorded and not in_parts else None
