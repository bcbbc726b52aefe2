"""Picture `tokens`: which values the entities of each cluster show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from cluster_assets.pictures.canvas import LARGE_BYTES, finish, new_figure, printable, style
from cluster_assets.pictures.palette import FAINT, INK, PAPER, RAMP, look_of

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes

    from cluster_assets.pictures.canvas import Picture
    from cluster_assets.pictures.facts import ClusterFact, DayFacts, TokenShares

CLUSTERS = 12
TOKENS = 16
_DARK = 0.5


def draw_tokens(facts: DayFacts, shares: TokenShares) -> Picture:
    """A heat map: a row a token, a column a cluster, the darker the more of its entities show it."""
    clusters = facts.clusters[:CLUSTERS]
    tokens = choose_tokens(clusters, shares)
    with style():
        figure = new_figure(1.9 + 0.25 * max(len(tokens), 2))
        axes = figure.add_subplot()
        if tokens:
            table = np.array(
                [[shares.shares.get((one.cluster, name), 0.0) for one in clusters] for name in tokens]
            )
            _draw(axes, table, tokens, clusters)
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "no cluster on this day", ha="center", va="center", color=FAINT, fontsize=11)
        axes.set_title("Share of a cluster's entities that show a value, %")
        return finish(
            figure, "tokens", "What the clusters show", _alt(facts, clusters, shares), most=LARGE_BYTES
        )


def choose_tokens(clusters: tuple[ClusterFact, ...], shares: TokenShares) -> tuple[str, ...]:
    """The commonest tokens of each cluster, round after round until there are enough; grouped by cluster."""
    ranked = {
        one.cluster: [name for _, name in sorted(_of(one, shares), key=lambda pair: (-pair[0], pair[1]))]
        for one in clusters
    }
    chosen: dict[str, int] = {}
    for rank in range(TOKENS):
        for place, one in enumerate(clusters):
            names = ranked[one.cluster]
            if rank < len(names) and names[rank] not in chosen and len(chosen) < TOKENS:
                chosen[names[rank]] = place
    return tuple(sorted(chosen, key=lambda name: chosen[name]))


def _of(one: ClusterFact, shares: TokenShares) -> list[tuple[float, str]]:
    return [(share, name) for (cluster, name), share in shares.shares.items() if cluster == one.cluster]


def _draw(
    axes: Axes, table: npt.NDArray[np.float64], tokens: tuple[str, ...], clusters: tuple[ClusterFact, ...]
) -> None:
    ramp = LinearSegmentedColormap.from_list("ramp", RAMP)
    axes.imshow(table, cmap=ramp, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    for row, column in zip(*np.nonzero(table), strict=True):
        share = table[row, column]
        colour = PAPER if share > _DARK else INK
        axes.text(
            column, row, f"{share:.0%}".rstrip("%"), ha="center", va="center", color=colour, fontsize=7.5
        )
    axes.set_yticks(range(len(tokens)), [printable(name) for name in tokens])
    names = [f"{printable(one.identity, 20)} ({one.entities:,})" for one in clusters]
    axes.set_xticks(
        range(len(clusters)), names, fontsize=7.5, rotation=35, ha="right", rotation_mode="anchor"
    )
    axes.tick_params(colors=INK)
    for place, one in enumerate(clusters):
        corner = (place - 0.44, len(tokens) - 0.44)
        strip = Rectangle(corner, 0.88, 0.16, facecolor=look_of(one.identity).colour, linewidth=0)
        strip.set_clip_on(False)
        axes.add_patch(strip)
    axes.tick_params(axis="x", pad=9)
    axes.set_xlabel("cluster (entities)")
    axes.set_xticks(np.arange(len(clusters) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(tokens) + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color=PAPER, linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)


def _alt(facts: DayFacts, clusters: tuple[ClusterFact, ...], shares: TokenShares) -> str:
    said = []
    for one in clusters:
        found = sorted(_of(one, shares), key=lambda pair: (-pair[0], pair[1]))[:2]
        values = " and ".join(f"{printable(name)} ({share:.0%})" for share, name in found)
        said.append(f"{printable(one.identity)}: {values or 'nothing in common'}")
    return f"Heat map of {facts.title}, commonest values by cluster. {'; '.join(said) or 'No cluster'}."
