"""The protocol between the Dagster process and the worker: versioned JSON, with data by reference.

It is the only part of this package that `cluster_assets` may import. An operation consists of an event, its
reply and its memory model here, and a row in `operations`.
"""

from __future__ import annotations

from lambda_worker.contract.candidates import MeasuredFile, MeasureEvent, MeasureReply
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
    DegreesEvent,
    DendrogramEvent,
    ForestEvent,
    ForestReply,
)
from lambda_worker.contract.messages import (
    VERSION,
    CapacityError,
    ContractError,
    DeadlineError,
    Event,
    InputError,
    PairLimitError,
    Reply,
    TableReply,
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
    "DeadlineError",
    "DegreesEvent",
    "DendrogramEvent",
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
    "TableReply",
]
