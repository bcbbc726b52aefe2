"""Near pairs of sets and texts."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.peers.taking import take

if TYPE_CHECKING:
    from benchmarks.measure.readings import Outcome

Pairs = tuple[np.ndarray, np.ndarray]


def sparse_product(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: list[list[str]], jaccard: float) -> Pairs:
        from scipy.sparse import csr_matrix

        numbers: dict[str, int] = {}
        tokens = np.array([numbers.setdefault(token, len(numbers)) for held in values for token in held])
        sizes = np.array([len(held) for held in values])
        table = csr_matrix((np.ones(len(tokens), np.int32), tokens, np.r_[0, np.cumsum(sizes)]))
        left, right = [], []
        for start in range(0, len(values), 500):
            common = (table[start : start + 500] @ table.T).tocoo()
            rows = common.row + start
            both = sizes[rows] + sizes[common.col]
            near = ((both - 2 * common.data) / (both - common.data) <= jaccard) & (rows < common.col)
            left.append(rows[near])
            right.append(common.col[near])
        return np.concatenate(left), np.concatenate(right)

    return take(call, path, columns, threshold)


def set_similarity_search(path: str, columns: list[str], threshold: float) -> Outcome:
    def call(values: list[list[str]], jaccard: float) -> Pairs:
        from SetSimilaritySearch import all_pairs

        # Its threshold is a similarity, compared in floating point: a hair below, then the exact test.
        pairs = [
            (a, b)
            for a, b, similarity in all_pairs(values, "jaccard", 1 - jaccard - 1e-9)
            if 1 - similarity <= jaccard + 1e-12
        ]
        return _columns(pairs)

    return take(call, path, columns, threshold)


def minhash(path: str, columns: list[str], threshold: float) -> Outcome:
    """Hashing with 128 permutations, which misses pairs, and the exact test."""

    def call(values: list[list[str]], jaccard: float) -> Pairs:
        from datasketch import MinHash, MinHashLSH

        hashes = MinHash.bulk([[token.encode() for token in held] for held in values], num_perm=128)
        index = MinHashLSH(threshold=1 - jaccard, num_perm=128)
        near = set()
        held = [frozenset(tokens) for tokens in values]
        for number, one in enumerate(hashes):
            for other in index.query(one):
                union = len(held[number] | held[other])
                if (union - len(held[number] & held[other])) / union <= jaccard:
                    near.add((other, number))
            index.insert(number, one)
        return _columns(sorted(near))

    return take(call, path, columns, threshold)


def splink(path: str, columns: list[str], threshold: float) -> Outcome:
    """Its nearest equivalent of a set join: blocking on exploded arrays, then the exact test."""

    def call(values: list[list[str]], jaccard: float) -> Pairs:
        import duckdb
        import splink.comparison_library as comparisons
        from splink import DuckDBAPI, Linker, SettingsCreator, block_on

        connection = duckdb.connect()
        connection.execute("SET threads=2")
        connection.execute("CREATE TABLE given (unique_id BIGINT, tokens VARCHAR[])")
        connection.executemany("INSERT INTO given VALUES (?, ?)", list(enumerate(values)))
        api = DuckDBAPI(connection)
        settings = SettingsCreator(
            link_type="dedupe_only",
            comparisons=[comparisons.ArrayIntersectAtSizes("tokens", [1])],
            blocking_rules_to_generate_predictions=[block_on("tokens", arrays_to_explode=["tokens"])],
        )
        linked = Linker(api.register("given"), settings).inference.deterministic_link()
        found = connection.execute(
            "SELECT unique_id_l, unique_id_r FROM (SELECT *, len(list_intersect(tokens_l, tokens_r)) AS o, "
            f"len(tokens_l) + len(tokens_r) AS s FROM {linked.physical_name}) "
            f"WHERE (s - 2 * o) / (s - o) <= {jaccard}"
        ).fetchnumpy()
        return found["unique_id_l"], found["unique_id_r"]

    return take(call, path, columns, threshold)


def rapidfuzz(path: str, columns: list[str], threshold: float) -> Outcome:
    """All pairs, with a cutoff."""

    def call(values: list[str], edits: float) -> Pairs:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist

        left, right = [], []
        for start in range(0, len(values), 1000):
            between = cdist(
                values[start : start + 1000], values[start:], scorer=Levenshtein.distance,
                score_cutoff=int(edits), workers=2, dtype=np.uint8,
            )  # fmt: skip
            a, b = np.nonzero(between <= edits)
            once = a < b
            left.append(a[once] + start)
            right.append(b[once] + start)
        return np.concatenate(left), np.concatenate(right)

    return take(call, path, columns, threshold)


def symmetric_deletion(path: str, columns: list[str], threshold: float) -> Outcome:
    """Texts that share a text after deletions (the idea of SymSpell), checked by rapidfuzz."""

    def call(values: list[str], edits: float) -> Pairs:
        from rapidfuzz.distance import Levenshtein

        most = int(edits)
        holders: defaultdict[str, list[int]] = defaultdict(list)
        for number, text in enumerate(values):
            for shorter in _shorter(text, most):
                holders[shorter].append(number)
        maybe = {pair for numbers in holders.values() for pair in combinations(numbers, 2)}
        return _columns(
            [
                (a, b)
                for a, b in maybe
                if Levenshtein.distance(values[a], values[b], score_cutoff=most) <= most
            ]
        )

    return take(call, path, columns, threshold)


def _shorter(text: str, most: int) -> set[str]:
    """Return a text and all texts that up to `most` deletions make of it."""
    found = {text}
    last = found
    for _ in range(most):
        last = {one[:place] + one[place + 1 :] for one in last for place in range(len(one))}
        found = found | last
    return found


def duckdb_levenshtein(path: str, columns: list[str], threshold: float) -> Outcome:
    """All pairs in SQL, by DuckDB's own function."""

    def call(values: list[str], edits: float) -> Pairs:
        import duckdb

        with duckdb.connect() as connection:
            connection.execute("SET threads=2")
            connection.execute(
                "CREATE TABLE given AS SELECT unnest(?) AS t, unnest(range(?)) AS n", [values, len(values)]
            )
            found = connection.execute(
                "SELECT a.n AS a, b.n AS b FROM given a JOIN given b ON a.n < b.n "
                f"AND abs(len(a.t) - len(b.t)) <= {edits} AND levenshtein(a.t, b.t) <= {edits}"
            ).fetchnumpy()
        return found["a"], found["b"]

    return take(call, path, columns, threshold)


def _columns(pairs: list[tuple[int, int]]) -> Pairs:
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
