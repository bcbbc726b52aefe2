"""Examples of docstrings, of the page and of the notebook run on published days."""

from __future__ import annotations

import doctest
import json
import re
from typing import TYPE_CHECKING

from cluster_assets.cli import sql_shell
from cluster_assets.lake import lake
from docs import make_notebook

if TYPE_CHECKING:
    from pathlib import Path

PAGE = make_notebook.NOTEBOOK.with_name("python.md")


def test_examples_of_docstrings(real_lake: Path) -> None:
    for module, examples in ((lake, 11), (sql_shell, 1)):
        found = doctest.testmod(module)
        assert (found.attempted, found.failed) == (examples, 0)


def test_python_on_the_page_runs(real_lake: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)  # noqa: S102  # a page of the project
    assert names["week"].days == tuple(day.key for day in make_notebook.DAYS)
    done = names["dg"].materialize(
        names["defs"].assets,
        resources={**names["defs"].resources, "io_manager": names["dg"].mem_io_manager},
        partition_key="2013-03-05",
    )
    assert (
        done.output_for_node("cluster_sizes")["size"].sum()
        == names["lake"].read("attackers", "clusters", "2013-03-05").rows
    )


def test_the_notebook_shows_what_its_cells_give(real_lake: Path) -> None:
    notebook = json.loads(make_notebook.NOTEBOOK.read_text(encoding="utf-8"))
    executed = make_notebook.executed(notebook)
    assert sum(bool(cell.get("outputs")) for cell in executed["cells"]) == 6
    assert executed == notebook, "run `python -m docs.make_notebook`"
