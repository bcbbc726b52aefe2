"""No module imports itself through others, imports for type annotations included."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def refuse_circles(graph: grimp.ImportGraph) -> None:
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    TopologicalSorter(imports).prepare()


def test_no_import_circle() -> None:
    graph = grimp.build_graph("cluster_assets", "lambda_worker", "deploy", cache_dir=None)
    assert len(graph.modules) > 400
    refuse_circles(graph)
    graph.add_import(importer="cluster_assets.domain.tables", imported="cluster_assets.stages.sequence")
    with pytest.raises(CycleError):
        refuse_circles(graph)
