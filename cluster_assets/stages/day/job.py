"""The input and output of a stage for one day."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Protocol

from cluster_assets.backends.statements import texts_of
from cluster_assets.domain.costs import CostMeter
from cluster_assets.domain.digests import digest_of
from cluster_assets.stages.day.sql import SqlSession
from cluster_assets.stages.ledger.trailing import TrailingDays

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.backends.ports import Backend, WrittenFile
    from cluster_assets.domain.days import Day
    from cluster_assets.domain.expectations import CheckOutcome
    from cluster_assets.domain.manifests import Manifest, Metric
    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.pipeline import PipelineSpec
    from cluster_assets.stages.ledger.ledger import Attempt, Ledger


@dataclass(frozen=True, slots=True)
class DayJob:
    """One day of one pipeline to compute and publish.

    Attributes:
        force: Recompute the day even if nothing changed.
        meter: Adds up the billed usage of the running stage.
        trailing: Cache of the manifests of earlier days; jobs of one run may share it.
        run: URL of the Dagster run, or its id if no URL is known; empty outside of Dagster.
    """

    spec: PipelineSpec
    backend: Backend
    ledger: Ledger
    day: Day
    force: bool = False
    meter: CostMeter = field(default_factory=CostMeter)
    trailing: TrailingDays = field(default_factory=TrailingDays)
    run: str = ""

    def metered(self) -> DayJob:
        """Return the same job with its own meter."""
        return replace(self, meter=CostMeter())

    @property
    def sql(self) -> SqlSession:
        """A session that runs the stage's statements and meters them."""
        return SqlSession(self.backend.engine, self.meter)


@dataclass(frozen=True, slots=True)
class StageOutput:
    """The output of a computation in its attempt's folder, not yet visible to readers.

    Attributes:
        documents: Files other than tables, by name: the bytes of a small one (`report.html`), which the
            ledger writes, or one that the worker wrote.
    """

    tables: Mapping[str, tuple[TableContract, tuple[WrittenFile, ...]]]
    metrics: Mapping[str, Metric]
    documents: Mapping[str, bytes | WrittenFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shown:
    """The part of a day that the Dagster UI shows.

    Attributes:
        markdown: Pictures, as shown in the UI.
        page: Address of the report.
        link: URL at which a browser opens it; empty for a local file.
    """

    markdown: str
    page: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class DayResult:
    """A published day; `reused` if it had already been computed from the same inputs.

    Attributes:
        checks: Outcomes of all checks of the stage; no blocking check failed.
        shown: Set by stages that draw pictures.
    """

    manifest: Manifest
    reused: bool
    seconds: float
    checks: tuple[CheckOutcome, ...] = ()
    shown: Shown | None = None


class Work(Protocol):
    """A day of a stage with its upstream versions pinned: the computation reads exactly what was digested."""

    @property
    def inputs(self) -> Mapping[str, str]:
        """Return everything the day's result depends on, as short texts or digests."""
        ...

    def compute(self, attempt: Attempt) -> StageOutput:
        """Fill the attempt's folder."""
        ...


@cache
def sql_digest(stage: str) -> str:
    """Return the digest of a stage's statements and of the files they include."""
    return digest_of(texts_of(stage))
