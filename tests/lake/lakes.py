"""The settings of lakes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

_NUMBERS = itertools.count()


def fresh_name() -> str:
    """A name that no other lake has."""
    return f"lake_{next(_NUMBERS):04d}"


def set_environment(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the settings of this process at a lake."""
    for name in ("CLUSTER_REAL_DATA", "CLUSTER_DEFS", "CLUSTER_TARGET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def aws_variables(bucket: str) -> dict[str, str]:
    """The settings of a place of its own in a bucket."""
    name = fresh_name()
    return {
        "CLUSTER_TARGET": "aws",
        "CLUSTER_AWS_BUCKET": bucket,
        "CLUSTER_AWS_PREFIX": name,
        "CLUSTER_AWS_DATABASE": name,
    }
