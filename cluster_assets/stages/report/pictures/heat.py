"""Picture `tokens`: which values the entities of each cluster have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cluster_assets.stages.report.pictures.svg import SMALL, TEXT, WIDTH, Drawing, printable, text_width

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cluster_assets.stages.report.pictures.facts import ClusterFact, DayFacts, TokenShares
    from cluster_assets.stages.report.pictures.palette import Look
    from cluster_assets.stages.report.pictures.svg import Picture

CLUSTERS = 12
TOKENS = 16
_ROW = 19.0
_TOP = 44.0
_SLANT = 0.6  # of a name's width below the table, at 35 degrees
_DARK = 0.55


def draw_tokens(facts: DayFacts, shares: TokenShares, looks: Mapping[str, Look]) -> Picture:
    """Draw a heat map of tokens by clusters; stronger cells mean that more entities have the token."""
    clusters = facts.clusters[:CLUSTERS]
    tokens = choose_tokens(clusters, shares)
    drawing = Drawing()
    drawing.text(0, 10, "Share of a cluster's entities that have a value, %", "ink bold")
    names = [f"{printable(one.label, 24)} ({one.entities:,})" for one in clusters]
    labels = [printable(name, 24) for name in tokens]
    left = min(max((text_width(text) for text in labels), default=0.0) + 8, WIDTH / 2)
    if clusters:
        left = max(left, text_width(names[0], SMALL) * 0.82 - 10)
    column = (WIDTH - left) / max(len(clusters), 3)
    for row, (token, label) in enumerate(zip(tokens, labels, strict=True)):
        y = _TOP + _ROW * row
        drawing.text(left - 5, y + _ROW / 2, label, anchor="end")
        for place, one in enumerate(clusters):
            share = shares.shares.get((one.cluster, token), 0.0)
            if share:
                tip = f"{names[place]}: {share:.0%} have {printable(token, 80)}"
                _draw_cell(drawing, (left + column * place, y), column, share, tip)
    bottom = _TOP + _ROW * len(tokens)
    for place, one in enumerate(clusters):
        x = left + column * (place + 0.5)
        drawing.marks(looks[one.identity], [(x, _TOP - 10, 4.5), (x, bottom + 8, 4.5)])
        turn = f'transform="rotate(-35 {x:.1f} {bottom + 20:.1f})"'
        drawing.text(x + 3, bottom + 20, names[place], anchor="end", size=SMALL, more=turn)
    if not clusters:
        drawing.text(WIDTH / 2, _TOP, "no cluster on this day", "faint", anchor="middle")
    foot = max((text_width(name, SMALL) for name in names), default=TEXT) * _SLANT + 28
    return drawing.finish(
        "tokens", "What the clusters have in common", _alt(facts, clusters, shares), bottom + foot
    )


def _draw_cell(drawing: Drawing, corner: tuple[float, float], width: float, share: float, tip: str) -> None:
    x, y = corner
    more = f'fill-opacity="{max(share, 0.06):.2f}"'
    drawing.rect((x + 0.75, y + 0.75), (width - 1.5, _ROW - 1.5), "blue", tip, more)
    style = "paper" if share > _DARK else "ink"
    drawing.text(x + width / 2, y + _ROW / 2, f"{share:.0%}".rstrip("%"), style, anchor="middle", size=SMALL)


def choose_tokens(clusters: tuple[ClusterFact, ...], shares: TokenShares) -> tuple[str, ...]:
    """Return the commonest tokens of each cluster, round after round until there are enough."""
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


def _alt(facts: DayFacts, clusters: tuple[ClusterFact, ...], shares: TokenShares) -> str:
    said = []
    for one in clusters:
        found = sorted(_of(one, shares), key=lambda pair: (-pair[0], pair[1]))[:2]
        values = " and ".join(f"{printable(name)} ({share:.0%})" for share, name in found)
        said.append(f"{printable(one.label)}: {values or 'nothing in common'}")
    return f"Heat map of {facts.title}, commonest values by cluster. {'; '.join(said) or 'No cluster'}."
