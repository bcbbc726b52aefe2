"""Draws one of each picture and prints the digests: run in several processes to compare them."""

from __future__ import annotations

import hashlib
import json

from facts_of_days import cloud_of, day_of, flow_of, row_of_days, shares_of

from cluster_assets.pictures.flow import draw_flow
from cluster_assets.pictures.heat import draw_tokens
from cluster_assets.pictures.maps import draw_map
from cluster_assets.pictures.sizes import draw_sizes
from cluster_assets.pictures.trend import draw_trend

day = day_of(8)
pictures = (
    draw_sizes(day),
    draw_map(day, cloud_of(day, 300)),
    draw_tokens(day, shares_of(day)),
    draw_trend("attackers", row_of_days(12)),
    draw_flow(flow_of(6)),
)
print(json.dumps({one.name: hashlib.sha256(one.png).hexdigest() for one in pictures}))
