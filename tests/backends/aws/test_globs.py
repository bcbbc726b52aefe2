"""Patterns on S3 find what the same patterns find on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from athena_lake import BUCKET, PATIENCE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster_assets.backends.aws import globs
from cluster_assets.backends.aws.globs import find_files
from cluster_assets.domain.errors import SourceMissingError, SpecError
from cluster_assets.stages.raw.files import list_source_files

if TYPE_CHECKING:
    from athena_lake import Lake

NAMES = [
    "a.parquet",
    "b.parquet",
    "a.csv",
    "day=1/a.parquet",
    "day=1/x/a.parquet",
    "day=2/b.parquet",
    "[x].csv",
    "a[1]/a.csv",
    "a[1]/x1.parquet",
    "a[1]/x[1].parquet",
    "a1/a.csv",
    "b?/a.csv",
    "bx/a.csv",
]
PATTERNS = st.lists(
    st.sampled_from(
        [
            "*",
            "**",
            "day=*",
            "day=1",
            "?.parquet",
            "*.parquet",
            "[ab].*",
            "[!a].csv",
            "x",
            "a.csv",
            "[x].csv",
            "a[1]",
            "b?",
            "[ab]*",
            "x[1].parquet",
        ]
    ),
    min_size=1,
    max_size=4,
).map("/".join)


@pytest.fixture(scope="module")
def folders(athena_servers: Lake, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, str, Path]:
    """The same files on S3 and here."""
    here, there = tmp_path_factory.mktemp("globs"), f"s3://{BUCKET}/globs"
    for name in NAMES:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        athena_servers.put(f"{there}/{name}", b"x")
    return athena_servers.s3, there, here


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(pattern=PATTERNS)
def test_they_find_the_same(folders: tuple[Any, str, Path], pattern: str) -> None:
    s3, there, here = folders
    if pattern.endswith("**"):
        pattern += "/*"  # elsewhere it means folders only, which S3 does not have
    found = sorted(file.uri.removeprefix(f"{there}/") for file in find_files(s3, f"{there}/{pattern}"))
    try:
        names = [file.uri for file in list_source_files(pattern, root=here, environment={})]
    except SourceMissingError:
        names = []
    assert found == [str(Path(name).relative_to(here)) for name in names]


def test_hidden_names_and_folders_are_left_out(athena_lake: Lake) -> None:
    place = athena_lake.fresh()
    for name in ("_SUCCESS", ".hidden", "a", "b/"):
        athena_lake.put(f"{place}/{name}", b"")
    assert [file.uri for file in find_files(athena_lake.s3, f"{place}/**/*")] == [f"{place}/a"]


def test_one_file_by_name_and_many_pages(athena_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    place = athena_lake.fresh()
    for number in range(5):
        athena_lake.put(f"{place}/f{number}.csv", b"12")
    (one,) = find_files(athena_lake.s3, f"{place}/f3.csv")
    assert (one.uri, one.bytes) == (f"{place}/f3.csv", 2)
    monkeypatch.setattr(globs, "_PAGE", 2)
    assert len(list(find_files(athena_lake.s3, f"{place}/*.csv"))) == 5


def test_mistakes_are_reported(athena_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for pattern in ("s3://", "s3://*/a", "s3://bucket", "gs://bucket/a"):
        with pytest.raises(SpecError, match="not an S3 URI"):
            list(find_files(athena_lake.s3, pattern))
    with pytest.raises(SourceMissingError, match="no bucket nobodys-bucket"):
        list(find_files(athena_lake.s3, "s3://nobodys-bucket/*", PATIENCE))
    for name, value in athena_lake.environment.items():
        monkeypatch.setenv(name, value)
    pattern, aws = f"{athena_lake.fresh()}/*.csv", {"CLUSTER_TARGET": "aws"}
    with pytest.raises(SourceMissingError, match="no object matches"):
        list_source_files(pattern, root=Path("/"), environment=aws)
    with pytest.raises(SpecError, match="CLUSTER_TARGET=aws"):
        list_source_files(pattern, root=Path("/"), environment={})
