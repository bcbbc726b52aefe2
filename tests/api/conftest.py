"""Fixtures of the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from asking import Client, InProcess
from few_days import publish_three_days

from cluster_assets.api.application import create_application
from cluster_assets.api.config import ApiConfig

if TYPE_CHECKING:
    from few_days import FewDays


@pytest.fixture
def days() -> FewDays:
    return publish_three_days()


@pytest.fixture
def client(days: FewDays) -> Client:
    return Client(InProcess(create_application(days, ApiConfig())))
