"""The checks of `cluster-assets doctor`: each uses a part for real, and each failure has a remedy."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlglot.expressions as exp

from cluster_assets.backends.ports import Statement
from cluster_assets.domain.counts import counted
from cluster_assets.domain.days import last_ended, not_ended
from cluster_assets.domain.errors import ClusterAssetsError, SampleMissingError, SpecError, WorkerError
from cluster_assets.domain.scratch_tables import LABELS
from cluster_assets.domain.system_errors import system_error
from cluster_assets.opening import open_backend
from cluster_assets.spec.pipeline import Limits
from cluster_assets.spec.yaml.files import load_pipeline, scan_pipeline_files
from cluster_assets.stages.points import kinds as features
from cluster_assets.stages.raw.file_rows import check_file_rows
from cluster_assets.stages.raw.source import locate_source, source_schema
from cluster_assets.stages.raw.time_readings import check_times
from lambda_worker.contract import ClusterEvent, ClusterReply, ContractError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Backend
    from cluster_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    Attributes:
        ok: False if the user must fix something.
        note: True if the check was skipped because something optional is missing.
    """

    name: str
    ok: bool
    text: str
    note: bool = False


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every part in turn; one failure does not hide the others."""
    yield _try(settings, f"folder {settings.home_dir}", lambda: _writable(settings))
    if settings.target == "aws":
        # Imported here, so that local users do not load boto3.
        from cluster_assets.operations.diagnosis.aws import aws_checks

        for name, check in aws_checks(settings).items():
            yield _try(settings, name, check)
    try:
        with open_backend(settings) as backend:
            yield _try(settings, f"SQL engine {backend.engine.name}", lambda: _query(backend))
            yield _try(settings, "worker", lambda: _invoke(backend))
            yield from _pipelines(backend, settings)
    except ClusterAssetsError as error:
        yield Finding("settings", ok=False, text=str(error))


def _pipelines(backend: Backend, settings: Settings) -> Iterator[Finding]:
    try:
        found = scan_pipeline_files(settings.defs_dirs)
    except SpecError as error:
        yield Finding("pipeline files", ok=False, text=str(error))
        return
    yield Finding("pipeline files", ok=True, text=f"{len(found.files)} found")
    for broken in found.broken:
        yield Finding(f"pipeline file {broken.path}", ok=False, text=str(broken.error))
    for file in found.files:
        yield _try(settings, f"pipeline {file.name}", partial(_pipeline, backend, file.path))


def _try(settings: Settings, name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, text=check())
    except SampleMissingError as error:
        return Finding(name, ok=True, text=str(error), note=True)
    except ClusterAssetsError as error:
        return Finding(name, ok=False, text=str(error))
    except OSError as error:
        return Finding(name, ok=False, text=str(system_error(error, settings.home_dir)))
    except Exception as error:  # noqa: BLE001  # one broken part must not hide the others
        return Finding(name, ok=False, text=f"{type(error).__name__}: {error}")


def _writable(settings: Settings) -> str:
    settings.make_home()
    probe = settings.home_dir / f".probe-{uuid4().hex}"
    probe.write_text("probe")
    probe.unlink()
    return "writable"


def _query(backend: Backend) -> str:
    tree = exp.select("1 AS answer").where(exp.true())
    answer = backend.engine.fetch(Statement("doctor", tree), {}).rows[0]["answer"]
    return f"a query returns {answer}"


def _invoke(backend: Backend) -> str:
    key = f"_doctor/{uuid4().hex}.parquet"
    event = ClusterEvent(
        points=(),
        candidates=(),
        point_count=0,
        output=backend.store.uri(key),
        algorithm={"type": "connected_components"},
    )
    try:
        reply = ClusterReply.from_json(dict(backend.invoker_for(Limits()).invoke(event.to_json())))
    except ContractError as error:
        raise WorkerError(
            f"the worker has another version: {error}",
            remedy="deploy the worker and the code location with the same version: make layer, make deploy",
        ) from error
    finally:
        backend.store.delete([key])
    if not reply.ok:
        raise WorkerError(
            f"the worker refused an empty day: {reply.error_type}: {reply.error}",
            remedy="deploy the worker of this version; on AWS, allow its role to write to the bucket",
        )
    return f"processed an empty day in {reply.seconds:.3f} s, {LABELS.name} {reply.rows}"


def _pipeline(backend: Backend, path: Path) -> str:
    spec = load_pipeline(path)
    future = spec.first_day > last_ended(dt.datetime.now(dt.UTC))
    day = None if future else spec.first_day
    source = locate_source(spec, backend, day)
    columns = source_schema(spec, backend, source)
    check_times(spec, backend, source)
    check_file_rows(spec, backend, day)
    features.plan(spec, spec.first_day, columns)  # refuses columns whose types do not fit the YAML
    size = f"{counted(len(source.files), 'file')}, {counted(source.bytes, 'byte')}"
    begins = f"; its first day, {not_ended(spec.first_day)}" if future else ""
    return f"source has {size}, {counted(len(columns), 'column')} as needed{begins}"
