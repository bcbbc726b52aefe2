"""Draws one of each picture and prints the digests: run in several processes to compare them."""

from __future__ import annotations

import hashlib
import json

from facts_of_days import (
    cloud_of,
    day_of,
    flow_of,
    plot_of,
    row_of_days,
    sample_of,
    shares_of,
    tree_of,
)

from cluster_assets.stages.report.pictures.drift import draw_drift
from cluster_assets.stages.report.pictures.facts import DriftFacts, ShareMove
from cluster_assets.stages.report.pictures.flow import draw_flow, lanes_of
from cluster_assets.stages.report.pictures.heat import draw_tokens
from cluster_assets.stages.report.pictures.maps import draw_map
from cluster_assets.stages.report.pictures.palette import looks_of
from cluster_assets.stages.report.pictures.sizes import draw_sizes
from cluster_assets.stages.report.pictures.structure.condensed import draw_condensed
from cluster_assets.stages.report.pictures.structure.dendrogram import draw_dendrogram
from cluster_assets.stages.report.pictures.structure.distances import draw_distances
from cluster_assets.stages.report.pictures.structure.reachability import draw_reachability
from cluster_assets.stages.report.pictures.trend import draw_trend

day, lives = day_of(8), flow_of(6)
looks = looks_of((*(one.identity for one in day.clusters), *lanes_of(lives.stretches)))
pictures = (
    draw_sizes(day, looks),
    draw_map(day, cloud_of(day, 300), looks),
    draw_tokens(day, shares_of(day), looks),
    draw_trend("attackers", row_of_days(12)),
    draw_flow(lives, looks),
    draw_drift(DriftFacts("tokens", 7, (ShareMove("TCP/445", 0.5, 0.1), ShareMove("3 others", 0.0, 0.2)))),
    draw_distances(sample_of(day)),
    draw_dendrogram(day, sample_of(day), looks),
    draw_condensed(day, tree_of(day, 12), "euclidean distance", looks),
    draw_reachability(day, plot_of(day, 200), sample_of(day), looks),
)
print(json.dumps({one.name: hashlib.sha256(one.svg).hexdigest() for one in pictures}))
