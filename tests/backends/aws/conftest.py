"""Parts of AWS over moto and the wire servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import BUCKET, PATIENCE
from cloud import Cloud, open_workers
from fault_proxy import bad_line

from cluster_assets.backends.aws.store import S3Config, S3Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from athena_lake import Lake
    from fault_proxy import FaultProxy
    from lambda_wire import LambdaWire

    from cluster_assets.backends.athena.engine import AthenaEngine


@pytest.fixture
def engine(athena_lake: Lake) -> AthenaEngine:
    return athena_lake.shared_engine


@pytest.fixture(scope="session")
def aws_workers(athena_servers: Lake) -> Iterator[LambdaWire]:
    with open_workers(athena_servers) as wire:
        yield wire


@pytest.fixture
def cloud(athena_lake: Lake, aws_workers: LambdaWire, home: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """AWS as a whole; `enter` points the settings at it."""
    aws_workers.calm()
    return Cloud(athena_lake, aws_workers, monkeypatch)


@pytest.fixture(scope="session")
def s3_line(athena_servers: Lake) -> Iterator[tuple[FaultProxy, Any]]:
    with bad_line(athena_servers, "s3") as line:
        yield line


@pytest.fixture
def proxy(s3_line: tuple[FaultProxy, Any]) -> FaultProxy:
    """Before S3: counts the calls of the stores that `make` makes, and breaks them."""
    s3_line[0].reset()
    return s3_line[0]


@pytest.fixture
def make(s3_line: tuple[FaultProxy, Any], proxy: FaultProxy, athena_lake: Lake) -> Callable[..., S3Store]:
    def make_store(**config: Any) -> S3Store:
        place = {"bucket": BUCKET, "prefix": f"faults/{next(athena_lake.numbers)}", "patience": PATIENCE}
        return S3Store(s3_line[1], S3Config(**place | config))

    return make_store
