"""Which reply answers which event: the operations of the contract, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.contract import (
    ClusterEvent,
    ClusterReply,
    ComponentsEvent,
    ComponentsReply,
    CoresEvent,
    CoresReply,
    DegreesEvent,
    DegreesReply,
    DendrogramEvent,
    DendrogramReply,
    Event,
    ForestEvent,
    ForestReply,
    MeasureEvent,
    MeasureReply,
    NumberEvent,
    PackEvent,
    PackReply,
    Reply,
)
from lambda_worker.contract.centroids import (
    AssignEvent,
    AssignReply,
    CentresEvent,
    CentresReply,
    GatherEvent,
    LearnEvent,
    LearnReply,
    RoundEvent,
    RoundReply,
    SampleEvent,
    SampleReply,
    SeedEvent,
    SeedReply,
)
from lambda_worker.contract.certificates import CertifyEvent, CertifyReply
from lambda_worker.contract.hierarchies import (
    CoreDistancesEvent,
    CoreDistancesReply,
    HdbscanEvent,
    HdbscanReply,
    NeighboursEvent,
    NeighboursReply,
)
from lambda_worker.contract.joins import JoinEvent, JoinReply
from lambda_worker.contract.mean_shift import ClimbEvent, ClimbReply, PeaksEvent
from lambda_worker.contract.profiles import (
    MedoidsEvent,
    ProfileReply,
    SilhouettesEvent,
    SurveyEvent,
    SurveyReply,
)
from lambda_worker.contract.reachability import ExtractEvent, OrderEvent, OrderReply

if TYPE_CHECKING:
    from lambda_worker.contract import Event, Reply

REPLIES: dict[type[Event], type[Reply]] = {
    ClusterEvent: ClusterReply,
    MeasureEvent: MeasureReply,
    JoinEvent: JoinReply,
    CertifyEvent: CertifyReply,
    DegreesEvent: DegreesReply,
    CoresEvent: CoresReply,
    ForestEvent: ForestReply,
    DendrogramEvent: DendrogramReply,
    PackEvent: PackReply,
    ComponentsEvent: ComponentsReply,
    NumberEvent: ClusterReply,
    OrderEvent: OrderReply,
    ExtractEvent: ClusterReply,
    ClimbEvent: ClimbReply,
    PeaksEvent: ClusterReply,
    SampleEvent: SampleReply,
    SeedEvent: SeedReply,
    RoundEvent: RoundReply,
    CentresEvent: CentresReply,
    AssignEvent: AssignReply,
    GatherEvent: ClusterReply,
    LearnEvent: LearnReply,
    NeighboursEvent: NeighboursReply,
    CoreDistancesEvent: CoreDistancesReply,
    HdbscanEvent: HdbscanReply,
    SurveyEvent: SurveyReply,
    MedoidsEvent: ProfileReply,
    SilhouettesEvent: ProfileReply,
}
