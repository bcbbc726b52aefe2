"""Shards of a day: pairs in, a forest out that gives the same clusters; and the dendrogram of forests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.contract import DendrogramReply, ForestReply
from lambda_worker.contract.forests import FOLD_ROWS, MINIMUM
from lambda_worker.forests.dendrogram import build_dendrogram
from lambda_worker.forests.files import MERGES, PAIRS, WEIGHTED_PAIRS, write_columns
from lambda_worker.forests.minimum import minimum_forest
from lambda_worker.forests.spanning import SpanningForest
from lambda_worker.graph import CandidatePairs, read_cores
from lambda_worker.hierarchy.core_distances import read_core_distances
from lambda_worker.parquet_io import BATCH_ROWS
from lambda_worker.union_find import BLOCK_IDS

if TYPE_CHECKING:
    from lambda_worker.contract import DendrogramEvent, ForestEvent


def reduce_shard(event: ForestEvent, batch_rows: int = BATCH_ROWS, fold_rows: int = FOLD_ROWS) -> ForestReply:
    """Write the forest of some candidates files; equal pairs give equal bytes, in whatever order they come.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    pairs = CandidatePairs(event.candidates, event.point_count, batch_rows, event.part)
    attachments = 0
    if event.kind == MINIMUM:
        distances = event.core_distances
        reach = None if distances is None else read_core_distances(distances, event.point_count, batch_rows)
        forest = minimum_forest(pairs, fold_rows, reach)
        rows, written = write_columns(event.output, WEIGHTED_PAIRS, forest.blocks())
    else:
        core = None if event.cores is None else read_cores(event.cores, event.point_count)
        spanning = SpanningForest(pairs, core, fold_rows)
        rows, written = write_columns(event.output, PAIRS, spanning.blocks())
        attachments = spanning.attachments
    return ForestReply(ok=True, rows=rows, bytes=written, borders=attachments, pairs=pairs.count or 0)


def draw_dendrogram(event: DendrogramEvent, batch_rows: int = BATCH_ROWS) -> DendrogramReply:
    """Write the merges of single linkage.

    Raises:
        ContractError: The event or an input file is not of the contract.
    """
    pairs = CandidatePairs(event.forests, event.point_count, batch_rows)
    forest = minimum_forest(pairs)
    merges = build_dendrogram(forest, event.point_count)
    blocks = (
        tuple(column[start : start + BLOCK_IDS] for column in merges)
        for start in range(0, len(forest), BLOCK_IDS)
    )
    rows, written = write_columns(event.output, MERGES, blocks)
    return DendrogramReply(ok=True, rows=rows, bytes=written, pairs=pairs.count or 0)
