"""Puts the steps together: wheels to a layer, sources to a function."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from deploy.layer.archive import contents_digest, is_shared_object, write_archive
from deploy.layer.bytecode import add_bytecode, replace_sources
from deploy.layer.contents import leave_out, read_wheel
from deploy.layer.elf import is_elf, read_shared_object
from deploy.layer.elf_trim import trim
from deploy.layer.errors import LayerError
from deploy.layer.sizes import PackageSize, total

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from deploy.layer.processors import Processor
    from deploy.layer.wheels import Wheel

# Lambda unpacks a layer to /opt and puts /opt/python on the import path; a function goes to /var/task.
LAYER_FOLDER = "python/"
LAYER_PREFIX = "/opt/python/"
FUNCTION_PREFIX = "/var/task/"
# What a manylinux wheel may expect of any Linux (PEP 600); the rest must be in the layer.
_SYSTEM_LIBRARIES = {
    *("libc.so.6", "libm.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libz.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}
# Docstrings are a tenth of the bytecode of a scientific package; numpy.ma reads and checks those of numpy.
_WITH_DOCSTRINGS = {"numpy"}


@dataclass(frozen=True, slots=True)
class Built:
    """An archive that was built.

    Attributes:
        path: The zip.
        files: Its contents.
        packages: Sizes of its packages, empty for the function.
        sources: File name and SHA-256 of the wheels it was made of.
    """

    path: Path
    files: dict[str, bytes]
    packages: tuple[PackageSize, ...] = ()
    sources: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Its part of the manifest."""
        described: dict[str, Any] = {
            "file": self.path.name,
            "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest(),
            "contents_sha256": contents_digest(self.files),
            "bytes": self.path.stat().st_size,
            "unzipped_bytes": total(self.files),
            "files": len(self.files),
        }
        hashes = dict(self.sources)
        if self.packages:
            described["packages"] = [
                {"name": size.name, "version": size.version, "unzipped_bytes": size.shipped}
                for size in self.packages
            ]
        return described | ({"wheels": hashes} if hashes else {})


def build_layer(wheels: Iterable[Wheel], processor: Processor, interpreter: Path, path: Path) -> Built:
    """Build the layer of one processor.

    Args:
        wheels: Its wheels.
        processor: The processor.
        interpreter: Of Lambda's version.
        path: The zip to write.

    Raises:
        LayerError: Two wheels hold the same file, a shared object is broken or lacks a library, or a
            source does not compile.
    """
    files: dict[str, bytes] = {}
    sizes, sources = [], []
    for wheel in wheels:
        installed = read_wheel(wheel.path)
        shipped = trim_shared_objects(leave_out(installed), processor)
        docstrings = wheel.package.name in _WITH_DOCSTRINGS
        shipped = replace_sources(shipped, interpreter, LAYER_PREFIX, docstrings)
        twice = sorted(files.keys() & shipped.keys())
        if twice:
            raise LayerError(f"two wheels hold {twice[0]}", where=wheel.path.name)
        files |= shipped
        name, version = wheel.package.name, wheel.package.version
        sizes.append(PackageSize(name, version, total(installed), total(shipped)))
        sources.append((wheel.path.name, wheel.sha256))
    check_libraries(files, processor)
    files = {LAYER_FOLDER + name: content for name, content in files.items()}
    write_archive(path, files)
    return Built(path, files, tuple(sizes), tuple(sources))


def build_function(
    package: Path, interpreter: Path, python: str, path: Path, shared: Mapping[str, bytes] | None = None
) -> Built:
    """Build the function: one package's sources and their bytecode.

    Args:
        package: Folder of the package.
        interpreter: Of Lambda's version.
        python: That version, such as `3.13`.
        path: The zip to write.
        shared: Further files by path, such as shared libraries.

    Raises:
        LayerError: There is no source, or one does not compile.
    """
    sources = {str(file.relative_to(package.parent)): file.read_bytes() for file in package.rglob("*.py")}
    if not sources:
        raise LayerError("there is no source to ship", where=str(package))
    files = {**add_bytecode(sources, interpreter, FUNCTION_PREFIX, python), **(shared or {})}
    write_archive(path, files)
    return Built(path, files)


def trim_shared_objects(files: Mapping[str, bytes], processor: Processor) -> dict[str, bytes]:
    """The files, each shared object checked and without symbols and debug data.

    Raises:
        ElfError: One is broken or of another processor.
    """
    return {
        path: trim(content, path, processor.elf_machine)
        if is_shared_object(path) or is_elf(content)
        else content
        for path, content in files.items()
    }


def check_libraries(files: Mapping[str, bytes], processor: Processor) -> None:
    """Check that each library a shared object is linked to is in the layer or in every Linux.

    Raises:
        LayerError: One is in neither, so an import would fail.
    """
    present = {PurePosixPath(path).name for path in files} | _SYSTEM_LIBRARIES
    for path, content in files.items():
        if is_elf(content):
            needed = read_shared_object(content, path, processor.elf_machine).needed
            absent = sorted(set(needed) - present)
            if absent:
                raise LayerError(f"nothing brings {', '.join(absent)}", where=path)
