"""The one way of the data: the stages in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.stages.candidates import CandidatesStage
from cluster_assets.stages.clusters import ClustersStage
from cluster_assets.stages.lineage import LineageStage
from cluster_assets.stages.points import PointsStage
from cluster_assets.stages.profiles import ProfilesStage
from cluster_assets.stages.raw import RawStage
from cluster_assets.stages.report import ReportStage

if TYPE_CHECKING:
    from cluster_assets.stages.stage import Stage

STAGES: tuple[Stage, ...] = (
    RawStage(),
    PointsStage(),
    CandidatesStage(),
    ClustersStage(),
    LineageStage(),
    ProfilesStage(),
    ReportStage(),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
