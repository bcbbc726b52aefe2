"""What refusals of S3 mean, and what to do about them."""

from __future__ import annotations

from botocore.exceptions import NoRegionError, ParamValidationError

from cluster_assets.backends.aws.faults import Cause, cause_of_call, code_of
from cluster_assets.backends.patience import Exhausted
from cluster_assets.domain.errors import StoreError

_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_KEY_PROBLEM = ("KMS.", "InvalidArgument")


def explain(
    error: Exception, where: str, *, bucket: str, owner: str | None, kms_key: str | None
) -> StoreError:
    """Return the project's error for a permanent fault.

    Args:
        error: The exception of the call, or `Exhausted`.
        where: The URI concerned.
        bucket: The bucket of the call.
        owner: The account that must own it, if any.
        kms_key: The KMS key for new objects, if any.
    """
    what, remedy = _meaning(error, bucket, owner, kms_key)
    return StoreError(f"{what}: {error}", where=where, remedy=remedy)


def _meaning(error: Exception, bucket: str, owner: str | None, kms_key: str | None) -> tuple[str, str]:
    code = code_of(error)
    if isinstance(error, Exhausted):
        return "S3 does not respond", "run again later; if it persists, run fewer days at once"
    if code == "NoSuchBucket" or isinstance(error, ParamValidationError):
        return f"there is no bucket {bucket}", "check CLUSTER_AWS_BUCKET, or deploy the stack first"
    if code in _ELSEWHERE or isinstance(error, NoRegionError):
        return (
            f"the bucket {bucket} is not in the region of this process",
            "set CLUSTER_AWS_REGION to the bucket's region",
        )
    if code.startswith(_KEY_PROBLEM) and kms_key:
        return (
            "S3 cannot use the encryption key",
            "check CLUSTER_AWS_KMS_KEY: it must be enabled and in the bucket's region",
        )
    if cause_of_call(error) is Cause.FORBIDDEN:
        owner = f"; check that account {owner} owns the bucket" if owner else ""
        key = ", and kms:GenerateDataKey and kms:Decrypt on the key" if kms_key else ""
        return (
            "S3 denied the call",
            f"check the credentials, and allow their role to list, get, put and delete here{key}{owner}",
        )
    return "S3 refused the request", "run `cluster-assets doctor`, which checks the settings of the bucket"
