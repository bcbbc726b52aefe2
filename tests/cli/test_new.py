"""`cluster-assets new`: what cannot run is refused before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest
from click.testing import CliRunner

from cluster_assets.cli.new import new
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.pipeline_files import load_pipeline

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.parquet"
    row = "SELECT TIMESTAMP '2026-01-02 03:04:05' AS t, 'e' AS id, 1.5::DOUBLE AS x, 'word' AS word"
    duckdb.execute(f"COPY ({row}) TO '{path}' (FORMAT parquet)")
    return path


def call(source: Path, **changed: str) -> None:
    given = {"files": str(source), "time-column": "t", "entity": "id", "vector": "avg(x)", "threshold": "1"}
    options = [text for name, value in (given | changed).items() for text in (f"--{name}", value)]
    CliRunner().invoke(new, ["mine", *options], standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("vector", "avg(x),", "--vector"),
        ("vector", "avg('x", "--vector"),
        ("vector", "avg(word)", "word"),
        ("vector", "max(sqrt(t))", "sqrt"),
        ("vector", "max(word)", "word"),
        ("time-column", "x", "tells no time"),
        ("metric", "jaccard", "distance: distance.metric jaccard does not fit"),
        ("algorithm", "dbskan", "type must be 'dbscan' or 'connected_components'"),
        ("threshold", "-1", "distance.threshold: "),
    ],
)
def test_what_cannot_run_is_refused(
    source: Path, defs_folder: Path, option: str, value: str, told: str
) -> None:
    with pytest.raises(ClusterAssetsError) as caught:
        call(source, **{option: value})
    assert told in str(caught.value)
    assert "remedy:" in str(caught.value)
    assert "defs.yaml" not in str(caught.value)
    assert list(defs_folder.iterdir()) == []


def test_a_good_one_is_written_beside_a_broken_neighbour(source: Path, defs_folder: Path) -> None:
    (defs_folder / "broken").mkdir()
    (defs_folder / "broken" / "defs.yaml").write_text("")
    call(source)
    assert load_pipeline(defs_folder / "mine" / "defs.yaml").start_date == "2026-01-02"
