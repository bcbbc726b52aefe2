"""The days that `show` marks are those that `day_standing` finds, which looks at the source too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cluster_assets.domain.days import days_between, parse_day
from cluster_assets.opening import open_backend
from cluster_assets.sample import SampleConfig, write_sample
from cluster_assets.settings import PACKAGED_DEFS, load_settings
from cluster_assets.spec.pipeline import PipelineSpec
from cluster_assets.spec.yaml.files import load_pipeline_named
from cluster_assets.stages.day.job import DayJob
from cluster_assets.stages.day.run import run_day
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.ledger.published import published_day
from cluster_assets.stages.outdated import REFERENCE_CHANGED, YAML_CHANGED, present_inputs
from cluster_assets.stages.sequence import STAGES, day_standing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cluster_assets.backends.ports import Backend

DAYS = tuple(days_between(parse_day("2013-03-04"), parse_day("2013-03-05")))
SCALED_BY = {"scale": {"type": "standard", "reference_day": DAYS[0].key}}


@pytest.fixture
def backend(home: Path) -> Iterator[Backend]:
    write_sample(SampleConfig(output=home / "lake", first_day=DAYS[0], days=len(DAYS), entities=100))
    with open_backend(load_settings()) as backend:
        yield backend


def changed(spec: PipelineSpec, path: str, value: Any) -> PipelineSpec:
    body = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    place = body
    *folders, name = path.split(".")
    for folder in folders:
        place = place[folder]
    place[name] = value
    return PipelineSpec.model_validate(body)


def compute(spec: PipelineSpec, backend: Backend) -> Ledger:
    ledger = Ledger(backend.store, backend.catalog, spec.name)
    for day in DAYS:
        for stage in STAGES[:4]:
            run_day(stage, DayJob(spec, backend, ledger, day))
    return ledger


def test_days_of_another_yaml_are_stale_and_no_others(backend: Backend) -> None:
    spec = load_pipeline_named("behaviours", (PACKAGED_DEFS,))
    ledger = compute(spec, backend)
    for path, value, stale in (
        ("description", "other words", []),
        ("limits.max_pairs", 1_000_000, []),
        ("checks.days", 20, []),
        ("distance.threshold", 0.31, DAYS),
        ("algorithm.min_samples", 4, DAYS),
        ("blocking", {"type": "join"}, DAYS),
        ("on_invalid", "exclude", DAYS),
        ("raw.where", "protocol <> 'X'", DAYS),
        ("features.weights", [1, 2, 1, 1], DAYS),
        ("features.scale.reference_day", DAYS[0].key, DAYS[1:]),
    ):
        other = changed(spec, path, value)
        present = present_inputs(other, ledger)
        states = {day: day_standing(other, backend, ledger, day, through="clusters").state for day in DAYS}
        assert [day for day in DAYS if states[day] == "stale"] == list(stale), path
        reasons = {day: present.changes(published_day(ledger, day)) for day in DAYS}
        assert reasons == {day: (YAML_CHANGED,) if day in stale else () for day in DAYS}, path


def test_days_are_stale_when_the_reference_day_has_other_statistics(backend: Backend) -> None:
    spec = changed(load_pipeline_named("behaviours", (PACKAGED_DEFS,)), "features.scale", SCALED_BY["scale"])
    ledger = compute(spec, backend)
    assert not any(present_inputs(spec, ledger).changes(published_day(ledger, day)) for day in DAYS)
    write_sample(
        SampleConfig(output=load_settings().lake_dir, first_day=DAYS[0], days=1, entities=100, seed=11)
    )
    for stage in STAGES[:4]:
        run_day(stage, DayJob(spec, backend, ledger, DAYS[0]))
    present = present_inputs(spec, ledger)
    assert present.changes(published_day(ledger, DAYS[0])) == ()
    assert present.changes(published_day(ledger, DAYS[1])) == (REFERENCE_CHANGED,)
    run_day(STAGES[0], DayJob(spec, backend, ledger, DAYS[1]))  # the file of the other day is another now
    assert day_standing(spec, backend, ledger, DAYS[1], through="clusters").stage == "points"
