"""Lambda's REST protocol for tests: real worker processes behind it, faults on demand."""

from __future__ import annotations

from lambda_wire.functions import Function, WireFailure, in_sandboxes
from lambda_wire.server import LambdaWire

__all__ = ["Function", "LambdaWire", "WireFailure", "in_sandboxes"]
