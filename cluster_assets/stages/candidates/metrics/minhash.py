"""MinHash: sets with a high Jaccard similarity are likely to share a bucket.

Source: A. Broder, "On the resemblance and containment of documents", 1997; bands of rows as in Leskovec,
Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from cluster_assets.stages.candidates.metrics.plans import Comparison, LshOptions

BANDS = scratch_table("bands", {"point_id": "bigint", "band": "bigint", "bucket": "bigint"})
_PRIME = 2**31 - 1


def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Return the plan that compares sets sharing a bucket of any band exactly."""
    coefficients = tuple(
        tuple(_coefficients(options.seed, table, row) for row in range(options.rows))
        for table in range(options.tables)
    )
    bands = bind("candidates/hashing/bands_minhash.sql", structure={"coefficients": coefficients})
    return CandidatePlan(
        (ScratchStep(BANDS, bands),),
        bind("candidates/hashing/candidates_minhash.sql", values={"threshold": comparison.threshold}),
        bind("candidates/hashing/comparisons.sql"),
    )


def _coefficients(seed: int, table: int, row: int) -> tuple[int, int]:
    """Return c and d of a permutation x -> (c * x + d) modulo the prime; the same in every Python version."""
    digest = hashlib.sha256(f"minhash/{seed}/{table}/{row}".encode()).digest()
    first, second = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8))
    return 1 + first % (_PRIME - 1), second % _PRIME
