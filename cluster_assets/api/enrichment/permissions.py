"""Which servers the API may ask, and with which credentials: decided by its environment, not by a YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lambda_worker.serving.contract import ENRICH_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_worker.serving.contract import Source

HOSTS = "CLUSTER_API_ENRICH_HOSTS"


class NotPermittedError(Exception):
    """A source that the environment does not permit; the text says which variable to set."""


@dataclass(frozen=True)
class Permissions:
    """What the environment permits.

    Attributes:
        hosts: Hosts that may be asked, in lower case.
        variables: Values that sources may receive as headers, by name of the variable.
    """

    hosts: frozenset[str] = frozenset()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers_of(self, source: Source) -> dict[str, str]:
        """Return the headers of a request to a source.

        Raises:
            NotPermittedError: The host is not allowed, or a variable is not set.
        """
        host = urlsplit(source.url).hostname
        if host not in self.hosts:
            raise NotPermittedError(f"{source.name}: {host} is not in {HOSTS}")
        missing = sorted(set(source.headers.values()) - self.variables.keys())
        if missing:
            raise NotPermittedError(f"{source.name}: the environment lacks {', '.join(missing)}")
        return {header: self.variables[name] for header, name in source.headers.items()}


def read_permissions(environ: Mapping[str, str]) -> Permissions:
    """Read the hosts from `CLUSTER_API_ENRICH_HOSTS`, and the values of `CLUSTER_ENRICH_*`.

    >>> read_permissions({"CLUSTER_API_ENRICH_HOSTS": "a.example.com, b.example.com"}).hosts == {
    ...     "a.example.com", "b.example.com"
    ... }
    True
    """
    hosts = (one.strip().lower() for one in environ.get(HOSTS, "").split(","))
    variables = {name: value for name, value in environ.items() if value and name.startswith(ENRICH_PREFIX)}
    return Permissions(frozenset(host for host in hosts if host), variables)
