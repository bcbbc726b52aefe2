"""Campaigns: which addresses belong together on a day, and how campaigns change.

The world has a fixed number of slots. Every slot runs one story per CYCLE_DAYS days, offset from its
neighbours so that something happens almost every day. A story has seats; each seat is held by one address,
which keeps it for one to three weeks. Seats form two wings, each in its own city. In a `split`, the second
wing leaves the campaign and gets its own profile; in a `merger`, two campaigns become one; a plain story
has neither. All campaigns are born and die.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from cluster_assets.sample.lots import Lots
from cluster_assets.sample.places import CITIES
from cluster_assets.sample.profiles import Profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cluster_assets.sample.config import SampleConfig
    from cluster_assets.sample.profiles import Profile

Event = Literal["born", "continued", "split", "merged", "died"]
Kind = Literal["life", "split", "merger"]

CYCLE_DAYS = 20
_KINDS: tuple[Kind, ...] = ("split", "merger", "life")
_MEMBER_SHARE = 0.7  # of the addresses of a mean day; the others are noise
_MEAN_LIFE_SHARE = 14.5 / CYCLE_DAYS
_ENTITIES_A_SLOT = 75
_DISTINCT_SLOTS = 16  # this many slots have two profiles each that all three pipelines can separate
_MAX_SLOTS = 400
_PRESENCE = 0.93  # probability that a member is active on a day
_WING_PATTERN = 5  # of five seats, three are in the first wing and two in the second
_FIRST_WING = 3


@dataclass(frozen=True, slots=True)
class Story:
    """One story of one slot; days are proleptic ordinals, `end` is the first day without it."""

    slot: int
    cycle: int
    kind: Kind
    wings: int
    seats: int
    born: int
    turn: int
    end: int

    def letter(self, wing: int, day: int) -> int:
        """Return the campaign (0 or 1) of a wing on a day."""
        apart = (self.kind == "split" and day >= self.turn) or (self.kind == "merger" and day < self.turn)
        return wing if apart else 0

    def name(self, letter: int) -> str:
        """Return the campaign's name: slot, first day of the story, letter."""
        # The story of the first days of year 1 began before the calendar.
        birth = dt.date.fromordinal(max(self.born, 1))
        return f"{self.slot:03d}-{birth.isoformat()}-{'ab'[letter]}"

    def event(self, day: int) -> Event:
        """Return what happens on a day of the story."""
        if day == self.born:
            return "born"
        if day == self.turn and self.kind != "life":
            return "split" if self.kind == "split" else "merged"
        return "continued"


@dataclass(frozen=True, slots=True)
class Wing:
    """The addresses of one wing of a story on a day.

    Attributes:
        campaign: Name of their campaign.
        previous: Name of the campaign they were in the day before; None if it is born today.
        event: What happens to the campaign today.
        profile: Their behaviour.
        city: Number of the city they are near.
        addresses: (members,) IPv4 addresses as numbers.
    """

    campaign: str
    previous: str | None
    event: Event
    profile: Profile
    city: int
    addresses: NDArray[np.int64]


class World:
    """All campaigns of all days of a seed, without state between days."""

    def __init__(self, config: SampleConfig) -> None:
        self.lots = Lots(config.seed)
        self._entities = config.entities
        self.slots = _slots_for(config.entities)
        self._profiles = Profiles(self.lots, self.slots, config.rows_per_entity)

    def wings_on(self, date: dt.date) -> list[Wing]:
        """Return the wings alive on a day, in order of slot, without empty wings."""
        day = date.toordinal()
        wings = []
        for story in self._stories(day):
            if story.born <= day < story.end:
                wings += [self._wing(story, number, day) for number in range(story.wings)]
        return [wing for wing in wings if len(wing.addresses)]

    def died_on(self, date: dt.date) -> list[str]:
        """Return the campaigns that were alive the day before and end without a successor."""
        day = date.toordinal()
        return [
            story.name(letter)
            for story in self._stories(day)
            if story.end == day
            for letter in sorted({story.letter(wing, day - 1) for wing in range(story.wings)})
        ]

    @cached_property
    def _seats(self) -> NDArray[np.int64]:
        """Return the number of seats of each slot; they add up to the member share on an average day."""
        weight = 0.5 + 1.2 * self.lots.unit("slot weight", np.arange(self.slots))
        share = _MEMBER_SHARE / _MEAN_LIFE_SHARE * weight / weight.sum()
        seats: NDArray[np.int64] = np.rint(self._entities * share).astype(np.int64)
        return seats

    def _stories(self, day: int) -> list[Story]:
        """Return the story of each slot on a day."""
        return [self._story(slot, day) for slot in range(self.slots)]

    def _story(self, slot: int, day: int) -> Story:
        shift = slot * CYCLE_DAYS // self.slots
        cycle = (day - shift) // CYCLE_DAYS
        born = cycle * CYCLE_DAYS + shift + self.lots.one_below(2, "birth", slot, cycle)
        seats = int(self._seats[slot])
        # The kind of story depends on the cycle, so that a slot has different stories.
        kind = _KINDS[(slot + cycle) % len(_KINDS)] if seats >= _WING_PATTERN else "life"
        both = kind != "life" or self.lots.one_below(2, "both cities", slot, cycle) == 1
        return Story(
            slot=slot,
            cycle=cycle,
            kind=kind,
            wings=2 if both else 1,
            seats=seats,
            born=born,
            turn=born + 5 + self.lots.one_below(3, "turn", slot, cycle),
            end=born + 13 + self.lots.one_below(4, "end", slot, cycle),
        )

    def _wing(self, story: Story, number: int, day: int) -> Wing:
        letter = story.letter(number, day)
        previous = story.name(story.letter(number, day - 1)) if day > story.born else None
        return Wing(
            campaign=story.name(letter),
            previous=previous,
            event=story.event(day),
            profile=self._profiles.of(story.slot, story.cycle, letter),
            city=(2 * story.slot + number) % len(CITIES),
            addresses=self._addresses(story, number, day),
        )

    def _addresses(self, story: Story, wing: int, day: int) -> NDArray[np.int64]:
        """Return the active addresses in the seats of a wing on a day."""
        seats = np.arange(story.seats, dtype=np.int64)
        if story.wings == 2:
            seats = seats[(seats % _WING_PATTERN >= _FIRST_WING) == (wing == 1)]
        who = (story.slot, story.cycle)
        seats = seats[self.lots.unit("presence", *who, seats, day) < _PRESENCE]
        tenure = 6 + self.lots.below(13, "tenure", *who, seats)
        tenant = (day + self.lots.below(tenure, "tenure start", *who, seats)) // tenure
        return as_addresses(self.lots.bits("member", *who, seats, tenant))


def as_addresses(bits: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return IPv4 addresses in 240.0.0.0/4, which is unassigned, so that no sample names a real machine."""
    return (bits % np.uint64(15 << 24)).astype(np.int64) + (240 << 24)


def _slots_for(entities: int) -> int:
    """Return the number of slots: with more entities, campaigns first grow in number, then in size."""
    slots = entities // _ENTITIES_A_SLOT
    if slots > _DISTINCT_SLOTS:
        slots = round((slots * _DISTINCT_SLOTS) ** 0.5)
    return max(1, min(_MAX_SLOTS, slots))
