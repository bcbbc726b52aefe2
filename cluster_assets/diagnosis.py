"""What `cluster-assets doctor` looks at: each part tried for real, each failure with its remedy."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import sqlglot.expressions as exp

from cluster_assets.composition import open_backend
from cluster_assets.domain.errors import ClusterAssetsError, SpecError, WorkerError
from cluster_assets.domain.tables import LABELS
from cluster_assets.pipeline_files import load_pipeline, scan_pipeline_files
from cluster_assets.pipeline_spec import Limits
from cluster_assets.ports import Statement
from cluster_assets.stages.source import locate_source, source_schema
from lambda_worker.contract import ClusterEvent, ClusterReply, ContractError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cluster_assets.backend import Backend
    from cluster_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried."""

    name: str
    ok: bool
    text: str


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Try every part; a failure of one does not hide the others."""
    findings = [_try(f"folder {settings.home_dir}", lambda: _writable(settings.home_dir))]
    if settings.target == "aws":
        # Here, so that local users do not load boto3.
        from cluster_assets.diagnosis_aws import aws_checks

        findings += [_try(name, check) for name, check in aws_checks(settings).items()]
    try:
        with open_backend(settings) as backend:
            findings.append(_try(f"SQL engine {backend.engine.name}", lambda: _query(backend)))
            findings.append(_try("worker", lambda: _invoke(backend)))
            findings += _pipelines(backend, settings)
    except ClusterAssetsError as error:
        findings.append(Finding("settings", ok=False, text=str(error)))
    return tuple(findings)


def _pipelines(backend: Backend, settings: Settings) -> list[Finding]:
    try:
        found = scan_pipeline_files(settings.defs_dirs)
    except SpecError as error:
        return [Finding("pipeline files", ok=False, text=str(error))]
    return [
        Finding("pipeline files", ok=True, text=f"{len(found.files)} found"),
        *(Finding(f"pipeline file {file.path}", ok=False, text=str(file.error)) for file in found.broken),
        *(_try(f"pipeline {file.name}", partial(_pipeline, backend, file.path)) for file in found.files),
    ]


def _try(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, ok=True, text=check())
    except (ClusterAssetsError, OSError) as error:
        return Finding(name, ok=False, text=str(error))


def _writable(folder: Path) -> str:
    probe = folder / f".probe-{uuid4().hex}"
    folder.mkdir(parents=True, exist_ok=True)
    probe.write_text("probe")
    probe.unlink()
    return "writable"


def _query(backend: Backend) -> str:
    tree = exp.select("1 AS answer").where(exp.true())
    answer = backend.engine.fetch(Statement("doctor", tree), {}).rows[0]["answer"]
    return f"answers a query with {answer}"


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
            f"the worker speaks another version: {error}",
            remedy="deploy the worker and the code location of one version: make layer, make deploy",
        ) from error
    finally:
        backend.store.delete([key])
    if not reply.ok:
        raise WorkerError(
            f"the worker refused an empty day: {reply.error_type}: {reply.error}",
            remedy="deploy the worker of this version; on AWS its role must write to the bucket",
        )
    return f"answers an empty day in {reply.seconds:.3f} s, {LABELS.name} {reply.rows}"


def _pipeline(backend: Backend, path: Path) -> str:
    spec = load_pipeline(path)
    source = locate_source(spec, backend, spec.first_day)
    columns = source_schema(spec, backend, source)
    return f"source has {len(source.files)} files, {source.bytes:,} bytes, {len(columns)} columns as needed"
