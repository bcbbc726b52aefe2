"""Which Dagster pool a step takes a slot of, so that quotas hold over all runs at once.

Limits are set on the instance (docs/checks.md): a pool without one is unlimited. A slot is a running step,
not an invocation; how many of those one step makes at a time is `limits.max_concurrency` of its pipeline.
"""

from __future__ import annotations

SQL_POOL = "sql"
"""Steps whose work is the SQL engine's: Athena's or Trino's queries, or DuckDB's memory."""
WORKER_POOL = "worker"
"""Steps whose work is done by invocations: of Lambda, or of local worker processes."""

_BY_WORKERS = ("clusters", "profiles")


def pool_of(stage: str) -> str:
    """The pool of a stage's asset."""
    return WORKER_POOL if stage in _BY_WORKERS else SQL_POOL
