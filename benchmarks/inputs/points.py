"""Seeded inputs of the benchmarks, the shape of real days at any size."""

from __future__ import annotations

import numpy as np

EARTH_RADIUS_M = 6_371_008.8
ALPHABET = "etaoinshrdlucmfwypvbgkjqxz"


def blobs(count: int, dimensions: int) -> np.ndarray:
    """Gaussian blobs of 800 points and a fifth of noise at constant density; shape (count, dimensions)."""
    side = 12.0 * (count / 1000) ** (1 / dimensions)
    chance = np.random.default_rng([1, count, dimensions])
    inside = int(count * 0.8)
    return _gaussians(chance, (count, dimensions), inside, max(1, inside // 800), side)


def dense(count: int, dimensions: int = 2) -> np.ndarray:
    """Blobs of 50,000 points and a tenth of noise, with tens of millions of near pairs.

    The shape is (count, dimensions).
    """
    middles = max(1, count // 50_000)
    side = 14.0 * middles ** (1 / dimensions)
    chance = np.random.default_rng([9, count])
    return _gaussians(chance, (count, dimensions), int(count * 0.9), middles, side)


def _gaussians(
    chance: np.random.Generator, shape: tuple[int, int], inside: int, middles: int, side: float
) -> np.ndarray:
    """Points around middles, and the others anywhere in a cube; in random order."""
    count, dimensions = shape
    middle = chance.uniform(0, side, (middles, dimensions))
    near = middle[chance.integers(0, middles, inside)] + chance.normal(0, 1.0, (inside, dimensions))
    values = np.concatenate([near, chance.uniform(0, side, (count - inside, dimensions))])
    chance.shuffle(values, axis=0)
    return values


def places(count: int) -> np.ndarray:
    """Latitudes and longitudes around places of 500 and anywhere, poles and antimeridian included."""
    chance = np.random.default_rng([3, count])
    middles = max(4, count // 500)
    height, angle = chance.uniform(-1, 1, middles), chance.uniform(-np.pi, np.pi, middles)
    height[:3], angle[2] = (1, -1, 0), np.pi
    flat = np.sqrt(1 - height * height)
    middle = np.column_stack([flat * np.cos(angle), flat * np.sin(angle), height])
    inside = int(count * 0.8)
    near = middle[chance.integers(0, middles, inside)] + chance.normal(0, 2_000 / EARTH_RADIUS_M, (inside, 3))
    points = np.concatenate([near, chance.normal(0, 1, (count - inside, 3))])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return np.column_stack(
        [np.degrees(np.arcsin(points[:, 2])), np.degrees(np.arctan2(points[:, 1], points[:, 0]))]
    )


def sets(count: int) -> list[list[str]]:
    """Ten Zipf tokens on average; three in ten sets copy another one but for a tenth of its tokens."""
    chance = np.random.default_rng([11, count])
    shares = np.cumsum(1.0 / np.arange(1, 100_001))
    shares /= shares[-1]
    made: list[list[str]] = []
    own = int(count * 0.7)
    for index in range(count):
        if index < own:
            found = np.searchsorted(shares, chance.random(max(3, chance.poisson(10))))
            tokens = [str(token) for token in found]
        else:
            other = np.searchsorted(shares, chance.random(64))
            tokens = [
                str(other[place % 64]) if chance.random() < 0.1 else token
                for place, token in enumerate(made[chance.integers(0, own)])
            ]
        made.append(sorted(set(tokens)))
    return made


def texts(count: int) -> list[str]:
    """Names of 8 to 20 letters; three in ten are copies with one or two edits."""
    chance = np.random.default_rng([6, count])
    letters = np.array(list(ALPHABET))
    shares = 1 / np.arange(1, 27)
    own = int(count * 0.7)
    lengths = chance.integers(8, 21, own)
    made = ["".join(chance.choice(letters, size, p=shares / shares.sum())) for size in lengths]
    for source in chance.integers(0, own, count - own):
        text = list(made[source])
        for _ in range(chance.integers(1, 3)):
            place, letter = chance.integers(0, len(text)), str(letters[chance.integers(0, 26)])
            kind = chance.integers(0, 3)
            if kind == 0:
                text[place] = letter
            elif kind == 1:
                text.insert(place, letter)
            else:
                del text[place]
        made.append("".join(text))
    return made


def embeddings(count: int, dimensions: int = 64) -> np.ndarray:
    """Unit vectors: seven in ten around topics of 100, the others anywhere; shape (count, dimensions)."""
    chance = np.random.default_rng([4, count, dimensions])
    topics = chance.normal(0, 1, (max(2, count // 100), dimensions))
    topics /= np.linalg.norm(topics, axis=1, keepdims=True)
    inside = int(count * 0.7)
    around = topics[chance.integers(0, len(topics), inside)]
    around = around + chance.normal(0, 0.33 / np.sqrt(dimensions), (inside, dimensions))
    values = np.concatenate([around, chance.normal(0, 1, (count - inside, dimensions))])
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    chance.shuffle(values, axis=0)
    return values
