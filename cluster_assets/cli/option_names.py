"""Errors of a pipeline for `cluster-assets new`, with its options in place of the keys of the YAML."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.spec.features import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

_KIND = "|".join(KINDS)
# Keys whose option has the name of their last part.
_KEYS = (
    *("description", "entity", "start_date", "end_date", "on_invalid"),
    *("raw.files", "raw.table", "raw.where", "raw.time_column", "raw.time_format", "raw.time_zone"),
    *("raw.partition_column", "raw.partition", "raw.fixed_day"),
    *(f"features.{kind}" for kind in KINDS),
    *("features.scale", "features.scale.reference_day"),
    *("distance.metric", "distance.threshold", "algorithm.min_samples"),
)
_OPTION_OF = {
    **{key: f"--{key.rpartition('.')[2].replace('_', '-')}" for key in _KEYS},
    "name": "NAME",
    "raw.columns": "--column",
    "raw.csv": "--csv",
    "algorithm.type": "--algorithm",
    "blocking.type": "--blocking",
}
# Keys with several options; the text names the option.
_SEVERAL = ("raw", "features", "distance", "attributes", "algorithm")
# Phrases of the pipeline checks that mention keys, and their versions that mention options.
_PHRASES: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"give distance: \{metric: …, threshold: …\}", "give --threshold"),
    (r"leave distance out", "leave out --threshold and --metric"),
    (r"reference_day needs a scale; write type: ", "--reference-day needs --scale: "),
    (
        r"^scale is for vectors; remove it or use vector ",
        "--scale is for vectors; remove it or use --vector ",
    ),
    (rf"(?<=instead of )({_KIND})\b", r"--\1"),
    (r"exactly one of files and table", "exactly one of --files and --table"),
    (
        rf"(?<=exactly one of )(?:{_KIND})(?:, (?:{_KIND}))*; found (?:{_KIND})?(?:, (?:{_KIND}))*",
        lambda found: re.sub(rf"\b({_KIND})\b", r"--\1", found[0]),
    ),
    (r"as params\.random_state", "as --option 'params={random_state: 0}'"),
    (r"^type must be", "--algorithm must be"),
    (r"under raw\.columns, such as \{(\w+: \w+)\}", lambda found: f"with --column {_assigned(found[1])}"),
    (r"under raw\.columns", "with --column NAME=TYPE"),
    (r"\braw\.columns: \{([^{}]+: [^{}]+)\}", lambda found: f"--column {_assigned(found[1])}"),
    (r"(?<=set --time-column )(.+?)(?= and --time-format|; or )", lambda found: _in_shell(found[1])),
    (r"\braw\.columns\b", "--column"),
    (r"\braw\.csv: \{(\w+): ([^}]*)\}", r"--csv \1=\2"),
    (r"\braw\.csv\.(\w+)", r"--csv \1"),
    (r"\braw\.csv takes\b", "--csv takes"),
    (r"unknown key", "unknown option"),
    (r"(?<=partition_column, )partition and fixed_day(?=;)", "--partition and --fixed-day"),
    (r"\bpartition: (?=sales_)", "--partition "),
    (r"\b(time|partition)_column\b", r"--\1-column"),
    (r"\btime_(format|zone)\b", r"--time-\1"),
    (r"\bfixed_day\b:?", "--fixed-day"),
    (r"\b(start|end)_date\b", r"--\1-date"),
    (r"on_invalid: exclude", "--on-invalid exclude"),
)


def _assigned(pair: str) -> str:
    """Return `name: type` as the value of an option."""
    return _in_shell(pair.replace(": ", "=", 1))


def _in_shell(text: str) -> str:
    """Return a text as a word of a shell."""
    if re.fullmatch(r"[\w=]+", text):
        return text
    return f'"{text}"' if '"' not in text else shlex.quote(text)


def describe_problem(key: str, text: str) -> str:
    """Describe what is wrong with an option.

    >>> describe_problem("features.vector.0", "x is not an aggregate")
    '--vector: x is not an aggregate'
    >>> describe_problem("algorithm.n_clusters", "is missing")
    '--option n_clusters=… is missing'
    >>> describe_problem("raw", "give exactly one of files and table")
    'give exactly one of --files and --table'
    """
    option = _option_of(key)
    said = with_options(text)
    if option is None or said.startswith(option):
        return said
    return f"{option} {said}" if text == "is missing" else f"{option}: {said}"


def with_options(text: str) -> str:
    """Replace the names of keys in a text by options."""
    for key in sorted(_OPTION_OF, key=len, reverse=True):
        if "." in key and key not in ("raw.columns", "raw.csv"):
            text = re.sub(rf"(?<![\w.]){re.escape(key)}(?![\w.]*\w):?", _OPTION_OF[key], text)
    for pattern, replacement in _PHRASES:
        text = re.sub(pattern, replacement, text)
    return text


def error_with_options(error: ClusterAssetsError) -> ClusterAssetsError:
    """Return the same error with options in place of keys."""
    where, remedy = (text and with_options(text) for text in (error.where, error.remedy))
    return ClusterAssetsError(with_options(error.what), where=where, remedy=remedy)


def _option_of(key: str) -> str | None:
    """Return the option of a key or of the mapping that holds it; None if several options make it up."""
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        above = ".".join(parts[:length])
        if above in _OPTION_OF:
            named = above in ("features.mixed", "raw.csv") and len(parts) > length
            return f"{_OPTION_OF[above]} {parts[length]}" if named else _OPTION_OF[above]
    if parts[0] == "algorithm" and parts[1:] not in ([], ["sklearn"]):
        return f"--option {parts[-1] if parts[1] == 'sklearn' else parts[1]}=…"
    return None if parts[0] in _SEVERAL else f"--{parts[0].replace('_', '-')}"
