"""`cluster-assets new`: what cannot run is refused before anything is written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import duckdb
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from cluster_assets.cli.subcommands.pipelines.new import new
from cluster_assets.cli.subcommands.pipelines.schema import schema
from cluster_assets.domain.errors import ClusterAssetsError
from cluster_assets.spec.yaml.files import load_pipeline
from cluster_assets.spec.yaml.schema import SCHEMA_LINE

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
        ("vector", "x", "--vector: x is not an aggregate"),
        ("time-column", "x", "x holds '1.500', which no known format reads"),
        (
            "partition-column",
            "id",
            "exactly one of --time-column, --partition-column, --partition and --fixed-day;",
        ),
        ("table", "lake.x", "exactly one of --files and --table"),
        ("files", "nowhere.csv", "--files"),
        (
            "set",
            "word",
            "exactly one of --set, --vector, --embedding, --geo, --text, --mixed; found --set, --vector",
        ),
        ("entity", "max(id)", "--entity: "),
        ("where", "x >", "--where: "),
        ("metric", "jaccard", "--metric jaccard does not fit --vector"),
        ("metric", "jacard", "--metric: "),
        ("reference-day", "2026-01-02", "--reference-day needs --scale"),
        ("algorithm", "dbskan", "--algorithm must be 'dbscan' or 'connected_components'"),
        (
            "algorithm",
            "kmeans",
            "--option n_clusters=… is missing",
        ),
        ("option", "min_sample=4", "--option min_sample=…: unknown option; did you mean 'min_samples'?"),
        ("option", "threshold=4", "--option threshold=…: unknown option"),
        ("option", "x=[", "--option 'x=['"),
        ("option", "x", "--option 'x'"),
        ("column", "x", "--column 'x'"),
        ("column", "x=int", "declare --column x=double"),
        ("column", "word=double", "word"),
        ("blocking", "lsh", "--blocking lsh does not support euclidean"),
        ("min-samples", "0", "--min-samples: "),
        ("threshold", "-1", "--threshold: "),
        ("start-date", "2026-1-1", "--start-date: "),
        ("end-date", "1969-01-01", "--end-date 1969-01-01 is before --start-date"),
    ],
)
def test_what_cannot_run_is_refused_in_the_words_of_the_options(
    source: Path, defs_folder: Path, option: str, value: str, told: str
) -> None:
    with pytest.raises(ClusterAssetsError) as caught:
        call(source, **{option: value})
    assert told in str(caught.value)
    assert "remedy:" in str(caught.value)
    assert "defs.yaml" not in str(caught.value)
    # The keys of the YAML, which this user has not seen.
    assert not re.search(
        r"\b(raw|features|distance|algorithm|blocking)\.\w|[a-z]_(column|date|day)\b", str(caught.value)
    )
    assert list(defs_folder.iterdir()) == []


def test_a_threshold_is_asked_for(source: Path, defs_folder: Path) -> None:
    for given, told in (
        (["--vector", "avg(x)"], "give --threshold"),
        (
            ["--vector", "avg(x)", "--scale", "robust", "--reference-day", "2026-01-99", "--threshold", "1"],
            "--reference-day: ",
        ),
    ):
        options = ["--files", str(source), "--time-column", "t", "--entity", "id", *given]
        with pytest.raises(ClusterAssetsError, match=told):
            CliRunner().invoke(new, ["mine", *options], standalone_mode=False, catch_exceptions=False)


def test_mixed_features_have_names_of_their_own(source: Path, defs_folder: Path) -> None:
    options = ["--files", str(source), "--time-column", "t", "--entity", "id", "--threshold", "1"]
    twice = ["--mixed", "a=number:avg(x)", "--mixed", "a=category:max(word)"]
    with pytest.raises(ClusterAssetsError, match="--mixed a is given twice"):
        CliRunner().invoke(new, ["mine", *options, *twice], standalone_mode=False, catch_exceptions=False)


def test_declared_columns_are_written(source: Path, defs_folder: Path) -> None:
    call(source, column="x=double")
    assert load_pipeline(defs_folder / "mine" / "defs.yaml").raw.columns == {"x": "double"}


def test_a_good_one_is_written_beside_a_broken_neighbour(source: Path, defs_folder: Path) -> None:
    (defs_folder / "broken").mkdir()
    (defs_folder / "broken" / "defs.yaml").write_text("")
    call(source)
    assert load_pipeline(defs_folder / "mine" / "defs.yaml").start_date == "2026-01-02"


def schema_errors(path: Path) -> list[str]:
    """What an editor would underline: the schema is the one that the first line of the file names."""
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", path.read_text().splitlines()[0])
    assert named is not None
    schema = json.loads((path.parent / named[1]).read_text())
    Draft202012Validator.check_schema(schema)
    document = yaml.safe_load(path.read_text())
    return [error.json_path for error in Draft202012Validator(schema).iter_errors(document)]


def test_editors_find_the_schema_of_the_written_file(source: Path, defs_folder: Path) -> None:
    call(source, **{"start-date": "2026-01-02", "scale": "standard"})
    path = defs_folder / "mine" / "defs.yaml"
    assert schema_errors(path) == []
    path.write_text(path.read_text().replace("threshold:", "treshold:"))
    assert set(schema_errors(path)) == {"$.attributes.distance"}
    path.write_text(path.read_text().replace("treshold:", "threshold:") + "  limmits: {}\n")
    assert schema_errors(path) == ["$.attributes"]


def test_the_schema_takes_the_short_form_of_sklearn(source: Path, defs_folder: Path) -> None:
    call(source)
    path = defs_folder / "mine" / "defs.yaml"
    document = yaml.safe_load(path.read_text())
    document["attributes"]["algorithm"] = {"sklearn": {"class": "sklearn.cluster.AffinityPropagation"}}
    path.write_text(SCHEMA_LINE + yaml.safe_dump(document))
    assert schema_errors(path) == []


def test_schema_prints_what_new_writes(source: Path, defs_folder: Path) -> None:
    call(source)
    printed = CliRunner().invoke(schema, catch_exceptions=False).output
    assert printed == (defs_folder / "pipeline.schema.json").read_text()


@pytest.mark.parametrize(
    ("text", "options", "written"),
    [
        ("t;id;x\n2026-01-02;a;1,5\n", ["decimal=,", "delimiter=;"], {"decimal": ",", "delimiter": ";"}),
        ("t,id,x\n2026-01-02,a,NA\n2026-01-02,b,-\n2026-01-02,c,2\n", ['null_values=["NA", "-"]'],
         {"null_values": ["NA", "-"]}),
        ("2026-01-02,a,1\n", ["names=[t, id, x]"], {"names": ["t", "id", "x"]}),
        ("t,id,x\n2026-01-02,Müller,1\n", ["encoding=latin-1"], {"encoding": "latin-1"}),
        ("t,id,x\n2026-01-02,'a,b',1\n", ["quote='"], {"quote": "'"}),
    ],
)  # fmt: skip
def test_csv_options_are_written_and_used(
    tmp_path: Path, defs_folder: Path, text: str, options: list[str], written: dict[str, object]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="latin-1")
    given = ["--files", str(path), "--time-column", "t", "--entity", "id", "--vector", "coalesce(avg(x), 0)"]
    given += [word for option in options for word in ("--csv", option)]
    done = CliRunner().invoke(new, ["mine", *given, "--threshold", "1"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    made = load_pipeline(defs_folder / "mine" / "defs.yaml")
    assert made.raw.csv is not None
    assert made.raw.csv.model_dump(exclude_unset=True, mode="json") == written
    assert made.start_date == "2026-01-02"


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("decimal", "--csv 'decimal' has no name and value"),
        ("delimiter=;;", "--csv delimiter: ';;' is not one ASCII character"),
        ("separator=;", "--csv separator: unknown option; --csv takes delimiter, quote"),
        ("encoding=cp1252", "'utf-8', 'utf-16' or 'latin-1', not 'cp1252'"),
        ("names=[t, T]", "twice"),
    ],
)
def test_a_wrong_csv_option_names_itself(tmp_path: Path, defs_folder: Path, option: str, told: str) -> None:
    (tmp_path / "a.csv").write_text("t,id,x\n2026-01-02,a,1\n")
    given = ["--files", str(tmp_path / "a.csv"), "--time-column", "t", "--entity", "id", "--vector", "avg(x)"]
    done = CliRunner().invoke(new, ["mine", *given, "--threshold", "1", "--csv", option])
    assert isinstance(done.exception, ClusterAssetsError), done.output
    assert told in str(done.exception)
    assert "raw.csv" not in str(done.exception)
    assert list(defs_folder.iterdir()) == []
