"""The settings of where published days are stored: what the API on Lambda reads at each cold start.

They are part of `Settings`, which takes defaults and patterns from here. This module reads them without
pydantic, whose import takes longer than opening the storage.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.errors import SpecError
from cluster_assets.project import PROJECT_ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

ENV_FILE = PROJECT_ROOT / ".env"
PREFIX = "CLUSTER_"
WAREHOUSE, CATALOG = "warehouse", "catalog"
"""Below CLUSTER_HOME: data files and manifests, and the pointers to the published manifests."""
TARGETS = ("local", "trino", "aws")
PATTERNS = {
    "aws_endpoint_url": r"^https?://.+",
    "aws_bucket": r"^.{3,}$",
    "aws_bucket_owner": r"^\d{12}$",
    "aws_catalog_id": r"^\d{12}$",
}
"""What the values of texts look like."""
_SWITCHES = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


@dataclass(frozen=True)
class StorageSettings:
    """Where published days are stored; `Settings` describes the fields."""

    target: str = "local"
    home: Path = PROJECT_ROOT / ".cluster"
    verify_files: bool = True
    aws_region: str | None = None
    aws_endpoint_url: str | None = None
    aws_bucket: str | None = None
    aws_prefix: str = "warehouse"
    aws_bucket_owner: str | None = None
    aws_kms_key: str | None = None
    aws_catalog_id: str | None = None
    aws_database: str = "cluster_assets"


DEFAULTS = StorageSettings()


def in_project(path: Path) -> Path:
    """Resolve a path against the project folder, independent of the current folder.

    Raises:
        ValueError: It names the home folder of a user that does not exist.
    """
    try:
        return (PROJECT_ROOT / path.expanduser()).resolve()
    except RuntimeError as error:
        raise ValueError("names the home folder of a user that does not exist") from error


def read_environment() -> dict[str, str]:
    """Return all variables; the environment overrides `.env`."""
    written: Mapping[str, str | None] = {}
    if ENV_FILE.is_file():
        from dotenv import dotenv_values  # imported here, because there is no such file on Lambda

        written = dotenv_values(ENV_FILE)
    return {name: value for name, value in written.items() if value is not None} | os.environ


def load_storage_settings() -> StorageSettings:
    """Read the settings from environment variables and `.env`; an empty variable counts as unset.

    Raises:
        SpecError: A variable has an invalid value; the message names it.
    """
    given = {name.upper(): value for name, value in read_environment().items() if value}
    found: dict[str, Any] = {}
    for field in fields(StorageSettings):
        variable = PREFIX + field.name.upper()
        if variable not in given:
            continue
        try:
            found[field.name] = _value(field.name, given[variable])
        except ValueError as error:
            raise SpecError(
                f"{variable}: {error}, not {given[variable]!r}",
                where="environment or .env",
                remedy=f"set {variable} to a valid value or unset it",
            ) from error
    return StorageSettings(**found)


def _value(name: str, text: str) -> str | bool | Path:
    if name == "target" and text not in TARGETS:
        raise ValueError(f"it should be {', '.join(TARGETS[:-1])} or {TARGETS[-1]}")
    if name == "home":
        return in_project(Path(text))
    if name == "verify_files":
        if text.lower() not in _SWITCHES:
            raise ValueError("it should be true or false")
        return _SWITCHES[text.lower()]
    if name in PATTERNS and not re.search(PATTERNS[name], text):
        raise ValueError(f"it should match {PATTERNS[name]}")
    return text
