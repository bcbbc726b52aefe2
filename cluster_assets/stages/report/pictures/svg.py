"""Pictures as SVG text: shapes and texts in CSS classes, which set the colours of light and dark mode.

Text is in the fonts of the reader, so that every script and emoji can be shown; its width is estimated.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.palette import DOT, style_sheet

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cluster_assets.stages.report.pictures.palette import Look

WIDTH = 440.0
"""Units across a picture. On a phone a unit is four fifths of a pixel, which keeps the text readable."""

TEXT = 11.0
SMALL = 10.0
_SHOWN = 1.5  # CSS pixels a unit where nothing else sets the width
_WIDE, _NARROW = 1.0, 0.62  # of the font size, the width of a letter
_TOOLTIP = re.compile(b"<title>[^<]*</title>")
_JOINERS = "\u200d"  # joins the parts of an emoji

_RULES = (
    ".fill{fill:currentColor}.edge{fill:currentColor;stroke:var(--paper);stroke-width:1.6;paint-order:stroke}"
    ".open{fill:var(--paper);stroke:currentColor;stroke-width:1.2}"
    ".stroke{fill:none;stroke:currentColor}.bold{font-weight:600}"
    ".shape{fill:currentColor;fill-opacity:.13;stroke:currentColor;stroke-opacity:.5;stroke-width:.7}"
    ".halo{paint-order:stroke;stroke:var(--paper);stroke-width:3px;stroke-linejoin:round}"
    ":root,svg{--paper:#FFFFFF}@media(prefers-color-scheme:dark){:root,svg{--paper:#1B1D21}}"
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Attributes:
        name: `sizes`, for file names and anchors.
        title: What it shows, as a headline.
        alt: What it shows, for those who do not see it.
        body: The elements inside the SVG, without their style.
        height: In units, of which `WIDTH` are across.
    """

    name: str
    title: str
    alt: str
    body: str
    height: float

    @property
    def inline(self) -> str:
        """Return the element for an HTML page that has the rules of `css`."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(WIDTH)} {_n(self.height)}" role="img" '
            f'aria-label="{escape(self.alt)}">{self.body}</svg>'
        )

    @property
    def svg(self) -> bytes:
        """Return the picture as a file of its own, with paper and style."""
        size = f'width="{_n(WIDTH * _SHOWN)}" height="{_n(self.height * _SHOWN)}"'
        style = f'<style>{css()}</style><rect class="paper fill" width="100%" height="100%"/>'
        start, end = self.inline.split(">", 1)
        return f"{start} {size}>{style}{end}".encode()

    @property
    def uri(self) -> str:
        """Return the picture as a data URI, without tooltips: browsers show none in an image."""
        plain = _TOOLTIP.sub(b"", self.svg)
        return f"data:image/svg+xml;base64,{base64.b64encode(plain).decode()}"


def css() -> str:
    """Return the rules of the classes in pictures."""
    return f"svg{{font-family:system-ui,sans-serif}}text{{fill:currentColor}}{style_sheet()}{_RULES}"


class Drawing:
    """Collects the elements of a picture, from back to front."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def finish(self, name: str, title: str, alt: str, height: float) -> Picture:
        """Return the picture."""
        return Picture(name, title, alt, "".join(self._parts), height)

    def text(  # noqa: PLR0913  # a text has a place and a style
        self,
        x: float,
        y: float,
        text: str,
        style: str = "ink",
        *,
        anchor: str = "start",
        size: float = TEXT,
        more: str = "",
    ) -> None:
        """Write a text with its middle at a height.

        Args:
            x: Where `anchor` is: `start`, `middle` or `end` of the text.
            y: The middle of its line.
            text: May hold any character; see `printable`.
            style: CSS classes.
            anchor: Of the text.
            size: Of the font.
            more: Further attributes.
        """
        at = f'x="{_n(x)}" y="{_n(y + 0.35 * size)}" font-size="{_n(size)}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="{style}" {at}{more and " " + more}>{escape(text)}</text>')

    def rect(
        self,
        corner: tuple[float, float],
        size: tuple[float, float],
        style: str,
        tip: str = "",
        more: str = "",
    ) -> None:
        """Draw a filled rectangle; `tip` is its tooltip, `more` are further attributes."""
        (x, y), (width, height) = corner, size
        box = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
        self._add(f'<rect class="{style} fill" {box}{more and " " + more}', "rect", tip)

    def path(self, data: str, style: str, tip: str = "", more: str = "") -> None:
        """Draw a path; `more` are further attributes."""
        self._add(f'<path class="{style}" d="{data}"{more and " " + more}', "path", tip)

    def line(self, start: tuple[float, float], end: tuple[float, float], style: str, more: str = "") -> None:
        """Draw a straight line."""
        self.path(f"M{_n(start[0])} {_n(start[1])}L{_n(end[0])} {_n(end[1])}", f"{style} stroke", more=more)

    def marks(self, look: Look, places: Iterable[tuple[float, float, float]], tip: str = "") -> None:
        """Draw one mark for each place: x, y and radius, opaque with an edge of paper; dots have no edge."""
        if look.mark == DOT:
            self._dots(look, places, tip)
        else:
            data = "".join(mark_path(look.mark, *place) for place in places)
            self.path(data, f"{look.colour} edge", tip)

    def _dots(self, look: Look, places: Iterable[tuple[float, float, float]], tip: str) -> None:
        """Draw lines of no length with round ends, the shortest way to write a dot."""
        sizes: defaultdict[int, str] = defaultdict(str)
        for x, y, radius in places:
            sizes[round(2 * radius)] += f"M{_n(x)} {_n(y)}h0"
        for width, data in sorted(sizes.items(), reverse=True):
            more = f'stroke-width="{width}" stroke-linecap="round"'
            self.path(data, f"{look.colour} stroke", tip, more)

    def _add(self, start: str, tag: str, tip: str) -> None:
        self._parts.append(f"{start}><title>{escape(tip)}</title></{tag}>" if tip else f"{start}/>")


