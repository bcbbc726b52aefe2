"""The tables of an asset as Dagster shows them: columns, types and descriptions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from cluster_assets.domain.tables import CENTRES, SCALES, points_contract
from cluster_assets.stages.clusters.stage import STRUCTURES, clusters_contract
from cluster_assets.stages.points.kinds import columns_of
from cluster_assets.stages.sequence import TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.domain.tables import TableContract
    from cluster_assets.spec.pipeline import PipelineSpec

COLUMN_SCHEMA = "dagster/column_schema"


def tables_of(spec: PipelineSpec, stage: str) -> tuple[TableContract, ...]:
    """Return the tables that a stage may publish, first the one named after the stage."""
    own: dict[str, TableContract] = {}
    if stage == "points":
        own[stage] = points_contract(columns_of(spec.features))
    if stage == "clusters":
        own[stage] = clusters_contract(spec.algorithm)
    absent = set()
    if spec.features.scale.type == "none" or spec.features.scale.reference_day is not None:
        absent.add(SCALES.name)
    absent |= {table.name for table in STRUCTURES} - {spec.algorithm.structure}
    if not spec.algorithm.has_centres:
        absent.add(CENTRES.name)
    return tuple(own.get(table.name, table) for table in TABLES.get(stage, ()) if table.name not in absent)


def table_metadata(spec: PipelineSpec, stage: str) -> Mapping[str, dg.TableSchema]:
    """Return the schema of each table: under Dagster's own key for the asset's table, else `columns of …`."""
    return {
        COLUMN_SCHEMA if table.name == stage else f"columns of {table.name}": _schema(table)
        for table in tables_of(spec, stage)
    }


def _schema(table: TableContract) -> dg.TableSchema:
    columns = [dg.TableColumn(one.name, one.type, one.description) for one in table.columns]
    return dg.TableSchema(columns=columns)
