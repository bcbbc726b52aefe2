"""A program that computes the lineage of some days with published clusters, in order."""

from __future__ import annotations

import sys
from pathlib import Path

from cluster_assets.opening import open_backend
from cluster_assets.settings import load_settings

sys.path.insert(0, str(Path(__file__).parent))
from lineage_chains import Chain, spec_of

if __name__ == "__main__":
    with open_backend(load_settings()) as backend:
        chain = Chain(backend, spec_of(sys.argv[1]))
        for day in sys.argv[2:]:
            chain.tell(day)
