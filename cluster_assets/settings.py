"""Settings from environment variables `CLUSTER_*` or `.env`. Everything else is derived from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cluster_assets.domain.errors import SpecError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
PACKAGED_DEFS = Path(__file__).resolve().parent / "defs"
ENV_FILE = PROJECT_ROOT / ".env"


def _in_project(path: Path) -> Path:
    """The same place from whatever folder a command is started in."""
    try:
        return (PROJECT_ROOT / path.expanduser()).resolve()
    except RuntimeError as error:
        raise ValueError("names the home folder of a user that does not exist") from error


ProjectPath = Annotated[Path, AfterValidator(_in_project)]


class Settings(BaseSettings):
    """Where things are and what this machine may use.

    `.env` is the one in the project folder, and relative paths are below that folder. An empty variable
    counts as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix="CLUSTER_", env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    target: Literal["local", "trino", "aws"] = Field(
        "local",
        description="Where SQL runs: DuckDB in this process, or a Trino server that sees the files of this "
        "machine; files and workers are here. On `aws` all is there: Athena, S3, Glue and Lambda",
    )
    home: ProjectPath = Field(
        PROJECT_ROOT / ".cluster",
        description="Everything local: lake, warehouse, Dagster storage; relative to the project folder",
    )
    defs: ProjectPath | None = Field(
        None, description="A further folder of pipeline YAMLs; relative to the project folder"
    )
    duckdb_database: ProjectPath | None = Field(
        None,
        description="DuckDB file whose tables `raw.table` may name; relative to the project folder",
    )
    sql_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    sql_memory_mb: int = Field(4096, ge=256, description="Memory of the SQL engine before it spills to disk")
    worker_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Local worker processes at a time, whatever a pipeline's max_concurrency says",
    )
    trino_host: str = Field("127.0.0.1", description="Trino's coordinator, for `target: trino`")
    trino_port: int = Field(8080, ge=1, le=65535)
    trino_user: str = Field("cluster_assets", min_length=1)
    trino_password: SecretStr | None = Field(None, description="Needs `trino_http_scheme: https`")
    trino_http_scheme: Literal["http", "https"] = "http"
    trino_certificate: ProjectPath | None = Field(
        None, description="CA file for the server's certificate; unset takes the system's"
    )
    trino_catalog: str = Field("hive", description="Where the tables of `raw.table` are unless they say")
    trino_schema: str = Field("default", description="The same for the schema")
    trino_scratch_catalog: str = Field(
        "hive", description="A Hive catalog with hive.non-managed-table-writes-enabled, for tables over files"
    )
    trino_scratch_schema: str = Field("cluster_scratch", description="Its schema for them, made when missing")
    trino_files_root: str = Field(
        "local:///",
        pattern=r"://.*/$",
        description="How the file system of that catalog calls `/` of this machine",
    )
    aws_region: str | None = Field(
        None,
        min_length=1,
        description="Region of everything; unset takes that of the AWS environment or profile",
    )
    aws_endpoint_url: str | None = Field(
        None,
        pattern=r"https?://.+",
        description="One address for all services, for emulators; unset takes AWS's own, or those that "
        "AWS_ENDPOINT_URL_<SERVICE> name",
    )
    aws_bucket: str | None = Field(
        None, min_length=3, description="Bucket of data files and manifests; needed by `target: aws`"
    )
    aws_prefix: str = Field("warehouse", description="Folder in that bucket; empty for the whole bucket")
    aws_bucket_owner: str | None = Field(
        None,
        pattern=r"\d{12}",
        description="Account that must own the bucket; calls to another's are refused",
    )
    aws_kms_key: str | None = Field(
        None,
        min_length=1,
        description="KMS key of manifests and of what Athena writes; unset takes the encryption of bucket "
        "and workgroup",
    )
    aws_catalog_id: str | None = Field(
        None,
        pattern=r"\d{12}",
        description="Account whose Glue catalog holds the databases; unset takes that of the credentials",
    )
    aws_data_catalog: str = Field(
        "AwsDataCatalog",
        min_length=1,
        description="Athena's name of that catalog; another account's is registered under a name of its own",
    )
    aws_database: str = Field(
        "cluster_assets", min_length=1, description="Glue database of the published tables"
    )
    aws_scratch_database: str = Field(
        "cluster_assets_scratch",
        min_length=1,
        description="Glue database of the short-lived tables over input files; nothing else may be in it",
    )
    aws_source_database: str = Field(
        "default", min_length=1, description="Glue database of a `raw.table` that names none"
    )
    aws_workgroup: str = Field("primary", min_length=1, description="Athena workgroup; its limits hold")
    aws_results_uri: str | None = Field(
        None, pattern=r"s3://.+", description="Where Athena puts results, unless the workgroup says so"
    )
    aws_function: str = Field("cluster-worker", min_length=1, description="Lambda function of the worker")
    aws_function_qualifier: str = Field(
        "$LATEST",
        min_length=1,
        description="Its version or alias; a run keeps the version that an alias names when it starts",
    )
    aws_arrivals_queue_url: str | None = Field(
        None,
        pattern=r"https?://.*\{pipeline\}",
        description="SQS queue of the S3 events that announce days, {pipeline} for the pipeline's name: "
        "each reads a queue of its own. Needed by `arrivals` on `target: aws`",
    )
    notify_webhook_url: SecretStr | None = Field(
        None, description="Where a failed run is told by an HTTP POST; the address counts as a secret"
    )
    notify_sns_topic: str | None = Field(
        None, pattern=r"arn:[\w-]+:sns:.+", description="SNS topic that is told of a failed run"
    )
    notify_base_url: str | None = Field(
        None, pattern=r"https?://.+", description="Address of the Dagster UI, for links in such messages"
    )
    days_per_run: int = Field(30, ge=1, description="Days a backfill puts into one Dagster run")
    parallel_runs: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Runs that Dagster's daemon lets run at a time; the others queue",
    )
    retention_days: float = Field(7, ge=0, description="How long gc keeps what nothing refers to")

    @property
    def home_dir(self) -> Path:
        """`home`, an absolute path."""
        return self.home

    @property
    def warehouse_dir(self) -> Path:
        """Data files and manifests."""
        return self.home_dir / "warehouse"

    @property
    def catalog_dir(self) -> Path:
        """Pointers to the published manifests."""
        return self.home_dir / "catalog"

    @property
    def lake_dir(self) -> Path:
        """Sample data."""
        return self.home_dir / "lake"

    @property
    def scratch_dir(self) -> Path:
        """Where the SQL engine spills."""
        return self.home_dir / "tmp"

    @property
    def dagster_dir(self) -> Path:
        """Dagster's instance: runs, events, schedules."""
        return self.home_dir / "dagster"

    @property
    def defs_dirs(self) -> tuple[Path, ...]:
        """Folders that may hold `<pipeline>/defs.yaml`."""
        return (PACKAGED_DEFS,) if self.defs is None else (PACKAGED_DEFS, self.defs)

    @property
    def source_variables(self) -> dict[str, str]:
        """What `${NAME}` in `raw.files` may stand for: `.env`, and the environment over it.

        Whoever lists the files finds here too where they are, as these settings understand it.
        """
        written = {name: value for name, value in dotenv_values(ENV_FILE).items() if value is not None}
        own = {
            "CLUSTER_HOME": str(self.home_dir),
            "CLUSTER_TARGET": self.target,
            "CLUSTER_AWS_REGION": self.aws_region or "",
            "CLUSTER_AWS_ENDPOINT_URL": self.aws_endpoint_url or "",
        }
        return written | os.environ | own


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SpecError: A variable has an impossible value; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CLUSTER_" + "_".join(str(part) for part in first["loc"]).upper()
        raise SpecError(
            f"{name}: {first['msg']}, not {first['input']!r}",
            where="environment or .env",
            remedy=f"set {name} to a valid value or unset it",
        ) from error
