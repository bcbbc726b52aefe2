"""AWS as the settings of a process see it: S3 and Glue by moto, Athena and Lambda by the wire servers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from athena_lake import BUCKET
from lambda_wire import Function, LambdaWire, in_sandboxes
from waiting import LONGEST_S

from cluster_assets.backends.local.worker import LocalLambda, LocalLambdaConfig
from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.project import PROJECT_ROOT
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest
    from athena_lake import Lake

DAYS = tuple(days_between(parse_day("2013-03-03"), parse_day("2013-03-05")))
SOURCE = f"s3://{BUCKET}/sources/honeypot"
ATTACKERS = PACKAGED_DEFS / "attackers" / "defs.yaml"


@dataclass
class Cloud:
    """The servers, and the variables that point at them."""

    lake: Lake
    wire: LambdaWire
    monkeypatch: pytest.MonkeyPatch
    variables: dict[str, str] = field(default_factory=dict)

    def enter(self, name: str) -> None:
        """Make `name` the place of what is published: a folder of the bucket, a database."""
        known = {one["Name"] for one in self.lake.glue.get_databases()["DatabaseList"]}
        for database in {name, f"{name}_scratch"} - known:
            self.lake.glue.create_database(DatabaseInput={"Name": database})
        self.variables = {
            **self.lake.environment,
            "AWS_ENDPOINT_URL_STS": self.lake.environment["AWS_ENDPOINT_URL_S3"],
            "AWS_ENDPOINT_URL_LAMBDA": self.wire.url,
            "CLUSTER_TARGET": "aws",
            "CLUSTER_AWS_BUCKET": BUCKET,
            "CLUSTER_AWS_PREFIX": name,
            "CLUSTER_AWS_DATABASE": name,
            "CLUSTER_AWS_SCRATCH_DATABASE": f"{name}_scratch",
            "CLUSTER_AWS_FUNCTION_QUALIFIER": "live",
            "CLUSTER_REAL_DATA": SOURCE,
        }
        for variable, value in self.variables.items():
            self.monkeypatch.setenv(variable, value)

    def write_source(self, home: Path) -> Path:
        """Rows of three days, here and on S3; one of the files here."""
        report = write_sample(
            SampleConfig(output=home / "lake", first_day=DAYS[0], days=len(DAYS), entities=700)
        )
        for file in report.files:
            self.lake.put(f"{SOURCE}/{file.name}", file.read_bytes())
        return report.files[0]


@contextmanager
def open_workers(lake: Lake) -> Iterator[LambdaWire]:
    """Lambda with the real worker in processes that see nothing but their own environment."""
    config = LocalLambdaConfig(
        PROJECT_ROOT, "lambda_worker.handler.handler", 1769, LONGEST_S, 2, environment=lake.environment
    )
    with LocalLambda(config) as worker, LambdaWire() as wire:
        wire.functions["cluster-worker"] = Function(in_sandboxes(worker))
        yield wire
