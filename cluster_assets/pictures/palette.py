"""Colours and marks: the same ones for the same identity, day after day."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

# Paul Tol's "muted" scheme, made to be told apart with any colour vision (https://sronpersonalpages.nl/~pault/),
# in an order where neighbours differ most.
COLOURS = (
    "#332288",
    "#CC6677",
    "#117733",
    "#88CCEE",
    "#AA4499",
    "#DDCC77",
    "#44AA99",
    "#882255",
    "#999933",
)
MARKS = ("o", "s", "^", "D", "v", "P")

NOISE = "#C4C4C4"
OTHERS = "#8A8A8A"
INK = "#222222"
FAINT = "#6B6B6B"
GRID = "#E6E6E6"
PAPER = "#FFFFFF"
LOSS = "#B3541E"
BLUE = "#4477AA"
# From nothing to all, for shares.
RAMP = ("#F7FAFD", "#08519C")
_ACCENTS = (LOSS, BLUE, RAMP[1])
_LEVELS = (0.3, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Look:
    """How an identity is drawn; colour and mark together tell 54 apart."""

    colour: str
    mark: str


def blend(colour: str, share: float, ground: str = PAPER) -> str:
    """A colour laid over a ground: 0 is the ground, 1 the colour.

    >>> blend("#000000", 0.5)
    '#808080'
    """
    mixed = (
        round(share * over + (1.0 - share) * under)
        for over, under in zip(_parts(colour), _parts(ground), strict=True)
    )
    return "#" + "".join(f"{part:02X}" for part in mixed)


def every_colour() -> tuple[str, ...]:
    """At most 256 colours that make all pictures: each of ours over paper in steps, and greys."""
    steps = (blend(colour, level) for colour in (*COLOURS, *_ACCENTS) for level in _LEVELS)
    ramp = (blend(RAMP[1], k / 40, RAMP[0]) for k in range(41))
    greys = (blend(INK, k / 12) for k in range(13))
    found = dict.fromkeys((PAPER, INK, FAINT, GRID, NOISE, OTHERS, *greys, *steps, *ramp))
    return tuple(found)


def _parts(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def look_of(identity: str) -> Look:
    """The look of an identity: a function of its text alone, so that no day depends on another.

    Clusters that were born on one day (`20130304-000000`, `20130304-000001`) take the looks in turn, those of
    the next day begin with another mark; other names go by their checksum.
    """
    found = re.fullmatch(r"(?:(\d{1,18})-)?\D*(\d{1,18})", identity)
    number = int(found[2]) if found else zlib.crc32(identity.encode())
    birth = int(found[1] or 0) if found else 0
    return Look(COLOURS[number % len(COLOURS)], MARKS[(number // len(COLOURS) + birth) % len(MARKS)])
