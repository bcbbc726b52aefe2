"""Published days with given events, and a receiver."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # modules beside the tests

from eventful import Eventful
from webhook import Webhook, open_webhook

from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def receiver(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    monkeypatch.setattr("cluster_assets.alerts.channels._PAUSE_S", 0.0)
    with open_webhook() as server:
        monkeypatch.setenv("CLUSTER_NOTIFY_WEBHOOK_URL", server.url)
        yield server


@pytest.fixture
def days(home: Path) -> Eventful:
    return Eventful(*open_storage(load_settings()))
