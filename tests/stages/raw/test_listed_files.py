"""The cache of file lists is shared by threads, so another thread may drop a list between two steps."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from cluster_assets.backends.ports import FileRelation
from cluster_assets.stages.raw import stage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest


class Dropping(OrderedDict[Any, Any]):
    """Drops everything once it has been asked for a key, as another thread may."""

    def __contains__(self, key: object) -> bool:
        known = super().__contains__(key)
        self.clear()
        return known

    def get(self, key: Any, default: Any = None) -> Any:
        found = super().get(key, default)
        self.clear()
        return found


def test_a_list_that_another_thread_drops_is_still_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    files = FileRelation(("list.parquet",))
    rows = ({"uri": "a.parquet"},)
    asked = []

    def fetch(_: Any, relations: Mapping[str, FileRelation]) -> tuple[dict[str, str], ...]:
        asked.append(relations["files"])
        return rows

    monkeypatch.setattr(stage, "_LISTED", Dropping({files.uris: rows}))
    job: Any = SimpleNamespace(sql=SimpleNamespace(fetch=fetch))
    assert stage.list_files(job, files) == rows
    assert asked == []
    assert stage.list_files(job, files) == rows
    assert asked == [files]
