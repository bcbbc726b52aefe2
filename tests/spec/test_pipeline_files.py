"""Valid and invalid pipeline YAML, and the errors it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster_assets.domain.errors import SpecError
from cluster_assets.settings import PACKAGED_DEFS
from cluster_assets.spec.yaml.files import load_pipeline, load_pipeline_named, scan_pipeline_files

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
type: cluster_assets.components.ClusteringPipeline
attributes:
  name: demo
  start_date: 2026-01-01
  raw:
    files: data/*.parquet
    time_column: event_time
  entity: src_ip
  features:
    set: dst_port
  distance: {metric: jaccard, threshold: 0.4}
  algorithm: {type: dbscan, min_samples: 5}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    path = tmp_path / "demo" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(GOOD)
    return path


def change(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_a_good_file_loads(pipeline: Path) -> None:
    spec = load_pipeline(pipeline)
    assert spec.first_day.key == "2026-01-01"
    assert spec.features.kind == "set"
    assert spec.limits.max_pairs == 2_000_000_000
    assert spec.on_invalid == "fail"


@pytest.mark.parametrize("name", ["attackers", "origins", "behaviours"])
def test_the_packaged_pipelines_load(name: str) -> None:
    assert load_pipeline_named(name, (PACKAGED_DEFS,)).name == name


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("threshold: 0.4", "treshold: 0.4", 11, "did you mean 'threshold'"),
        ("  entity: src_ip", "  entity: src_ip\n  entitty: x", 9, "did you mean 'entity'"),
        ("metric: jaccard", "metric: jacard", 11, "'jaccard'"),
        ("metric: jaccard", "metric: euclidean", 11, "does not fit features.set"),
        ("threshold: 0.4", "threshold: 40", 11, "between 0 and 1"),
        ("threshold: 0.4", "threshold: 0", 11, "greater than 0"),
        ("threshold: 0.4", "threshold: .nan", 11, "finite"),
        ("threshold: 0.4", "threshold: near", 11, "number"),
        ("min_samples: 5", "min_samples: 0", 12, "greater than or equal to 1"),
        (
            "type: dbscan, min_samples: 5",
            "type: dbskan",
            12,
            "type must be 'dbscan' or 'connected_components'",
        ),
        ("  raw:", "  end_date: 2025-12-31\n  raw:", 5, "is before start_date"),
        ("  raw:", "  owners: [bob smith]\n  raw:", 5, "team:name or an e-mail address"),
        ("  raw:", "  ? [a, b]\n  : c\n  raw:", 5, "a key is a list"),
        ("  raw:", "  owners: &o [*o]\n  raw:", 5, "alias is inside"),
        ("type: dbscan, min_samples: 5", "type: connected_components, min_samples: 5", 12, "unknown key"),
        ("name: demo", "name: ../demo", 3, "pattern"),
        ("name: demo", "name: Demo", 3, "pattern"),
        ("start_date: 2026-01-01", "start_date: 2026-02-30", 4, "not a day"),
        ("start_date: 2026-01-01", "start_date: 2026-1-1", 4, "not a day"),
        ("start_date: 2026-01-01", "start_date: ../../x", 4, "not a day"),
        ("  entity: src_ip\n", "", 2, "entity"),
        ("    time_column: event_time\n", "", 5, "exactly one of time_column"),
        ("    files: data/*.parquet", "    files: data/*.parquet\n    table: a.b", 5, "exactly one of files"),
        ("    set: dst_port", "    set: dst_port\n    vector: [count(*)]", 9, "exactly one of set"),
        ("    set: dst_port", "    set: dst_port\n    scale: standard", 9, "scale is for vectors"),
        ("entity: src_ip", "entity: 'a\"; DROP TABLE x --'", 8, "entity"),
        ("entity: src_ip", "entity: 'src_ip; DROP TABLE x'", 8, "entity"),
        ("entity: src_ip", "entity: (SELECT max(x) FROM secrets)", 8, "entity"),
        ("entity: src_ip", "entity: read_text('/etc/passwd')", 8, "entity"),
        ("set: dst_port", "set: random()", 10, "features.set"),
        (
            "    time_column: event_time",
            "    time_column: event_time\n    where: '1=1; DELETE FROM x'",
            8,
            "raw.where",
        ),
        (
            "    time_column: event_time",
            "    time_column: event_time\n    columns: {x: warchar}",
            8,
            "warchar",
        ),
        ("  algorithm:", "  limits: {memory_mb: 20480}\n  algorithm:", 12, "10240"),
        ("  algorithm:", "  limits: {timeout_s: 901}\n  algorithm:", 12, "900"),
        ("  name: demo", "  name: demo\n  name: demo2", 4, "occurs twice"),
        ("  raw:", "  raw: [", 7, "not valid YAML"),
        ("type: cluster_assets", "kind: x\ntype: cluster_assets", 1, "unknown key kind"),
    ],
)
def test_an_error_names_file_line_and_remedy(
    pipeline: Path, old: str, new: str, line: int, told: str
) -> None:
    change(pipeline, old, new)
    with pytest.raises(SpecError) as caught:
        load_pipeline(pipeline)
    text = str(caught.value)
    assert told in text
    assert f"{pipeline}:{line}" in text
    assert "remedy:" in text


def test_all_problems_are_reported_at_once(pipeline: Path) -> None:
    change(pipeline, "threshold: 0.4", "threshold: -1")
    change(pipeline, "min_samples: 5", "min_samples: none")
    with pytest.raises(SpecError) as caught:
        load_pipeline(pipeline)
    assert "(line 11)" in str(caught.value)
    assert "(line 12)" in str(caught.value)


def test_an_unknown_pipeline_is_reported_with_its_nearest_neighbour(pipeline: Path) -> None:
    with pytest.raises(SpecError, match="did you mean 'demo'"):
        load_pipeline_named("demmo", (pipeline.parent.parent,))


def test_two_files_with_one_name_are_refused(pipeline: Path) -> None:
    other = pipeline.parent.parent / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text(GOOD)
    [broken] = scan_pipeline_files((pipeline.parent.parent,)).broken
    assert "two files define" in str(broken.error)


def test_a_broken_neighbour_does_not_matter(pipeline: Path) -> None:
    other = pipeline.parent.parent / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text(GOOD.replace("name: demo", "name: other").replace("jaccard", "nothing"))
    assert load_pipeline_named("demo", (pipeline.parent.parent,)).name == "demo"


def test_a_huge_file_is_refused_before_it_is_read(pipeline: Path) -> None:
    pipeline.write_text(GOOD + "#" * 1_000_000)
    [broken] = scan_pipeline_files((pipeline.parent.parent,)).broken
    assert "a pipeline file may have 1,000,000" in str(broken.error)


def test_a_missing_folder_is_reported() -> None:
    with pytest.raises(SpecError, match="does not exist"):
        scan_pipeline_files((PACKAGED_DEFS / "nowhere",))


@pytest.mark.parametrize(
    "text", ["", "a: [", "? [a, b]\n: c\n", "a: &a [*a]\n", "a: !!bool maybe\n", "- a\n"]
)
def test_an_unreadable_neighbour_is_reported_only_where_it_matters(pipeline: Path, text: str) -> None:
    folder = pipeline.parent.parent
    other = folder / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text(text)
    assert load_pipeline_named("demo", (folder,)).name == "demo"
    found = scan_pipeline_files((folder,))
    assert [file.name for file in found.files] == ["demo"]
    assert [file.path for file in found.broken] == [other]
    for ask in (
        lambda: load_pipeline_named("other", (folder,)),
        lambda: load_pipeline_named("third", (folder,)),
    ):
        with pytest.raises(SpecError, match=str(other)):
            ask()


def test_two_files_of_another_name_do_not_matter(pipeline: Path) -> None:
    folder = pipeline.parent.parent
    for place in ("x", "y"):
        (folder / place).mkdir()
        (folder / place / "defs.yaml").write_text(GOOD.replace("name: demo", "name: twin"))
    assert load_pipeline_named("demo", (folder,)).name == "demo"
    with pytest.raises(SpecError, match="two files define"):
        load_pipeline_named("twin", (folder,))
