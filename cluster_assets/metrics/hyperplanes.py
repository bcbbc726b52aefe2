"""Random hyperplanes: vectors at a small angle are likely to lie on the same side of most planes.

Sources: M. Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002; sparse planes of
+1 and -1 as in P. Li, T. Hastie, K. Church, "Very sparse random projections", KDD 2006, so that the text of
the statement stays small.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from cluster_assets.domain.tables import Column, TableContract
from cluster_assets.metrics.minhash import BANDS
from cluster_assets.metrics.plans import CandidatePlan, ScratchStep
from cluster_assets.sql_files import bind

if TYPE_CHECKING:
    from cluster_assets.metrics.plans import Comparison, LshOptions

    Plane = tuple[int, ...]

# Scratch: its rows need no order.
UNITS = TableContract(
    "units", (Column("point_id", "bigint"), Column("embedding", "array(double)")), sort_by=()
)
_DRAWN = 256  # coordinates that planes are made of; see sql/bands/hyperplanes.sql
_MOST_TERMS = 6  # of a plane
_TERMS = 2_000  # of all planes: the text must be read, and Athena takes 262,144 bytes


def lsh(comparison: Comparison, options: LshOptions) -> CandidatePlan:
    """Pairs of embeddings on the same side of all planes of a band, measured exactly."""
    planes = options.tables * options.rows
    terms = max(1, min(_MOST_TERMS, _TERMS // planes))
    bands = tuple(
        tuple(_plane(options.seed, table, row, terms) for row in range(options.rows))
        for table in range(options.tables)
    )
    return CandidatePlan(
        (
            ScratchStep(UNITS, bind("units/embedding.sql")),
            ScratchStep(BANDS, bind("bands/hyperplanes.sql", structure={"bands": bands})),
        ),
        bind("candidates/hyperplanes.sql", values={"threshold": comparison.threshold}),
        bind("comparisons/bands.sql"),
    )


def _plane(seed: int, table: int, row: int, terms: int) -> Plane:
    """Numbers of drawn coordinates, from 1; of negated ones, from 257."""
    made = []
    for term in range(terms):
        digest = hashlib.sha256(f"hyperplanes/{seed}/{table}/{row}/{term}".encode()).digest()
        made.append(1 + digest[0] % _DRAWN + (0 if digest[1] % 2 else _DRAWN))
    return tuple(made)
