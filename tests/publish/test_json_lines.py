"""Gzipped JSON lines: equal bytes for equal rows, the version in the header, no foreign file replaced."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cases import CASES, Setting

from cluster_assets.domain.errors import PublicationError

DAY = "2013-03-04"


def test_equal_rows_have_equal_bytes_and_the_header_names_the_version(
    setting: Setting, tmp_path: Path
) -> None:
    case = CASES["json_in_a_folder"](setting)
    case.warehouse.commit(DAY, 50, cluster=1)
    table = case.table_day(DAY)
    path = Path(case.target().publish(table).address)
    first = path.read_bytes()
    os.utime(path, (0, 0))
    path.unlink()
    case.target().publish(table)
    assert path.read_bytes() == first
    copy = tmp_path / "copy.gz"
    copy.write_bytes(first)
    subprocess.run([shutil.which("gzip") or "", "--decompress", "--name", str(copy)], check=True)
    (unpacked,) = (found for found in tmp_path.iterdir() if found.suffix == ".jsonl")
    assert unpacked.name == f"demo_clusters_{DAY}_{table.mark}.jsonl"
    assert len(unpacked.read_text().splitlines()) == 50


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"text",
        gzip.compress(b"{}\n", mtime=0),
        b"\x1f\x8b\x08\x08" + bytes(6) + b"of_others.jsonl\0",
        b"\x1f\x8b",
    ],
)
def test_a_file_of_others_is_not_replaced(setting: Setting, body: bytes) -> None:
    case = CASES["json_in_a_folder"](setting)
    case.warehouse.commit(DAY, 5, cluster=1)
    path = setting.home / "published" / "json" / "demo" / "clusters" / f"day={DAY}.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(body)
    with pytest.raises(PublicationError, match="no publication wrote"):
        case.target().publish(case.table_day(DAY))
    assert path.read_bytes() == body


def test_a_draft_of_a_killed_publisher_is_replaced(setting: Setting) -> None:
    case = CASES["json_in_a_folder"](setting)
    case.warehouse.commit(DAY, 5, cluster=1)
    folder = setting.home / "published" / "json" / "demo" / "clusters"
    folder.mkdir(parents=True)
    (folder / f".day={DAY}.jsonl.gz.draft").write_bytes(b"half")
    assert case.target().publish(case.table_day(DAY)).outcome == "written"
    assert [found.name for found in folder.iterdir() if found.name != ".lock"] == [f"day={DAY}.jsonl.gz"]
