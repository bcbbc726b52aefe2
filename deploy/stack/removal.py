"""Removal of a stack: never by accident, and never partial.

Days are published as objects in the warehouse bucket and partitions in the Glue database, which the stack
owns. So a stack with published days is removed only if the deletion of data was requested.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from deploy.stack.stacks import StackError, asked, find_stack, unprotect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cluster_assets.backends.aws.clients import AwsAccount
    from deploy.stack.stacks import StackId

_POLL_S = 5.0
_LONGEST_S = 1800.0


def destroy(
    account: AwsAccount,
    doomed: StackId,
    *,
    delete_data: bool = False,
    confirmed: str = "",
    tell: Callable[[str], None] = print,
) -> None:
    """Remove a stack, its queues of arrivals and its API.

    Args:
        account: The account of the stack.
        doomed: Which stack.
        delete_data: Remove the published days too.
        confirmed: The stack's name, which stacks of `prod` require.
        tell: Called with a message for each step.

    Raises:
        StackError: It is a stack of `prod` and was not confirmed, or it has data, or it cannot be removed.
    """
    name = doomed.name
    if doomed.is_production and confirmed != name:
        raise StackError(
            "prod is removed only by name", where=f"stack {name}", remedy=f"say CONFIRM={name} if you mean it"
        )
    stack = find_stack(account, doomed)
    warehouse, results = stack.outputs["ClusterAwsBucket"], stack.outputs["ResultsBucket"]
    if not delete_data and next(_versions(account, warehouse), None) is not None:
        raise StackError(
            "the warehouse bucket holds objects, or versions of deleted ones; they would be gone for good",
            where=f"stack {name}, bucket {warehouse}",
            remedy="copy what you need, then say DATA=delete",
        )
    # Remove these first, because they import values from the stack.
    for dependent in _dependents(account, name):
        _delete(account, dependent, tell)
    for bucket in (warehouse, results):
        tell(f"{bucket}: {_empty(account, bucket):,} versions of objects deleted")
    unprotect(account, name)
    _delete(account, name, tell)


def _dependents(account: AwsAccount, name: str) -> list[str]:
    """Return the stacks of deploy/arrivals.yaml and deploy/serving.yaml that belong to a stack."""
    cloudformation = account.client("cloudformation")
    found: list[str] = []
    request: dict[str, Any] = {}
    while True:
        page = asked(partial(cloudformation.describe_stacks, **request), f"stacks of {name}")
        found += [str(one["StackName"]) for one in page["Stacks"]]
        if not page.get("NextToken"):
            break
        request["NextToken"] = page["NextToken"]
    return sorted(one for one in found if one == f"{name}-serving" or one.startswith(f"{name}-arrivals-"))


def _versions(account: AwsAccount, bucket: str) -> Iterator[dict[str, str]]:
    """Yield every version of every object, and every delete marker."""
    s3 = account.client("s3")
    request: dict[str, Any] = {"Bucket": bucket}
    while True:
        page = asked(partial(s3.list_object_versions, **request), f"bucket {bucket}")
        for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            yield {"Key": one["Key"], "VersionId": one["VersionId"]}
        if not page.get("IsTruncated"):
            return
        request |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}


def _empty(account: AwsAccount, bucket: str) -> int:
    s3 = account.client("s3")
    count = 0
    while batch := [version for version, _ in zip(_versions(account, bucket), range(1000), strict=False)]:
        objects = {"Objects": batch, "Quiet": True}
        answer = asked(partial(s3.delete_objects, Bucket=bucket, Delete=objects), f"bucket {bucket}")
        if failed := answer.get("Errors"):
            raise StackError(f"an object cannot be deleted: {failed[0]}", where=f"bucket {bucket}")
        count += len(batch)
    return count


def _delete(account: AwsAccount, name: str, tell: Callable[[str], None]) -> None:
    cloudformation = account.client("cloudformation")
    where = f"stack {name}"
    # Use the id: the name of a deleted stack no longer resolves.
    place = {"StackName": _look(cloudformation, name, where)["StackId"]}
    tell(f"{name}: deleting")
    asked(partial(cloudformation.delete_stack, **place), where)
    deadline = time.monotonic() + _LONGEST_S
    while (found := _look(cloudformation, place["StackName"], where))["StackStatus"] != "DELETE_COMPLETE":
        if found["StackStatus"] == "DELETE_FAILED" or time.monotonic() > deadline:
            raise StackError(
                f"CloudFormation says {found['StackStatus']}: {found.get('StackStatusReason', '')}",
                where=where,
                remedy="look at the stack's events in the console, fix the cause, and destroy again",
            )
        time.sleep(_POLL_S if found["StackStatus"] == "DELETE_IN_PROGRESS" else 0.5)
    tell(f"{name}: deleted")


def _look(cloudformation: Any, name: str, where: str) -> Any:
    return asked(partial(cloudformation.describe_stacks, StackName=name), where)["Stacks"][0]
