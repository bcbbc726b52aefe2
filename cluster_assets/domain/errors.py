"""Every error the project raises on purpose. Each says what is wrong, where, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.counts import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.expectations import CheckOutcome

_MOST_TEXTS = 5  # of failed days in one message; the others are named


class ClusterAssetsError(Exception):
    """Base of all errors below; its text is meant for the person who runs the pipeline.

    Args:
        what: What is wrong, in one sentence, with the numbers that show it.
        where: The file, column, YAML line, table or day.
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
    """A pipeline's YAML, a setting or a command-line value is invalid."""


class SourceMissingError(ClusterAssetsError):
    """No file or table contains the source of the day."""


class SampleMissingError(SourceMissingError):
    """The generated data that the demo pipelines read has not been written yet."""


class SourceUnreadableError(ClusterAssetsError):
    """A source file is truncated, corrupt or of another format."""


class SourceSchemaError(ClusterAssetsError):
    """A source column is missing, renamed or of another type."""


class SourceChangedError(ClusterAssetsError):
    """The source is no longer in the state that `raw` recorded."""


class ScanLimitError(ClusterAssetsError):
    """The source is larger than `limits.max_scan_bytes` allows."""


class InvalidFeaturesError(ClusterAssetsError):
    """Entities or features without a defined distance: null, NaN, infinite or out of range."""


class TooManyPairsError(ClusterAssetsError):
    """The threshold produces more candidate pairs than `limits.max_pairs` allows."""


class UpstreamMissingError(ClusterAssetsError):
    """A stage was asked for a day whose upstream table has not been published."""


class ConflictError(ClusterAssetsError):
    """Another run published the same day in the meantime, from other inputs."""


class IntegrityError(ClusterAssetsError):
    """A stored file or manifest is not what was committed."""


class CheckFailedError(ClusterAssetsError):
    """A blocking check of a day failed; the day is not published, or later stages do not use it.

    Attributes:
        outcomes: The outcomes of all checks of the stage, including passed ones.
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


class DaysFailedError(ClusterAssetsError):
    """Several days failed; all other days of the command or run are published.

    Attributes:
        errors: The error of each failed day, by partition key in ascending order.
    """

    def __init__(self, errors: Mapping[str, Exception], *, days: int) -> None:
        texts = [f"{day}: {error_text(error)}" for day, error in errors.items()]
        if more := len(texts) - _MOST_TEXTS:
            texts[_MOST_TEXTS:] = [f"and {counted(more, 'more day')}"] if more > 0 else []
        named = ", ".join(errors)
        super().__init__("\n".join([f"{len(errors)} of {counted(days, 'day')} failed: {named}", *texts]))
        self.errors = errors


class StoreError(ClusterAssetsError):
    """The object store refused or failed a call: permission, bucket, region, quota."""


class CatalogError(ClusterAssetsError):
    """The catalog refused or failed a call, or holds a table that is not ours."""


class QueueError(ClusterAssetsError):
    """The queue of arrivals refused or failed a call, or does not exist."""


class MissingPackageError(ClusterAssetsError, ImportError):
    """An optional package is not installed; the text names the extra that brings it."""


class PublicationError(ClusterAssetsError):
    """A target refused or failed a publication; what it showed before is unchanged."""


class TargetUnavailableError(PublicationError):
    """A target did not answer, or throttled, until the retries ended; other days would wait as long."""


class NotificationError(ClusterAssetsError):
    """A notice of a failed run, or an alert, could not be delivered."""


class EngineError(ClusterAssetsError):
    """The SQL engine refused or failed a statement."""


class WorkerError(ClusterAssetsError):
    """A worker invocation failed. Subclasses say how, because only some are worth a retry."""


class WorkerUserError(WorkerError):
    """The worker refused its input; the same event would fail again, so it is never retried."""


class WorkerRefusalError(WorkerUserError):
    """The worker refused an event and gave a reason.

    Attributes:
        error_type: The kind of reason, such as `InputError` or `CapacityError`.
    """

    def __init__(
        self, what: str, *, error_type: str, where: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(what, where=where, remedy=remedy)
        self.error_type = error_type


class WorkerCapacityError(WorkerUserError):
    """A day does not fit into an invocation; the text says what would fit."""


class WorkerTimeoutError(WorkerError):
    """The invocation exceeded its time limit."""


class WorkerMemoryError(WorkerError):
    """The invocation exceeded its memory limit."""


class WorkerPayloadError(WorkerError):
    """The request or response exceeds the size limit of an invocation."""


class WorkerThrottledError(WorkerError):
    """No slot was free for the invocation within the allowed time, so it never started.

    Attributes:
        reason: The limit that it hit, as the service names it; None if there is only one.
        retry_after_s: The pause that the service asks for; None if it names none.
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
    """The function does not exist, this process may not call it, or its configuration is wrong."""


class WorkerLostError(WorkerError):
    """The connection broke before the answer arrived; the invocation may have run or may still be running."""


class WorkerCrashedError(WorkerError):
    """The worker process died (exit status or signal) without an answer."""


class Interrupted(BaseException):
    """Ctrl-C or SIGTERM ended a command; the text says what was done before.

    It is not an `Exception`, so that no code mistakes it for the failure of a day.
    """


def error_text(error: BaseException) -> str:
    """Return the text of an error; that of an unexpected one begins with its type."""
    return str(error) if isinstance(error, ClusterAssetsError) else f"{type(error).__name__}: {error}"
