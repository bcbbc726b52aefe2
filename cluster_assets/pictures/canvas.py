"""Where pictures are drawn: one style, whatever this machine's own is, and PNG bytes without a date."""

from __future__ import annotations

import base64
import io
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import style as mpl_style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ticker import FixedFormatter, FixedLocator
from PIL import Image

from cluster_assets.pictures.palette import FAINT, GRID, INK, PAPER, every_colour

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

WIDTH = 6.4
"""Inches; a hundred CSS pixels each."""

MAX_BYTES = 15_500
LARGE_BYTES = 25_000
"""Of a PNG, and of the one with the most marks: three and one stay below 100 KB in base64, each day, in an
event log."""

# The UI shows pictures pixel by pixel: the first one makes them 800 wide.
_DPI = (125, 110, 95, 80)
_GROWTH = 1.6  # of bytes with dots per inch

_STYLE: dict[str, object] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a dollar in a name is a dollar
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.titley": 1.0,  # where it is anyway; looking for it measures all labels again
    "axes.labelsize": 8.5,
    "axes.labelcolor": FAINT,
    "axes.edgecolor": "#BDBDBD",
    "axes.linewidth": 0.8,
    "axes.facecolor": PAPER,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "xtick.major.size": 0.0,
    "ytick.major.size": 0.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "figure.facecolor": PAPER,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Attributes:
        name: `sizes`, for file names and anchors.
        title: What it shows, as a headline.
        alt: What it shows, for those who do not see it.
        png: Its bytes.
        width: CSS pixels.
        height: CSS pixels.
    """

    name: str
    title: str
    alt: str
    png: bytes
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The picture as an address of its own."""
        return data_uri(self.png)


def data_uri(png: bytes) -> str:
    """PNG bytes as an address of their own."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


@contextmanager
def style() -> Iterator[None]:
    """Draw as we do, whatever a matplotlibrc of this machine says."""
    with mpl_style.context(["default", _STYLE]):
        yield


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """A figure without pyplot, which keeps figures and a window system."""
    return Figure(figsize=(width, height), dpi=_DPI[0], layout="constrained")


def finish(figure: Figure, name: str, title: str, alt: str, *, most: int = MAX_BYTES) -> Picture:
    """The picture as PNG, as sharp as so many bytes allow."""
    width, height = figure.get_size_inches()
    _keep_ticks(figure)
    canvas = FigureCanvasAgg(figure)
    png, drawn = b"", _DPI[0]
    for dpi in _DPI:
        # About what a smaller one takes, from the last one's bytes: only those that may fit are drawn.
        if png and len(png) * (dpi / drawn) ** _GROWTH > most and dpi != _DPI[-1]:
            continue
        png, drawn = _png(canvas, dpi), dpi
        if len(png) <= most:
            break
        figure.set_layout_engine("none")  # places are shares of the figure, whatever the dots per inch
    return Picture(name, title, alt, png, round(width * 100), round(height * 100))


def plain_axes(axes: Axes, *, grid: str) -> None:
    """Only what carries numbers: grid lines across one axis, and the line they start from.

    Args:
        axes: Where.
        grid: `x` or `y`, the axis whose values the lines mark; `both` or an empty text.
    """
    if grid:
        axes.grid(visible=True, axis=grid)  # type: ignore[arg-type]  # typed as literals
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(side == {"x": "left", "y": "bottom"}.get(grid, side))


def printable(text: str, longest: int = 28) -> str:
    """A text the font can draw: other characters as question marks, a long one without its middle."""
    known = _known_characters()
    drawn = "".join(letter if ord(letter) in known and letter.isprintable() else "?" for letter in text)
    if len(drawn) <= longest:
        return drawn
    tail = longest // 3
    return f"{drawn[: longest - tail - 1]}…{drawn[-tail:]}"


@cache
def _known_characters() -> frozenset[int]:
    path = fontManager.findfont(FontProperties(family="DejaVu Sans"))
    return frozenset(get_font(path).get_charmap())


@cache
def _palette() -> Image.Image:
    image = Image.new("P", (1, 1))
    image.putpalette([part for colour in every_colour() for part in bytes.fromhex(colour[1:])])
    return image


def _keep_ticks(figure: Figure) -> None:
    """Find ticks and their labels once: the layout asks for them some thirty times."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        places = [float(place) for place in axis.get_majorticklocs()]
        found = axis.get_major_formatter()
        fixed = FixedFormatter(found.format_ticks(places))
        fixed.set_offset_string(found.get_offset())  # `1e6` at the end of the axis
        axis.set_major_locator(FixedLocator(places))
        axis.set_major_formatter(fixed)


def _png(canvas: FigureCanvasAgg, dpi: int) -> bytes:
    canvas.figure.set_dpi(dpi)
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
    # A palette takes a third of the bytes; one palette for all, so that an identity keeps its very colour.
    small = image.quantize(palette=_palette(), dither=Image.Dither.NONE)
    packed = io.BytesIO()
    small.save(packed, format="PNG", optimize=True)
    return packed.getvalue()
