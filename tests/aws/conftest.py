"""An Athena engine over moto and the wire server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from athena_lake import Lake

    from cluster_assets.engines.athena import AthenaEngine


@pytest.fixture
def engine(athena_lake: Lake) -> AthenaEngine:
    return athena_lake.shared_engine
