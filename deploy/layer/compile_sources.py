"""Compiles an archive of sources; run by the interpreter of Lambda's version, standard library only.

    python compile_sources.py sources.zip bytecode.zip PREFIX [--checked] [--docstrings]

Each `a/b.py` becomes an entry of the same name whose content is its .pyc, so that the caller names the files.
PREFIX is where the sources will live on Lambda: it stands in tracebacks. Hash-based .pyc files hold no
times (PEP 552): unchecked ones are taken as they are, checked ones are compared with their source.
"""

from __future__ import annotations

import ast
import importlib.util
import marshal
import struct
import sys
import warnings
import zipfile

HASHED, CHECKED = 0b01, 0b10
# Fixed, so that equal bytecode gives an equal archive.
EPOCH = (1980, 1, 1, 0, 0, 0)


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Drop every docstring, and only those: assertions stay, as they would not with `python -OO`."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        first = node.body[0] if node.body else None
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            # A body must not be empty, but nothing may stand before `from __future__ import`.
            node.body[:1] = [] if len(node.body) > 1 else [ast.copy_location(ast.Pass(), first)]
    return tree


def compiled(source: bytes, filename: str, flags: int, docstrings: bool) -> bytes:
    """The .pyc of one source."""
    tree = ast.parse(source, filename)
    code = compile(tree if docstrings else without_docstrings(tree), filename, "exec", dont_inherit=True)
    header = importlib.util.MAGIC_NUMBER + struct.pack("<I", flags) + importlib.util.source_hash(source)
    return header + marshal.dumps(code)


def main(sources: str, target: str, prefix: str, *options: str) -> None:
    """Compile every entry of one archive into another."""
    warnings.simplefilter("ignore")  # of other people's escape sequences
    flags = HASHED | (CHECKED if "--checked" in options else 0)
    with zipfile.ZipFile(sources) as read, zipfile.ZipFile(target, "w") as write:
        for name in sorted(read.namelist()):
            pyc = compiled(read.read(name), prefix + name, flags, "--docstrings" in options)
            write.writestr(zipfile.ZipInfo(name, EPOCH), pyc)


if __name__ == "__main__":
    main(*sys.argv[1:])
