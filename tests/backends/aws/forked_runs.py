"""A program that starts real Dagster runs on demand, each in its own process, without start-up time.

Orders hold `spec` (a YAML), `day`, `environment`, `said` (a file for what the run prints) and `shard_rows`
(pairs of a shard, so that small days have many); see `serve_orders` for the answers.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import boto3

import cluster_assets.assets.graph
import cluster_assets.backends.athena.engine
import cluster_assets.backends.aws.catalog
import cluster_assets.backends.aws.store
import cluster_assets.backends.aws.worker  # noqa: F401  # as those above: loaded once for all forks
from cluster_assets.backends.aws.clients import AwsAccount
from cluster_assets.domain.days import parse_day
from cluster_assets.operations.runs import materialize_days
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.stages.clusters.forests import ShardSizes

sys.path.insert(0, str(Path(__file__).parents[2] / "processes"))

from forks import serve_orders


def load_clients() -> None:
    """The descriptions of the services, which take most of the time that making a client does."""
    session = boto3.Session()
    for service in ("s3", "glue", "athena", "lambda"):
        session.client(service).close()
    AwsAccount.session = session  # type: ignore[assignment]  # of every account: there is one


def run_day_of(order: dict[str, Any]) -> None:
    os.environ.update(order["environment"])
    rows = int(order["shard_rows"])
    ShardSizes.within = classmethod(lambda cls, _: cls(0.0, rows))  # type: ignore[method-assign,assignment]
    spec = load_pipeline(Path(order["spec"]))
    materialize_days(spec, (parse_day(order["day"]),), load_settings(), force=False)


def in_fork(order: dict[str, Any]) -> None:
    """Run and never return."""
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    try:
        run_day_of(order)
    except BaseException:  # noqa: BLE001  # whichever it is, an interrupt too
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    load_clients()
    serve_orders(in_fork)
