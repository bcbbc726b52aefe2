"""Environment variables that a pipeline's YAML may read; all others stay secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cluster_assets.domain.errors import SpecError

LIST = "CLUSTER_SOURCE_VARIABLES"
_PREFIX = "CLUSTER_SOURCE_"
_KNOWN = frozenset({
    "CLUSTER_HOME", "CLUSTER_REAL_DATA", "CLUSTER_TARGET", "CLUSTER_AWS_REGION", "CLUSTER_AWS_ENDPOINT_URL",
    "CLUSTER_AWS_BUCKET",
})  # fmt: skip


class SourceVariables(Mapping[str, str]):
    """Values of `${NAME}`: locations, `CLUSTER_SOURCE_…`, and the names in `CLUSTER_SOURCE_VARIABLES`.

    >>> variables = SourceVariables({"CLUSTER_HOME": "/home", "TOKEN": "x"})
    >>> variables["CLUSTER_HOME"], variables.get("CLUSTER_SOURCE_LAKE", "unset"), list(variables)
    ('/home', 'unset', ['CLUSTER_HOME'])

    Args:
        environment: All variables.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        listed = {name for name in re.split(r"[,\s]+", environment.get(LIST, "")) if name}
        self._listed = _KNOWN | listed
        self._values = {name: value for name, value in environment.items() if self._may_read(name)}

    def __getitem__(self, name: str) -> str:
        """Return the value of a variable.

        Raises:
            SpecError: A pipeline may not read this variable.
            KeyError: The variable is not set.
        """
        if not self._may_read(name):
            raise SpecError(
                f"a pipeline may not read the environment variable {name}",
                where=f"${{{name}}}",
                remedy=f"rename it to {_PREFIX}…, or add its name to {LIST}, separated by commas",
            )
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the variables that are set and may be read."""
        return iter(self._values)

    def __len__(self) -> int:
        """Number of variables that are set and may be read."""
        return len(self._values)

    def _may_read(self, name: str) -> bool:
        return name in self._listed or name.startswith(_PREFIX)
