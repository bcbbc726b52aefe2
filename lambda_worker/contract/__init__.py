"""What travels between the Dagster process and the worker: JSON, versioned, data by reference.

The only part of this package that `cluster_assets` may import. Standard library only. An operation is an
event and a reply here with their line in `answers`, and a line in `lambda_worker.operations`.
"""

from __future__ import annotations

from lambda_worker.contract.clusters import ClusterEvent, ClusterReply
from lambda_worker.contract.components import (
    Bin,
    ComponentsEvent,
    ComponentsReply,
    NumberEvent,
    PackEvent,
    PackReply,
)
from lambda_worker.contract.forests import (
    CoresEvent,
    CoresReply,
    DegreesEvent,
    DegreesReply,
    DendrogramEvent,
    DendrogramReply,
    ForestEvent,
    ForestReply,
)
from lambda_worker.contract.measure import MeasuredFile, MeasureEvent, MeasureReply
from lambda_worker.contract.messages import (
    VERSION,
    CapacityError,
    ContractError,
    DeadlineError,
    Event,
    InputError,
    PairLimitError,
    Reply,
)

__all__ = [
    "VERSION",
    "Bin",
    "CapacityError",
    "ClusterEvent",
    "ClusterReply",
    "ComponentsEvent",
    "ComponentsReply",
    "ContractError",
    "CoresEvent",
    "CoresReply",
    "DeadlineError",
    "DegreesEvent",
    "DegreesReply",
    "DendrogramEvent",
    "DendrogramReply",
    "Event",
    "ForestEvent",
    "ForestReply",
    "InputError",
    "MeasureEvent",
    "MeasureReply",
    "MeasuredFile",
    "NumberEvent",
    "PackEvent",
    "PackReply",
    "PairLimitError",
    "Reply",
]
