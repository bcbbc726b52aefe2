"""The product runs no code out of data: no pickle, no eval, no unsafe loader."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}
CALLS = {"eval", "exec", "compile", "read_pickle", "to_pickle", "unsafe_load", "full_load"}


def findings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names.append((node.module or "") if isinstance(node, ast.ImportFrom) else "")
            yield from (f"line {node.lineno}: imports {name}" for name in names if name in MODULES)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            of_re = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "re"
            if name in CALLS and not of_re:
                yield f"line {node.lineno}: calls {name}"
            if name == "load" and isinstance(node.func, ast.Attribute):
                module = getattr(node.func.value, "id", "")
                if module == "yaml":
                    yield f"line {node.lineno}: yaml.load instead of safe_load"
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle" and getattr(keyword.value, "value", None) is not False:
                    yield f"line {node.lineno}: allow_pickle"


def test_the_product_unpickles_nothing() -> None:
    files = [
        path for name in ("cluster_assets", "lambda_worker", "deploy") for path in (ROOT / name).rglob("*.py")
    ]
    assert len(files) > 400
    found = [f"{path}: {one}" for path in files for one in findings(ast.parse(path.read_text()))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "eval('1')",
        "import numpy as np\nnp.load(p, allow_pickle=True)",
        "yaml.load(text)",
        "pandas.read_pickle(p)",
    ],
)
def test_it_would_find_one(text: str) -> None:
    assert list(findings(ast.parse(text)))
