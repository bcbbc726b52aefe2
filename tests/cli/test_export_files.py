"""`cluster-assets export` and the folders of its file: complete files, and no unexpected folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cluster_assets.cli import commands
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import ClusterAssetsError, EngineError, SpecError
from cluster_assets.domain.tables import CANDIDATES, CLUSTERS, MEMBERS, points_contract
from cluster_assets.opening import open_storage
from cluster_assets.operations.exports import export_table
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Draft, Ledger

if TYPE_CHECKING:
    from pathlib import Path

DAY = parse_day("2013-03-04")


@pytest.fixture
def ledger(home: Path) -> Ledger:
    """A published day without rows."""
    ledger = Ledger(*open_storage(load_settings()), "attackers")
    inputs: dict[str, str] = {}
    for stage, tables in (
        ("points", {"points": points_contract(()), "members": MEMBERS}),
        ("candidates", {"candidates": CANDIDATES}),
        ("clusters", {"clusters": CLUSTERS}),
    ):
        draft = Draft(
            stage=stage,
            day=DAY,
            attempt=ledger.start_attempt(stage, DAY),
            input_digest="of the test",
            inputs={"source": "of the test", **inputs},
            tables={name: (contract, ()) for name, contract in tables.items()},
            metrics={"rows": 0},
        )
        inputs[stage] = ledger.commit(draft).content_digest
    return ledger


@pytest.mark.parametrize(
    "command",
    [
        ["export", "attackers", "clusters", "--day", DAY.key, "--output", "{}/clusters.csv"],
        ["sample", "--days", "1", "--entities", "30", "--output", "{}/lake"],
        ["new", "mine", "--files", "x.csv", "--entity", "id", "--defs", "{}/pipelines"],
    ],
)
def test_a_missing_folder_is_refused_and_not_made(command: list[str], ledger: Ledger, tmp_path: Path) -> None:
    for place in (tmp_path / "no" / "such", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        arguments = [text.format(place) for text in command]
        with pytest.raises(SpecError, match=str(place)):
            CliRunner().invoke(commands, arguments, catch_exceptions=False)
    assert not (tmp_path / "no").exists()
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("name", ["clusters.csv", "clusters.parquet", "clusters.jsonl"])
def test_a_failed_export_leaves_the_file_as_it_was(name: str, ledger: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / name).mkdir(parents=True)  # where a folder stands, no file can be put
    with pytest.raises(EngineError, match=name):
        export_table(ledger, "clusters", DAY, folder / name)
    assert [path.name for path in folder.iterdir()] == [name]

    written = tmp_path / name
    written.write_text("what was there")
    with pytest.raises(ClusterAssetsError):
        export_table(ledger, "clusters", parse_day("2013-03-05"), written)
    assert written.read_text() == "what was there"
    assert export_table(ledger, "clusters", DAY, written) == 0
    assert written.read_text(errors="replace") != "what was there"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
