"""Settings from environment variables `CLUSTER_*` or `.env`; everything else is derived from them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cluster_assets.domain.errors import SpecError
from cluster_assets.project import in_checkout
from cluster_assets.spec.source.variables import SourceVariables
from cluster_assets.storage_settings import (
    CATALOG,
    DEFAULTS,
    ENV_FILE,
    PATTERNS,
    PREFIX,
    WAREHOUSE,
    in_project,
    read_environment,
)

PACKAGED_DEFS = Path(__file__).resolve().parent / "defs"
SAMPLE_FOLDER = "lake"
"""Below CLUSTER_HOME."""
ProjectPath = Annotated[Path, AfterValidator(in_project)]


class Settings(BaseSettings):
    """Locations, limits and connections.

    `.env` is read from the project folder, and relative paths refer to that folder. An empty variable counts
    as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True
    )

    target: Literal["local", "trino", "aws"] = Field(
        "local",
        description="`local` runs SQL with DuckDB in this process; `trino` runs it on a Trino server that "
        "sees the files of this machine; both run workers here. `aws` uses Athena, S3, Glue and Lambda",
    )
    home: ProjectPath = Field(
        DEFAULTS.home,
        description="Folder of local data: lake, warehouse, Dagster storage; relative to the project folder",
    )
    defs: ProjectPath | None = Field(
        None, description="An additional folder of pipeline YAMLs; relative to the project folder"
    )
    duckdb_database: ProjectPath | None = Field(
        None,
        description="DuckDB file with the tables of `raw.table`; relative to the project folder",
    )
    sql_threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    sql_memory_mb: int = Field(4096, ge=256, description="Memory of the SQL engine before it spills to disk")
    worker_slots: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Maximum number of local worker processes, whatever max_concurrency a pipeline has",
    )
    worker_kernel: Literal["on", "off"] = Field(
        "on", description="`off`: local workers run their numpy fallbacks instead of the compiled kernel"
    )
    trino_host: str = Field("127.0.0.1", description="Host of Trino's coordinator")
    trino_port: int = Field(8080, ge=1, le=65535)
    trino_user: str = Field("cluster_assets", min_length=1)
    trino_password: SecretStr | None = Field(None, description="Requires `trino_http_scheme: https`")
    trino_http_scheme: Literal["http", "https"] = "http"
    trino_certificate: ProjectPath | None = Field(
        None, description="CA file that verifies the server's certificate; default: the system's"
    )
    trino_catalog: str = Field("hive", description="Default catalog of `raw.table`")
    trino_schema: str = Field("default", description="Default schema of `raw.table`")
    trino_scratch_catalog: str = Field(
        "hive", description="A Hive catalog with hive.non-managed-table-writes-enabled, for tables over files"
    )
    trino_scratch_schema: str = Field(
        "cluster_scratch", description="Its schema for these tables; created if missing"
    )
    trino_files_root: str = Field(
        "local:///",
        pattern=r"://.*/$",
        description="The location of this machine's `/` in the file system of that catalog",
    )
    aws_region: str | None = Field(
        DEFAULTS.aws_region,
        min_length=1,
        description="Region of all services; default: that of the AWS environment or profile",
    )
    aws_endpoint_url: str | None = Field(
        DEFAULTS.aws_endpoint_url,
        pattern=PATTERNS["aws_endpoint_url"],
        description="One URL for all services, for emulators; default: AWS's endpoints, or those in "
        "AWS_ENDPOINT_URL_<SERVICE>",
    )
    aws_bucket: str | None = Field(
        DEFAULTS.aws_bucket,
        pattern=PATTERNS["aws_bucket"],
        description="Bucket of data files and manifests; required by `target: aws`",
    )
    aws_prefix: str = Field(
        DEFAULTS.aws_prefix, description="Folder in that bucket; empty for the whole bucket"
    )
    aws_bucket_owner: str | None = Field(
        DEFAULTS.aws_bucket_owner,
        pattern=PATTERNS["aws_bucket_owner"],
        description="Account that must own the bucket; another account's bucket is refused",
    )
    aws_kms_key: str | None = Field(
        DEFAULTS.aws_kms_key,
        min_length=1,
        description="KMS key of manifests and of Athena's files; default: the encryption of the bucket and "
        "the workgroup",
    )
    aws_catalog_id: str | None = Field(
        DEFAULTS.aws_catalog_id,
        pattern=PATTERNS["aws_catalog_id"],
        description="Account whose Glue catalog contains the databases; default: that of the credentials",
    )
    aws_data_catalog: str = Field(
        "AwsDataCatalog",
        min_length=1,
        description="Athena's name of that catalog; a catalog of another account is registered by name",
    )
    aws_database: str = Field(
        DEFAULTS.aws_database, min_length=1, description="Glue database of the published tables"
    )
    aws_scratch_database: str = Field(
        "cluster_assets_scratch",
        min_length=1,
        description="Glue database of the temporary tables over input files; it must contain nothing else",
    )
    aws_source_database: str = Field(
        "default", min_length=1, description="Default Glue database of `raw.table`"
    )
    aws_workgroup: str = Field("primary", min_length=1, description="Athena workgroup; its limits apply")
    aws_query_seconds: float = Field(
        1800,
        ge=60,
        le=14_400,
        description="Seconds after which a query is stopped; above 1,800 it needs a higher quota "
        "of DML query timeout",
    )
    aws_small_read_mb: float = Field(
        2,
        ge=0,
        le=64,
        description="Questions about at most this many MB of a pipeline's tables, and tables of clusters "
        "made from them, need no Athena; 0 leaves all to Athena",
    )
    aws_results_uri: str | None = Field(
        None,
        pattern=r"s3://.+",
        description="Where Athena stores results, unless the workgroup sets a location",
    )
    aws_function: str = Field("cluster-worker", min_length=1, description="Lambda function of the worker")
    aws_function_qualifier: str = Field(
        "$LATEST",
        min_length=1,
        description="Version or alias of the function; an alias is resolved once at the start of a run",
    )
    aws_serving_table: str | None = Field(
        None, min_length=3, description="DynamoDB table that `publish: dynamodb` fills unless it names one"
    )
    snowflake_connections: ProjectPath | None = Field(
        None,
        description="The connections.toml of `publish: snowflake`; default: that of Snowflake's connector",
    )
    aws_arrivals_queue_url: str | None = Field(
        None,
        pattern=r"https?://.*\{pipeline\}",
        description="SQS queue of the S3 events that announce days, with {pipeline} for the pipeline's name: "
        "each pipeline has its own queue. Required by `arrivals` on `target: aws`",
    )
    notify_webhook_url: SecretStr | None = Field(
        None,
        description="URL that receives an HTTP POST when a run fails, and alerts of `notify`; kept secret",
    )
    notify_sns_topic: str | None = Field(
        None,
        pattern=r"arn:[\w-]+:sns:.+",
        description="SNS topic that receives a message when a run fails, and alerts of `notify`",
    )
    notify_email_from: str | None = Field(
        None, pattern=r".+@.+", description="Sender of alerts by e-mail, an identity that SES has verified"
    )
    notify_email_to: str | None = Field(
        None, pattern=r".+@.+", description="Recipients of alerts by e-mail, separated by commas"
    )
    notify_base_url: str | None = Field(
        None,
        pattern=r"https?://.+",
        description="URL of the Dagster UI, for links in these messages and in reports",
    )
    days_per_run: int = Field(30, ge=1, description="Days per Dagster run of a backfill")
    parallel_runs: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        description="Maximum number of concurrent runs of Dagster's daemon; further runs wait in its queue",
    )
    verify_files: bool = Field(
        DEFAULTS.verify_files,
        description="Compare each file with its manifest's SHA-256 when a process first reads it; on S3, "
        "with the checksum that S3 recorded",
    )
    retention_days: float = Field(7, ge=0, description="Days that gc keeps unreferenced files")

    @property
    def home_dir(self) -> Path:
        """`home`, an absolute path."""
        return self.home

    def verifying(self, *, on: bool) -> Settings:
        """Return the settings with another value of `verify_files`."""
        return self.model_copy(update={"verify_files": on})

    def make_home(self) -> None:
        """Create the folder of local data for its owner alone; the mode of an existing folder stays."""
        self.home_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def run_url(self, run_id: str) -> str | None:
        """Return the URL of a run in the Dagster UI; None if the settings do not name the UI."""
        base = self.notify_base_url
        return f"{base.rstrip('/')}/runs/{run_id}" if base else None

    @property
    def warehouse_dir(self) -> Path:
        """Data files and manifests."""
        return self.home_dir / WAREHOUSE

    @property
    def catalog_dir(self) -> Path:
        """Pointers to the published manifests."""
        return self.home_dir / CATALOG

    @property
    def lake_dir(self) -> Path:
        """Sample data."""
        return self.home_dir / SAMPLE_FOLDER

    @property
    def scratch_dir(self) -> Path:
        """Folder for spilled data of the SQL engine."""
        return self.home_dir / "tmp"

    @property
    def dagster_dir(self) -> Path:
        """Dagster's instance: runs, events, schedules."""
        return self.home_dir / "dagster"

    @property
    def engine(self) -> str:
        """Name of the target's SQL engine."""
        return {"local": "duckdb", "trino": "trino", "aws": "athena"}[self.target]

    @property
    def defs_dirs(self) -> tuple[Path, ...]:
        """Folders that may hold `<pipeline>/defs.yaml`."""
        if self.defs is None:
            return (PACKAGED_DEFS,)
        # A user's own project does not need the demo pipelines.
        return (PACKAGED_DEFS, self.defs) if in_checkout() else (self.defs,)

    @property
    def environment(self) -> dict[str, str]:
        """All variables; the environment overrides `.env`."""
        return read_environment()

    @property
    def source_variables(self) -> SourceVariables:
        """Values of `${NAME}` in `raw.files`.

        They include the locations of these settings, so that files resolve the same way everywhere.
        """
        own = {
            "CLUSTER_HOME": str(self.home_dir),
            "CLUSTER_TARGET": self.target,
            "CLUSTER_AWS_REGION": self.aws_region or "",
            "CLUSTER_AWS_ENDPOINT_URL": self.aws_endpoint_url or "",
        }
        return SourceVariables(self.environment | own)


def load_settings() -> Settings:
    """Read the settings.

    Raises:
        SpecError: A variable has an invalid value; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "CLUSTER_" + "_".join(str(part) for part in first["loc"]).upper()
        field = Settings.model_fields.get(str(first["loc"][0])) if first["loc"] else None
        # Show the value of a plain setting only, never a secret or all settings together.
        shown = field is not None and "SecretStr" not in str(field.annotation)
        raise SpecError(
            f"{name}: {first['msg']}" + (f", not {first['input']!r}" if shown else ""),
            where="environment or .env",
            remedy=f"set {name} to a valid value or unset it",
        ) from error
