"""Reduces a shard's pairs to a forest with the same clusters, and draws the dendrogram of forests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_worker.contract import ForestReply, TableReply
from lambda_worker.contract.forests import FOLD_ROWS, MINIMUM
from lambda_worker.graph.core_distances import read_core_distances
from lambda_worker.graph.dendrogram import build_dendrogram
from lambda_worker.graph.minimum import minimum_forest
from lambda_worker.graph.pairs import CandidatePairs, read_cores
from lambda_worker.graph.spanning import SpanningForest
from lambda_worker.tables.writing import MERGES, PAIRS, WEIGHTED_PAIRS, write_columns

if TYPE_CHECKING:
    from lambda_worker.contract import DendrogramEvent, ForestEvent


def reduce_shard(event: ForestEvent, fold_rows: int = FOLD_ROWS) -> ForestReply:
    """Write the forest of candidates files; the bytes do not depend on the order of the pairs."""
    pairs = CandidatePairs(event.candidates, event.point_count, event.part)
    attachments = 0
    if event.kind == MINIMUM:
        distances = event.core_distances
        reach = None if distances is None else read_core_distances(distances, event.point_count)
        forest = minimum_forest(pairs, fold_rows, reach)
        rows, written = write_columns(event.output, WEIGHTED_PAIRS, [forest.columns()])
    else:
        core = None if event.cores is None else read_cores(event.cores, event.point_count)
        spanning = SpanningForest(pairs, core, fold_rows)
        rows, written = write_columns(event.output, PAIRS, spanning.blocks())
        attachments = spanning.attachments
    return ForestReply(ok=True, rows=rows, bytes=written, borders=attachments, pairs=pairs.count or 0)


def draw_dendrogram(event: DendrogramEvent) -> TableReply:
    """Write the merges of single linkage."""
    pairs = CandidatePairs(event.forests, event.point_count)
    forest = minimum_forest(pairs)
    merges = build_dendrogram(forest, event.point_count)
    rows, written = write_columns(event.output, MERGES, [merges])
    return TableReply(ok=True, rows=rows, bytes=written, pairs=pairs.count or 0)
