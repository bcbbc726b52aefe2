"""Short names of clusters, made of the phrases that distinguish them.

A name is chosen on the first day of a stable id and kept as long as it is true. It is unique among the names
of a day and those that the days before remember.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from cluster_assets.stages.profiles.phrases import (
    Fact,
    Phrase,
    is_still_true,
    medoid_phrase,
    phrases_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PARTS, _MOST_PARTS = 2, 4
_WEAKEST = 0.3  # strength of a phrase after the first one
_SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Subject:
    """A cluster that needs a name.

    Attributes:
        cluster: Its number within the day.
        stable_id: Its identity.
        medoid: The entity in its middle.
        facts: What distinguishes it.
        earlier: Its name on an earlier day; empty if it had none.
        basis: The phrases of that name, as JSON.
        has_medoid: Whether no other cluster has the entity that was the medoid when the name was chosen.
    """

    cluster: int
    stable_id: str
    medoid: str
    facts: tuple[Fact, ...]
    earlier: str = ""
    basis: str = "[]"
    has_medoid: bool = True


@dataclass(frozen=True, slots=True)
class Name:
    """The name of a cluster.

    Attributes:
        text: The name.
        basis: Its phrases, as JSON.
        is_kept: Whether it is that of an earlier day.
    """

    text: str
    basis: str
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """The names that a cluster can have.

    Attributes:
        kept: The name of an earlier day; None if it is no longer true.
        names: New names, the preferred one first; all are true.
    """

    cluster: int
    stable_id: str
    kept: Name | None
    names: tuple[Name, ...]


def options_for(subject: Subject) -> Options:
    """Return the names that a cluster can have, without regard to other clusters."""
    phrases = read_basis(subject.basis)
    if subject.earlier and all(
        is_still_true(phrase, subject.facts, has_medoid=subject.has_medoid) for phrase in phrases
    ):
        kept = Name(subject.earlier, subject.basis, is_kept=True)
        return Options(subject.cluster, subject.stable_id, kept, ())
    return Options(subject.cluster, subject.stable_id, None, _new_names(subject))


def choose_names(clusters: Iterable[Options], remembered: Iterable[str] = ()) -> dict[int, Name]:
    """Return a unique name for each cluster of a day.

    Args:
        clusters: The clusters of the day.
        remembered: Names of clusters that do not exist on the day but may reappear.
    """
    by_age = sorted(clusters, key=lambda one: one.stable_id)
    chosen = {one.cluster: one.kept for one in by_age if one.kept is not None}
    taken = {name.text for name in chosen.values()} | set(remembered)
    for one in by_age:
        if one.kept is None:
            name = next((name for name in one.names if name.text not in taken), None)
            chosen[one.cluster] = name or _numbered(one.names[0], taken)
            taken.add(chosen[one.cluster].text)
    return chosen


def write_basis(phrases: Sequence[Phrase]) -> str:
    """Serialize the phrases of a name as JSON in ASCII."""
    return json.dumps([[one.kind, one.feature, one.value, one.numbers, one.text] for one in phrases])


def read_basis(basis: str) -> tuple[Phrase, ...]:
    """Parse the output of `write_basis`."""
    return tuple(
        Phrase(kind, feature, value, tuple(numbers), text, text)
        for kind, feature, value, numbers, text in json.loads(basis)
    )


def _new_names(subject: Subject) -> tuple[Name, ...]:
    """Return names of more and more phrases, then those with numbers."""
    phrases = phrases_of(subject.facts)
    if not phrases:
        return (_name([medoid_phrase(subject.medoid)]),)
    strong = [phrases[0], *(phrase for phrase in phrases[1:_MOST_PARTS] if phrase.strength >= _WEAKEST)]
    parts = [strong[:number] for number in range(_PARTS, max(len(strong), _PARTS) + 1)]
    exact = ([phrase.as_exact for phrase in one] for one in parts)
    return tuple(_name(one) for one in (*parts, *exact))


def _name(phrases: Sequence[Phrase]) -> Name:
    return Name(_SEPARATOR.join(phrase.text for phrase in phrases), write_basis(phrases))


def _numbered(name: Name, taken: set[str]) -> Name:
    """Return a name with the first free number from 2 on."""
    text = next(text for k in count(2) if (text := f"{name.text} ({k})") not in taken)
    return Name(text, name.basis)
