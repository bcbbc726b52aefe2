"""Limits of AWS Lambda; the local runtime keeps them too, so that a day that runs here runs there.

Source unless said otherwise: AWS Lambda Developer Guide, "Lambda quotas".
"""

from __future__ import annotations

LAMBDA_PAYLOAD_BYTES = 6_291_456
"""Request and response of a synchronous invocation: 6 MB each (6 x 2^20 bytes)."""

LAMBDA_EVENT_BYTES = 262_144
"""Request of an asynchronous invocation: 256 KB, the quota that every region has kept; some allow 1 MB."""

LAMBDA_MAX_TIMEOUT_S = 900
"""Longest time a function may be given: 15 minutes."""

LAMBDA_MEMORY_MB = (128, 10_240)
"""Least and most memory of a function, in MiB."""

LAMBDA_INIT_TIMEOUT_S = 10
"""Time of the init phase; AWS then tries once more within the function's own timeout
(Developer Guide, "Understanding the Lambda execution environment lifecycle")."""
