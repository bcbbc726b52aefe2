"""Faults of AWS during a publication, as errors that say what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from cluster_assets.backends.aws.faults import Cause, call_aws, cause_of_call
from cluster_assets.backends.patience import Exhausted, Patience
from cluster_assets.domain.errors import PublicationError, TargetUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one service about one address, with retries of throttling and transient faults.

    Attributes:
        service: Its name, for messages.
        where: The address, for messages.
        missing: What to do when bucket or table does not exist.
        permissions: What the role must be allowed to do.
    """

    service: str
    where: str
    missing: str
    permissions: str
    patience: Patience = field(default_factory=Patience)

    def call(self, call: Callable[[], _Result]) -> _Result:
        """Call AWS; the call must be safe to repeat.

        Raises:
            PublicationError: The service refuses; the cause is the SDK's error.
            TargetUnavailableError: The service keeps failing.
        """
        return call_aws(call, self.patience, self._explain)

    def _explain(self, error: Exception) -> PublicationError:
        what, remedy = f"{self.service} refused the request", "the message above is the service's own"
        if isinstance(error, Exhausted):
            return TargetUnavailableError(
                f"{self.service} does not answer, or throttles: {error}",
                where=self.where,
                remedy="publish the day again later: cluster-assets run, or materialize the asset",
            )
        if cause_of_call(error) is Cause.FORBIDDEN:
            what = f"{self.service} refuses the call"
            remedy = f"check the credentials; their role needs {self.permissions}"
        elif cause_of_call(error) is Cause.MISSING:
            what, remedy = f"{self.service} has nothing there", self.missing
        return PublicationError(f"{what}: {error}", where=self.where, remedy=remedy)
