"""Random hyperplanes: vectors at a small angle are likely to lie on the same side of most planes.

Sources: M. Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002; sparse planes of
+1 and -1 as in P. Li, T. Hastie, K. Church, "Very sparse random projections", KDD 2006, which keep the
statement short.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cluster_assets.backends.statements import bind
from cluster_assets.domain.tables import scratch_table
from cluster_assets.stages.candidates.metrics.minhash import BANDS
from cluster_assets.stages.candidates.metrics.plans import CandidatePlan, ScratchStep

if TYPE_CHECKING:
    from cluster_assets.stages.candidates.metrics.plans import Comparison, LshOptions

    Plane = tuple[int, ...]

UNITS = scratch_table("units", {"point_id": "bigint", "embedding": "array(double)"})
_DRAWN = 256  # coordinates to choose from; see sql/candidates/hashing/bands_hyperplanes.sql
_MOST_TERMS = 6  # per plane
_TERMS = 2_000  # of all planes, to bound the statement's length: Athena takes at most 262,144 bytes


def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Return the plan that compares embeddings on the same side of all planes of a band exactly."""
    planes = options.tables * options.rows
    terms = max(1, min(_MOST_TERMS, _TERMS // planes))
    bands = tuple(
        tuple(_plane(options.seed, table, row, terms) for row in range(options.rows))
        for table in range(options.tables)
    )
    return CandidatePlan(
        (
            ScratchStep(UNITS, bind("candidates/hashing/units.sql")),
            ScratchStep(BANDS, bind("candidates/hashing/bands_hyperplanes.sql", structure={"bands": bands})),
        ),
        bind("candidates/hashing/candidates_hyperplanes.sql", values={"threshold": comparison.threshold}),
        bind("candidates/hashing/comparisons.sql"),
    )


def _plane(seed: int, table: int, row: int, terms: int) -> Plane:
    """Draw the coordinates of a plane: numbers from 1 on, or from 257 on for negated ones."""
    made = []
    for term in range(terms):
        digest = hashlib.sha256(f"hyperplanes/{seed}/{table}/{row}/{term}".encode()).digest()
        made.append(1 + digest[0] % _DRAWN + (0 if digest[1] % 2 else _DRAWN))
    return tuple(made)
