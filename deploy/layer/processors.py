"""The two processors Lambda offers, and what pip, ELF and AWS call them."""

from __future__ import annotations

from dataclasses import dataclass

# Runtimes from python3.12 on run Amazon Linux 2023, whose glibc is 2.34.
_NEWEST_GLIBC_MINOR = 34
_OLDEST_GLIBC_MINOR = 17  # manylinux2014, the oldest tag that wheels of today carry


@dataclass(frozen=True, slots=True)
class Processor:
    """One processor.

    Attributes:
        name: What Lambda calls it.
        machine: What Linux and wheel tags call it.
        elf_machine: `e_machine` of its shared objects.
    """

    name: str
    machine: str
    elf_machine: int

    @property
    def platforms(self) -> tuple[str, ...]:
        """Platform tags of the wheels it runs, newest first.

        Every glibc from 2.17 on is named: pip takes a tag literally, and with some left out it silently
        picks an older release.
        """
        minors = range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        return *(f"manylinux_2_{minor}_{self.machine}" for minor in minors), f"manylinux2014_{self.machine}"

    def marker_environment(self, python: str) -> dict[str, str]:
        """Values of the environment markers on Lambda, for a Python version such as `3.13`."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{python}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
            "extra": "",
        }


X86_64 = Processor("x86_64", "x86_64", 62)
ARM64 = Processor("arm64", "aarch64", 183)
PROCESSORS = {processor.name: processor for processor in (X86_64, ARM64)}
