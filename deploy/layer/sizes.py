"""The sizes of what was built, as a table, and the gate before Lambda's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deploy.layer.errors import LayerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MIB = 1 << 20
# Lambda quota "Deployment package (.zip file archive) size": unzipped, function and layers together.
LIMIT = 250 * MIB
GOAL = 180 * MIB


@dataclass(frozen=True, slots=True)
class PackageSize:
    """Bytes of one package: as its wheel installs it, and as it is shipped."""

    name: str
    version: str
    installed: int
    shipped: int


def total(files: Mapping[str, bytes]) -> int:
    """Bytes of files, unzipped."""
    return sum(len(content) for content in files.values())


def size_table(title: str, rows: Sequence[PackageSize]) -> str:
    """The packages, largest first, and their sum, in MiB."""
    lines = [f"{title:<22}{'version':<10}{'installed':>11}{'shipped':>10}   MiB unzipped"]
    for row in sorted(rows, key=lambda row: -row.shipped):
        installed, shipped = row.installed / MIB, row.shipped / MIB
        lines.append(f"  {row.name:<20}{row.version:<10}{installed:>11.1f}{shipped:>10.1f}")
    installed, shipped = sum(row.installed for row in rows) / MIB, sum(row.shipped for row in rows) / MIB
    lines.append(f"  {'total':<30}{installed:>11.1f}{shipped:>10.1f}")
    return "\n".join(lines)


def check_size(layer: int, function: int, name: str) -> str:
    """Check the unzipped bytes of a layer and the function together, and say how they stand to the goal.

    Raises:
        LayerError: They are more than Lambda takes.
    """
    size = layer + function
    if size > LIMIT:
        raise LayerError(
            f"{size / MIB:.1f} MiB unzipped, function and layer together; "
            f"Lambda takes at most {LIMIT // MIB} MiB",
            where=name,
            remedy="leave out more (deploy/layer/contents.py) or ship a container image",
        )
    verdict = "met" if size <= GOAL else "missed"
    return f"{name}: {size / MIB:.1f} MiB unzipped of {LIMIT // MIB}; goal {GOAL // MIB}: {verdict}"
