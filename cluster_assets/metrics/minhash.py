"""MinHash: sets with a high Jaccard similarity are likely to share a bucket.

Source: A. Broder, "On the resemblance and containment of documents", 1997; bands of rows as in Leskovec,
Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison, LshOptions

# Scratch: its rows need no order.
BANDS = TableContract(
    "bands",
    (Column("point_id", "bigint"), Column("band", "bigint"), Column("bucket", "bigint")),
    sort_by=(),
)
_PRIME = 2**31 - 1


def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Pairs of sets that share a bucket in one of the bands, measured exactly."""
    coefficients = tuple(
        tuple(_coefficients(options.seed, table, row) for row in range(options.rows))
        for table in range(options.tables)
    )
    bands = bind("bands/minhash.sql", structure={"coefficients": coefficients})
    return CandidatePlan(
        (ScratchStep(BANDS, bands),),
        bind("candidates/minhash.sql", values={"threshold": comparison.threshold}),
        bind("comparisons/bands.sql"),
    )


def _coefficients(seed: int, table: int, row: int) -> tuple[int, int]:
    """A permutation x -> (c * x + d) modulo the prime; the same in every version of Python."""
    digest = hashlib.sha256(f"minhash/{seed}/{table}/{row}".encode()).digest()
    first, second = (int.from_bytes(digest[start : start + 8], "big") for start in (0, 8))
    return 1 + first % (_PRIME - 1), second % _PRIME
