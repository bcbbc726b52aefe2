"""What an index says about itself: how items are prepared, compared and answered."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from lambda_worker.contract import InputError
from lambda_worker.contract.serving import Space

FORMAT = 2
"""Version of the files of an index."""

Rule = Literal["dbscan", "component", "nearest_centre", "condensed_tree", "nearest_member"]

RULES: dict[str, Rule] = {
    "dbscan": "dbscan",
    "connected_components": "component",
    "single_linkage": "component",
    "hdbscan": "condensed_tree",
}
"""The rule of each algorithm; `nearest_member` for all others."""

Structure = Literal["plane", "sphere", "dense", "sets", "texts", "mixed", "none"]


class Facts(Struct, frozen=True, kw_only=True):
    """The facts of an index.

    Attributes:
        pipeline: Name of the pipeline.
        day: The day.
        space: How items are compared.
        algorithm: Type and parameters, as in the pipeline's YAML.
        rule: The rule that decides.
        structure: The structure that finds near points; `none` for a day without points.
        points: Points of the day.
        dimensions: Numbers of a vector or an embedding; 0 for other kinds.
        centers: Value subtracted from each dimension; empty if the day is not scaled.
        spreads: Value that each difference is divided by; empty as `centers`.
        format: Version of the files.
    """

    pipeline: str
    day: str
    space: Space
    algorithm: dict[str, Any]
    rule: Rule
    structure: Structure
    points: int
    dimensions: int = 0
    centers: tuple[float, ...] = ()
    spreads: tuple[float, ...] = ()
    format: int = FORMAT


def read_facts(text: bytes) -> Facts:
    """Read the facts of an index.

    Raises:
        InputError: Another version of this code wrote the index.
    """
    try:
        facts = msgspec.json.decode(text, type=Facts)
    except msgspec.DecodeError as error:
        raise InputError(f"the index is not of format {FORMAT}: {error}; compute it again") from error
    if facts.format != FORMAT:
        raise InputError(f"the index is of format {facts.format}, not {FORMAT}; compute it again")
    return facts
