"""What the refusals of S3 mean, and how to mend each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import NoRegionError, ParamValidationError

from cluster_assets.aws.faults import Cause, Exhausted, cause_of_call, code_of
from cluster_assets.domain.errors import StoreError

if TYPE_CHECKING:
    from cluster_assets.stores.s3 import S3Config

_ELSEWHERE = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_KEY_PROBLEM = ("KMS.", "InvalidArgument")


def explain(error: Exception, where: str, config: S3Config) -> StoreError:
    """The error of the project for a fault that stays.

    Args:
        error: What the call raised, or that trying it again was given up.
        where: The address concerned.
        config: Names bucket, owner and KMS key.
    """
    what, remedy = _meaning(error, config)
    return StoreError(f"{what}: {error}", where=where, remedy=remedy)


def _meaning(error: Exception, config: S3Config) -> tuple[str, str]:
    code = code_of(error)
    if isinstance(error, Exhausted):
        return "S3 does not answer", "run again later; if it stays, run fewer days at once"
    if code == "NoSuchBucket" or isinstance(error, ParamValidationError):
        return f"there is no bucket {config.bucket}", "check CLUSTER_AWS_BUCKET, or deploy the stack first"
    if code in _ELSEWHERE or isinstance(error, NoRegionError):
        return (
            f"the bucket {config.bucket} is not in the region of this process",
            "set CLUSTER_AWS_REGION to the bucket's region",
        )
    if code.startswith(_KEY_PROBLEM) and config.kms_key:
        return (
            "S3 cannot use the encryption key",
            "check CLUSTER_AWS_KMS_KEY: it must be enabled and in the bucket's region",
        )
    if cause_of_call(error) is Cause.FORBIDDEN:
        owner = f", that account {config.owner} owns the bucket" if config.owner else ""
        key = ", kms:GenerateDataKey and kms:Decrypt on the key" if config.kms_key else ""
        return (
            "S3 refuses the call",
            f"check the credentials, and that their role may list, get, put and delete here{key}{owner}",
        )
    return "S3 refused the request", "check the settings of the bucket; cluster-assets doctor looks at them"
