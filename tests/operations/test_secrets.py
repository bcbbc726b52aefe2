"""Secrets of the environment reach neither logs nor records nor published files."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import yaml

from cluster_assets.operations.runs import materialize_range
from cluster_assets.settings import load_settings
from cluster_assets.spec.yaml.files import COMPONENT_TYPE, load_pipeline_named
from tests.operations.test_damage import ATTRIBUTES, DAYS, use, write_source

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CANARY = "canary-7f3a9c-of-the-team"
SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "CLUSTER_API_TOKEN",
    "CLUSTER_NOTIFY_WEBHOOK_URL",
    "CLUSTER_TRINO_PASSWORD",
    "DAGSTER_PG_URL",
    "PASSWORD_OF_ANOTHER_PROGRAM",
)


def test_a_run_writes_no_secret_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: Any
) -> None:
    home = tmp_path / "home"
    write_source(home)
    use(home, monkeypatch)
    for name in SECRETS:
        monkeypatch.setenv(name, f"https://{CANARY}.example" if name.endswith("URL") else CANARY)
    raw = {"files": "${CLUSTER_HOME}/lake/day=*/*.parquet", "partition_column": "day"}
    for pipeline, more in (("people", {}), ("fails", {"limits": {"max_pairs": 1}})):
        path = home / "defs" / pipeline / "defs.yaml"
        path.parent.mkdir(parents=True)
        body = {"type": COMPONENT_TYPE, "attributes": ATTRIBUTES | {"raw": raw, "name": pipeline, **more}}
        path.write_text(yaml.safe_dump(body))
    settings = load_settings()
    failed: dict[str, Any] = {}
    with caplog.at_level(logging.DEBUG):
        for pipeline in ("people", "fails"):
            spec = load_pipeline_named(pipeline, settings.defs_dirs)
            failed[pipeline] = materialize_range(spec, DAYS[:1], settings)
    assert (bool(failed["people"]), bool(failed["fails"])) == (False, True)
    assert CANARY not in caplog.text + str(failed) + repr(settings)
    assert CANARY not in "".join(capfd.readouterr())
    written = [path for path in home.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert [str(path) for path in written if CANARY.encode() in path.read_bytes()] == []