def mark_path(mark: str, x: float, y: float, radius: float) -> str:
    """Return the path of a mark; marks of one radius look equally large."""
    r = radius
    if mark in ("circle", DOT):
        return (
            f"M{_n(x - r)} {_n(y)}a{_n(r)} {_n(r)} 0 1 0 {_n(2 * r)} 0a{_n(r)} {_n(r)} 0 1 0 {_n(-2 * r)} 0z"
        )
    if mark == "square":
        s = 0.88 * r
        return f"M{_n(x - s)} {_n(y - s)}h{_n(2 * s)}v{_n(2 * s)}h{_n(-2 * s)}z"
    if mark == "plus":
        a, b = 0.42 * r, 0.75 * r
        arms = (2 * a, b, b, 2 * a, -b, b, -2 * a, -b, -b, -2 * a, b)
        steps = "".join(f"{'hv'[k % 2]}{_n(arm)}" for k, arm in enumerate(arms))
        return f"M{_n(x - a)} {_n(y - a - b)}{steps}z"
    if mark == "diamond":
        s = 1.2 * r
        return f"M{_n(x)} {_n(y - s)}l{_n(s)} {_n(s)}l{_n(-s)} {_n(s)}l{_n(-s)} {_n(-s)}z"
    up = -1 if mark == "triangle" else 1
    s = 1.1 * r
    return f"M{_n(x - s)} {_n(y - up * 0.8 * s)}h{_n(2 * s)}l{_n(-s)} {_n(up * 1.8 * s)}z"


def printable(text: str, longest: int = 28) -> str:
    """Return a text of visible characters: others become question marks, a long text loses its middle."""
    drawn = "".join(letter if letter.isprintable() or letter in _JOINERS else "?" for letter in text)
    if len(drawn) <= longest:
        return drawn
    tail = longest // 3
    return f"{drawn[: longest - tail - 1]}…{drawn[-tail:]}"


def text_width(text: str, size: float = TEXT) -> float:
    """Return about how wide a text is, in units."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (wide * _WIDE + (len(text) - wide) * _NARROW)


def _n(value: float) -> str:
    """Write a coordinate with one decimal, without zeros that say nothing."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "-0" if abs(value) >= 0.05 else "0")
