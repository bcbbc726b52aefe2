"""Run the notebook of the lake and store its outputs: `python -m docs.make_notebook`.

A small runner instead of Jupyter, whose packages would double the environment of the tests.
"""

from __future__ import annotations

import ast
import io
import json
import os
import tempfile
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.sequence import stages_of

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).parent / "lake.ipynb"
DAYS = tuple(days_between(parse_day("2013-03-04"), parse_day("2013-03-06")))
_ENTITIES = 300


def publish_days() -> None:
    """Publish the days of the notebook in an empty CLUSTER_HOME, without their reports."""
    settings = load_settings()
    write_sample(SampleConfig(settings.lake_dir, DAYS[0], days=len(DAYS), entities=_ENTITIES))
    spec = load_pipeline_named("attackers", (PACKAGED_DEFS,))
    with open_backend(settings) as backend:
        ledger = Ledger(backend.store, backend.catalog, spec.name)
        for day in DAYS:
            for stage in (stage for stage in stages_of(spec) if stage.name != "report"):
                run_day(stage, DayJob(spec, backend, ledger, day))


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook with the outputs of its code cells, which run in order and share their names."""
    names: dict[str, Any] = {}
    cells = []
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        number += 1
        outputs = _outputs("".join(cell["source"]), names, number)
        cells.append(cell | {"execution_count": number, "outputs": outputs})
    return notebook | {"cells": cells}


def _outputs(source: str, names: dict[str, Any], number: int) -> list[dict[str, Any]]:
    """Run a cell; return what it prints, and the value of an expression at its end."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed):
        exec(compile(tree, f"cell {number}", "exec"), names)  # noqa: S102  # the cells are files of this folder
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"cell {number}", "eval"), names)  # noqa: S307
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        outputs.append({"name": "stdout", "output_type": "stream", "text": text})
    if value is not None:
        data = {"text/plain": str(value).splitlines(keepends=True)}
        result = {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}
        outputs.append(result)
    return outputs


@contextmanager
def _published_sample() -> Iterator[None]:
    names = ("CLUSTER_HOME", "CLUSTER_REAL_DATA", "CLUSTER_TARGET")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    with tempfile.TemporaryDirectory() as home:
        os.environ["CLUSTER_HOME"] = home
        try:
            publish_days()
            yield
        finally:
            del os.environ["CLUSTER_HOME"]
            os.environ.update(before)


def main() -> None:
    """Run the notebook on its sample and write it back."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    with _published_sample():
        body = executed(notebook)
    NOTEBOOK.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
