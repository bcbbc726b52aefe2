"""Objects in an S3 bucket, with the guarantees the protocol of atomic days needs."""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from cluster_assets.aws.faults import Patience, call_aws, code_of, is_ambiguous
from cluster_assets.domain.digests import digest_stream
from cluster_assets.domain.errors import IntegrityError, SpecError, StoreError
from cluster_assets.ports import StoredObject
from cluster_assets.stores.keys import check_key, is_key
from cluster_assets.stores.s3_errors import explain

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping

_Result = TypeVar("_Result")

_BATCH = 1000  # the most keys of one DeleteObjects, and of one page of a listing
_PUT_ID = "put"  # user metadata `x-amz-meta-put`: which call stored the object
_TAKEN = "PreconditionFailed"
_GONE = frozenset({"NoSuchKey", "404"})
# Another write of the key is under way, or the object that was in the way has just gone: ask again.
_CONTENDED = frozenset({"ConditionalRequestConflict", *_GONE})
_CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "md": "text/markdown; charset=utf-8",
    "png": "image/png",
}


@dataclass(frozen=True, slots=True)
class S3Config:
    """A place on S3.

    Attributes:
        bucket: Name of the bucket.
        prefix: Folder of everything inside it, without slashes around; empty for the whole bucket.
        kms_key: Id or ARN of the KMS key that encrypts what is put; None leaves it to the bucket.
        owner: Account that must own the bucket, so that one of the same name elsewhere is refused.
        patience: For throttles and passing faults.

    Raises:
        SpecError: The prefix is no key.
    """

    bucket: str
    prefix: str = ""
    kms_key: str | None = None
    owner: str | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        if self.prefix and not is_key(self.prefix):
            raise SpecError(
                f"{self.prefix!r} is not a folder in a bucket",
                remedy="write it without slashes at its ends, such as warehouse/prod",
            )


class S3Store:
    """An `ObjectStore` in a bucket.

    S3 stores an object whole and durable or not at all, lists what was stored a moment ago, and decides
    between writers of one key by `If-None-Match: *`. Each put carries a name of its own in the object's
    metadata, so that a call whose answer got lost knows its work when it finds the key taken.

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
        """The `s3://` address of an object.

        Raises:
            IntegrityError: It is no key.
        """
        return self._root + check_key(key)

    def key(self, uri: str) -> str:
        """The key of an address below the prefix.

        Raises:
            IntegrityError: The address lies outside, or is no key.
        """
        if not uri.startswith(self._root):
            raise IntegrityError(
                f"{uri!r} lies outside the store",
                where=self._root,
                remedy="let engines and workers write only below the addresses an attempt gives",
            )
        return check_key(uri.removeprefix(self._root))

    def put_if_absent(self, key: str, body: bytes) -> bool:
        """Store an object whole and durable, or not at all; False when the key is taken.

        Raises:
            IntegrityError: It is no key.
            StoreError: S3 refuses it, or keeps failing.
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
        """The bytes of an object.

        Raises:
            FileNotFoundError: There is no such object.
            StoreError: S3 refuses it, or keeps failing.
        """
        request = {**self._place, "Key": self._key(key)}

        def get() -> bytes:
            with self._s3.get_object(**request)["Body"] as stream:
                body: bytes = stream.read()
            return body

        return self._call(get, key)

    def digest(self, key: str) -> str:
        """SHA-256 of an object's bytes; S3 stores durably what it has acknowledged.

        An object that was put with a SHA-256, in one part, has it on record: one small call. S3 checked it
        against the bytes as they came. Any other is read through, such as what Athena writes.

        Raises:
            FileNotFoundError: There is no such object.
            StoreError: S3 refuses it, or keeps failing.
        """
        request = {**self._place, "Key": self._key(key)}
        head = self._call(lambda: self._s3.head_object(**request, ChecksumMode="ENABLED"), key)
        if recorded := _whole_digest(head):
            return recorded

        def get() -> str:
            # The object of the head, not one that replaced it since.
            with self._s3.get_object(**request, IfMatch=head["ETag"])["Body"] as stream:
                return digest_stream(stream)

        return self._call(get, key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with `prefix`, in key order, a thousand to a call.

        Raises:
            IntegrityError: The prefix could lead outside the store.
            StoreError: S3 refuses it, or keeps failing.
        """
        folder, slash, start = prefix.rpartition("/")
        for part in (folder if slash else None, start or None):
            if part is not None:
                check_key(part)
        return self._listed(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand to a call, the calls in the order given; a missing one is no error.

        S3 promises no order within a call, but answers only when all of it is done: whoever is killed
        meanwhile leaves later calls undone, never half of one.

        Raises:
            IntegrityError: One is no key; those before it in the order may be gone.
            StoreError: S3 refuses one, or keeps failing.
        """
        names = (self._key(key) for key in keys)
        while batch := tuple(islice(names, _BATCH)):
            self._delete(batch)

    def sweep(self, before: dt.datetime) -> int:
        """Abort uploads in parts that began before a time: killed writers left them, and they cost money.

        Returns:
            Uploads aborted.

        Raises:
            StoreError: S3 refuses it, or keeps failing.
        """
        old = [found for found in self._uploads() if found["Initiated"] < before]
        for found in old:
            request = {**self._place, "Key": found["Key"], "UploadId": found["UploadId"]}
            self._call(partial(self._abort, request), found["Key"])
        return len(old)

    def _key(self, key: str) -> str:
        return check_key(self._folder + check_key(key))

    def _encryption(self) -> dict[str, str]:
        if self._config.kms_key is None:
            return {}
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self._config.kms_key}

    def _is_stored_by(self, request: dict[str, Any]) -> bool:
        """Whether the object at the key is what this very request stored."""
        head = self._s3.head_object(**self._place, Key=request["Key"])
        return bool(head["Metadata"].get(_PUT_ID) == request["Metadata"][_PUT_ID])

    def _listed(self, prefix: str) -> Iterator[StoredObject]:
        request = {**self._place, "Prefix": self._folder + prefix, "MaxKeys": _BATCH}
        for page in self._pages("list_objects_v2", request, ("ContinuationToken",), prefix):
            for found in page.get("Contents", ()):
                key = str(found["Key"]).removeprefix(self._folder)
                if is_key(key):  # others are no objects of ours, such as the `folder/` of a console
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

    def _call(
        self,
        call: Callable[[], _Result],
        place: str,
        *,
        passes: Callable[[BaseException], bool] | None = None,
    ) -> _Result:
        where = f"{self._root}{place}"
        try:
            return call_aws(
                call, self._config.patience, lambda error: explain(error, where, self._config), passes=passes
            )
        except StoreError as error:
            if code_of(error.__cause__) in _GONE:
                raise FileNotFoundError(2, "no such object", where) from error
            raise


def _content_type(key: str) -> str:
    """What a browser takes an object for: reports are opened by their address."""
    return _CONTENT_TYPES.get(key.rpartition(".")[2], "application/octet-stream")


def _whole_digest(head: Mapping[str, Any]) -> str | None:
    """The SHA-256 of all bytes as S3 has it on record; of an object in parts it has a digest of digests."""
    recorded = str(head.get("ChecksumSHA256", ""))
    in_parts = "-" in recorded or "-" in head["ETag"] or head.get("ChecksumType") == "COMPOSITE"
    return base64.b64decode(recorded).hex() if recorded and not in_parts else None
