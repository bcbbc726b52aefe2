"""Athena's wire protocol for tests: real SQL on DuckDB, tables from Glue, files on S3."""

from __future__ import annotations

from athena_wire.server import AthenaWire

__all__ = ["AthenaWire"]
