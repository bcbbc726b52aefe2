"""Colours and marks, which stay the same for an identity on all days."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.facts import MIXED, NOISE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# On light and on dark paper. The hues follow Paul Tol's "muted" scheme, with more contrast on white.
COLOURS = (
    ("#332288", "#9C8CF0"),
    ("#CC5566", "#F08A9B"),
    ("#117733", "#4CB86E"),
    ("#2E93CC", "#88CCEE"),
    ("#AA4499", "#DD80CE"),
    ("#B08D0C", "#DDCC77"),
    ("#2A9187", "#5FCBB9"),
    ("#882255", "#D0568F"),
    ("#C8540A", "#FF9A52"),
)
MARKS = ("circle", "square", "triangle", "diamond", "down", "plus")
DOT = "dot"

# Class and colours of what is no cluster.
_PARTS = {
    "paper": ("#FFFFFF", "#1B1D21"),
    "ink": ("#222222", "#E8E8E8"),
    "faint": ("#666666", "#A6A6A6"),
    "line": ("#E3E3E3", "#3A3D43"),
    "land": ("#7B8C6A", "#8FA07E"),
    "noise": ("#C8C8C8", "#4A4D54"),
    "others": ("#8A8A8A", "#7A7E87"),
    "loss": ("#B3541E", "#F0935C"),
    "blue": ("#4477AA", "#7FB0E0"),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How an identity is drawn.

    Attributes:
        colour: Name of the CSS class that sets the colour.
        mark: One of `MARKS`, or `DOT`.
    """

    colour: str
    mark: str


NOISE_LOOK, OTHERS_LOOK = Look("noise", DOT), Look("others", DOT)


def look_of(identity: str) -> Look:
    """Return the look of an identity: a function of its text alone, so that no day depends on another.

    Clusters that were born on one day (`20130304-000000`, `20130304-000001`) take the looks in turn, those of
    the next day begin with another mark; other names go by their checksum.
    """
    colour, mark = _place(identity)
    return _look(colour, mark)


def looks_of(identities: Iterable[str]) -> Mapping[str, Look]:
    """Return a different look for each identity, at most 54.

    An identity keeps the look of `look_of`, unless an older one has it: then another mark of its colour.
    """
    found: dict[str, Look] = {}
    taken: set[Look] = set()
    for identity in sorted(set(identities)):
        colour, mark = _place(identity)
        steps = range(len(COLOURS) * len(MARKS))
        tried = (_look(colour + step // len(MARKS), mark + step) for step in steps)
        found[identity] = next((look for look in tried if look not in taken), _look(colour, mark))
        taken.add(found[identity])
    return found


def branch_style(cluster: int, identity: str, looks: Mapping[str, Look]) -> tuple[str, str]:
    """Return CSS class and name of what belongs to a cluster, to noise or to several clusters.

    Args:
        cluster: Number of the cluster, `NOISE` or `MIXED`.
        identity: Its identity, empty if unknown.
        looks: Of the identities that have their own colour.
    """
    if identity in looks:
        return looks[identity].colour, identity
    if cluster == NOISE:
        return NOISE_LOOK.colour, "noise"
    return OTHERS_LOOK.colour, "several clusters" if cluster == MIXED else "other clusters"


def style_sheet() -> str:
    """Return the CSS classes of all colours, with those of dark mode."""
    light, dark = (
        "".join(f".{name}{{color:{pair[k]}}}" for name, pair in _every_colour().items()) for k in (0, 1)
    )
    return f"{light}@media(prefers-color-scheme:dark){{{dark}}}"


def _every_colour() -> dict[str, tuple[str, str]]:
    return _PARTS | {f"k{k}": pair for k, pair in enumerate(COLOURS)}


def _look(colour: int, mark: int) -> Look:
    return Look(f"k{colour % len(COLOURS)}", MARKS[mark % len(MARKS)])


def _place(identity: str) -> tuple[int, int]:
    found = re.fullmatch(r"(?:(\d{1,18})-)?\D*(\d{1,18})", identity)
    number = int(found[2]) if found else zlib.crc32(identity.encode())
    birth = int(found[1] or 0) if found else 0
    return number % len(COLOURS), number // len(COLOURS) + birth
