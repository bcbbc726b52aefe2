"""Opens the storage of published days, object store and catalog, without loading an engine or boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.domain.errors import SpecError
from cluster_assets.storage_settings import CATALOG, WAREHOUSE

if TYPE_CHECKING:
    from cluster_assets.backends.aws.clients import AwsAccount
    from cluster_assets.backends.ports import Catalog, ObjectStore
    from cluster_assets.settings import Settings
    from cluster_assets.storage_settings import StorageSettings


def open_storage(settings: Settings | StorageSettings) -> tuple[ObjectStore, Catalog]:
    """Open the storage of published days, for readers.

    Raises:
        SpecError: A setting that the target needs is missing.
    """
    if settings.target == "aws":
        return open_aws_storage(settings, aws_account(settings))
    # Imported here, like the other imports inside functions below: each target loads its own storage only.
    from cluster_assets.backends.local.catalog import LocalCatalog
    from cluster_assets.backends.local.store import LocalStore

    store = LocalStore(settings.home / WAREHOUSE, verify=settings.verify_files)
    return store, LocalCatalog(settings.home / CATALOG)


def aws_account(settings: Settings | StorageSettings) -> AwsAccount:
    """Return region and endpoints of `target: aws`."""
    from cluster_assets.backends.aws.clients import AwsAccount

    return AwsAccount(settings.aws_region, settings.aws_endpoint_url, settings.aws_catalog_id)


def open_aws_storage(
    settings: Settings | StorageSettings, account: AwsAccount
) -> tuple[ObjectStore, Catalog]:
    """Open bucket and Glue catalog.

    Raises:
        SpecError: The bucket is not set.
    """
    from cluster_assets.backends.aws.catalog import GlueCatalog, GlueConfig
    from cluster_assets.backends.aws.store import S3Config, S3Store

    if settings.aws_bucket is None:
        raise SpecError(
            "target aws needs a bucket",
            where="environment or .env",
            remedy="set CLUSTER_AWS_BUCKET; the deployed stack names it among its outputs",
        )
    config = S3Config(
        bucket=settings.aws_bucket,
        prefix=settings.aws_prefix,
        kms_key=settings.aws_kms_key,
        owner=settings.aws_bucket_owner,
        verify=settings.verify_files,
    )
    store = S3Store(account.client("s3", parallel=16), config)
    return store, GlueCatalog(account.client("glue"), store, GlueConfig(settings.aws_database))
