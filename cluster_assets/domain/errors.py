"""Every error the project raises on purpose. Each says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster_assets.domain.expectations import CheckOutcome


class ClusterAssetsError(Exception):
    """Base of all errors below; its text is meant for the person who runs the pipeline.

    Args:
        what: What is wrong, in one sentence, with the numbers that show it.
        where: The file, column, YAML line, table or day concerned.
        remedy: What to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        lines = [what]
        if where:
            lines.append(f"  where: {where}")
        if remedy:
            lines.append(f"  remedy: {remedy}")
        super().__init__("\n".join(lines))


class SpecError(ClusterAssetsError):
    """A pipeline's YAML, a setting or a command-line value says something impossible."""


class SourceMissingError(ClusterAssetsError):
    """No file or table holds the source of the day."""


class SourceUnreadableError(ClusterAssetsError):
    """A source file is truncated, corrupt or of another format."""


class SourceSchemaError(ClusterAssetsError):
    """A source column is missing, renamed or of another type."""


class SourceChangedError(ClusterAssetsError):
    """The source is no longer in the state that `raw` recorded."""


class ScanLimitError(ClusterAssetsError):
    """There is more to read than `limits.max_scan_bytes` allows."""


class InvalidFeaturesError(ClusterAssetsError):
    """Entities or features that no distance is defined for: null, NaN, infinite, out of range."""


class TooManyPairsError(ClusterAssetsError):
    """The threshold makes more candidate pairs than `limits.max_pairs` allows."""


class UpstreamMissingError(ClusterAssetsError):
    """A stage was asked for a day whose upstream table has not been published."""


class ConflictError(ClusterAssetsError):
    """Another run published the same day meanwhile, from other inputs."""


class IntegrityError(ClusterAssetsError):
    """A stored file or manifest is not what was committed."""


class CheckFailedError(ClusterAssetsError):
    """A blocking check of a day failed; the day was not published, or goes on no further.

    Attributes:
        outcomes: What every check of the stage found, the passed ones too.
    """

    def __init__(
        self,
        what: str,
        *,
        outcomes: tuple[CheckOutcome, ...],
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.outcomes = outcomes


class StoreError(ClusterAssetsError):
    """The object store refuses or fails a call: permission, bucket, region, quota."""


class CatalogError(ClusterAssetsError):
    """The catalog refuses or fails a call, or holds a table that is not ours."""


class QueueError(ClusterAssetsError):
    """The queue of arrivals refuses or fails a call, or does not exist."""


class NotificationError(ClusterAssetsError):
    """Somebody who should have been told of a failure could not be reached."""


class BackfillError(ClusterAssetsError):
    """Days of a backfill failed, or it was stopped; the text tells which days."""


class EngineError(ClusterAssetsError):
    """The SQL engine refused or failed a statement."""


class WorkerError(ClusterAssetsError):
    """A worker invocation failed. Subclasses say how, because only some are worth a retry."""


class WorkerUserError(WorkerError):
    """The worker refused its input; the same event fails again, so it is never retried."""


class WorkerRefusalError(WorkerUserError):
    """The worker refused an event, and said why.

    Attributes:
        error_type: The kind of reason, as `InputError` or `CapacityError`.
    """

    def __init__(
        self, what: str, *, error_type: str, where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.error_type = error_type


class WorkerCapacityError(WorkerUserError):
    """What a day needs does not fit into an invocation; the text tells what would."""


class WorkerTimeoutError(WorkerError):
    """The invocation ran into its time limit."""


class WorkerMemoryError(WorkerError):
    """The invocation ran into its memory limit."""


class WorkerPayloadError(WorkerError):
    """Request or response exceeds what one invocation may carry."""


class WorkerThrottledError(WorkerError):
    """No slot was free for the invocation within the time allowed; it never began.

    Attributes:
        reason: Which limit it met, in the service's word; None where there is only one.
        retry_after_s: The pause the service asks for; None when it names none.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        reason: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.reason = reason
        self.retry_after_s = retry_after_s


class WorkerUnavailableError(WorkerError):
    """There is no such function, or this process may not call it, or it is set up otherwise than needed."""


class WorkerLostError(WorkerError):
    """The connection broke before the answer came: the invocation may have run, or still be running."""


class WorkerCrashedError(WorkerError):
    """The worker process died (exit status or signal) without an answer."""
