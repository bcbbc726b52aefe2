"""The ground truth of a day: the campaign of each address, and what happened to the campaigns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from cluster_assets.sample.addresses import NOISE
from cluster_assets.sample.places import CITIES

if TYPE_CHECKING:
    import datetime as dt

    from cluster_assets.sample.addresses import Addresses
    from cluster_assets.sample.campaigns import Wing, World


def membership(wings: list[Wing], addresses: Addresses) -> pd.DataFrame:
    """Return the campaign of each member, one row per member, without noise.

    Returns:
        Columns address (a number), campaign, place, behaviour, event, previous_campaign.
    """
    members = addresses.wing != NOISE
    of_wing = addresses.wing[members]
    facts = pd.DataFrame(
        [
            (wing.campaign, CITIES[wing.city].name, wing.profile.behaviour, wing.event, wing.previous)
            for wing in wings
        ],
        columns=["campaign", "place", "behaviour", "event", "previous_campaign"],
        dtype="object",
    )
    table: pd.DataFrame = facts.iloc[of_wing].reset_index(drop=True)
    table.insert(0, "address", addresses.number[members])
    return table


def events(date: dt.date, world: World, wings: list[Wing], addresses: Addresses) -> pd.DataFrame:
    """Return the events, one row per campaign and predecessor; a new campaign has no predecessor.

    Returns:
        Columns campaign, event, previous_campaign, members (of the campaign, today).
    """
    sizes = np.bincount(addresses.wing[addresses.wing != NOISE], minlength=len(wings)).tolist()
    members: dict[str, int] = {}
    for wing, size in zip(wings, sizes, strict=True):
        members[wing.campaign] = members.get(wing.campaign, 0) + size
    rows: set[tuple[str, str, str | None, int]] = {
        (wing.campaign, wing.event, wing.previous, members[wing.campaign]) for wing in wings
    }
    rows |= {(name, "died", name, 0) for name in world.died_on(date)}
    ordered = sorted(rows, key=lambda row: (row[0], "" if row[2] is None else row[2]))
    return pd.DataFrame(
        ordered,
        columns=["campaign", "event", "previous_campaign", "members"],
        dtype="object",
    )
