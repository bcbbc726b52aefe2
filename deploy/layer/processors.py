"""The two processors of Lambda, with their names in AWS, Linux and wheel tags."""

from __future__ import annotations

from dataclasses import dataclass

# Runtimes from python3.12 on run Amazon Linux 2023, whose glibc is 2.34.
_NEWEST_GLIBC_MINOR = 34
_OLDEST_GLIBC_MINOR = 17  # manylinux2014, the oldest tag of current wheels


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor.

    Attributes:
        name: Its name in Lambda.
        machine: Its name in Linux and in wheel tags.
    """

    name: str
    machine: str

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags of the wheels it runs, newest first.

        They name every glibc from 2.17 on: pip compares tags literally, and with gaps it silently picks an
        older release.
        """
        minors = range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        return *(f"manylinux_2_{minor}_{self.machine}" for minor in minors), f"manylinux2014_{self.machine}"


X86_64 = Processor("x86_64", "x86_64")
ARM64 = Processor("arm64", "aarch64")
PROCESSORS = {processor.name: processor for processor in (X86_64, ARM64)}
