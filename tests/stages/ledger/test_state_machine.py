"""Runs, crashes, damage and collections in any order, against a dictionary of what must be readable."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import boto3
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from moto import mock_aws

from cluster_assets.domain.errors import IntegrityError
from tests.stages.ledger.cloud_lake import BUCKET, CloudLake

if TYPE_CHECKING:
    from collections.abc import Callable

    from cluster_assets.domain.manifests import Manifest
    from cluster_assets.stages.ledger.ledger import Draft
    from tests.stages.ledger.conftest import Lake

INPUTS = st.sampled_from(["in-1", "in-2", "in-3"])
CONTENTS = st.sampled_from(["", "a", "bb"])


class Days(RuleBasedStateMachine):
    """The model: `committed` maps versions to (inputs, content); `published` is what readers see."""

    new_lake: Callable[[], Lake]
    drafts: Bundle[tuple[Draft, str]] = Bundle("drafts")

    @initialize()
    def start(self) -> None:
        self.lake = type(self).new_lake()
        self.committed: dict[int, tuple[str, str]] = {}
        self.published = 0
        self.gone: set[str] = set()

    @rule(target=drafts, inputs=INPUTS, content=CONTENTS, force=st.booleans())
    def compute(self, inputs: str, content: str, *, force: bool) -> tuple[Draft, str]:
        attempt = self.lake.ledger.start_attempt("points", self.lake.day)
        assert attempt.base_version == max(self.committed, default=0)
        return self.lake.draft(attempt, inputs, content, force=force), content

    @rule(
        drafted=consumes(drafts),
        crash=st.sampled_from(["", "before flip", "before put", "before delete"]),
    )
    def commit(self, drafted: tuple[Draft, str], crash: str) -> None:
        draft, content = drafted
        expected = self.expect(draft, content)
        steps = self.lake.steps(on=crash.removeprefix("before "))
        if draft.attempt.id in self.gone and content:
            with pytest.raises(IntegrityError):
                self.lake.faulty(steps).commit(draft)
            return
        try:
            manifest = self.lake.faulty(steps).commit(draft)
        except self.lake.crash:
            if crash == "before put":
                return
        else:
            assert manifest.version == expected
        if expected not in self.committed:
            self.committed[expected] = (draft.input_digest, content)
        if crash != "before flip":
            self.published = max(self.published, expected)

    def expect(self, draft: Draft, content: str) -> int:
        """The version that a draft becomes, or that makes it needless."""
        for version, (inputs, other) in sorted(self.committed.items()):
            meanwhile = version > draft.attempt.base_version and inputs == draft.input_digest
            if meanwhile and (not draft.force or other == content):
                return version
        return max(self.committed, default=0) + 1

    @rule(inputs=INPUTS)
    def rerun(self, inputs: str) -> None:
        found = self.lake.ledger.find_reusable("points", self.lake.day, inputs)
        fitting = [
            version
            for version, (digest, _) in self.committed.items()
            if version >= self.published and digest == inputs
        ]
        assert (found.version if found else None) == max(fitting, default=None)
        if found:
            self.published = found.version

    @rule()
    def collect(self) -> None:
        """Everything is old: all that may go, goes, attempts that still compute included."""
        self.gone |= {key.split("/")[3] for key in self.lake.files()}
        self.lake.age(30)
        self.lake.collect()
        self.committed = {
            version: what for version, what in self.committed.items() if version >= self.published
        }

    @rule()
    def collect_young(self) -> None:
        assert self.lake.collect(days=365 * 100).removed == ()

    @invariant()
    def readers_see_what_was_published(self) -> None:
        manifest: Manifest | None = self.lake.current()
        assert (manifest.version if manifest else 0) == self.published

    @invariant()
    def every_committed_version_is_whole(self) -> None:
        assert self.lake.versions() == sorted(self.committed)
        for version, (inputs, content) in self.committed.items():
            manifest = self.lake.manifest(version)
            assert (manifest.input_digest, self.lake.content(manifest)) == (inputs, content)

    @invariant()
    def versions_are_dense(self) -> None:
        versions = self.lake.versions()
        assert versions == list(range(min(versions, default=1), max(versions, default=0) + 1))


def check_histories(new_lake: Callable[[], Lake], examples: int, steps: int) -> None:
    class DaysHere(Days):
        pass

    DaysHere.new_lake = staticmethod(new_lake)
    run_state_machine_as_test(
        DaysHere,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_any_history_is_what_the_model_says(new_lake: Callable[[], Lake]) -> None:
    check_histories(new_lake, examples=60, steps=25)


def test_any_history_on_s3_and_glue_is_what_the_model_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "guards-nothing")
    numbers = itertools.count()
    with mock_aws():
        s3, glue = (boto3.client(service, region_name="us-east-1") for service in ("s3", "glue"))
        s3.create_bucket(Bucket=BUCKET)
        check_histories(lambda: CloudLake(s3, glue, f"lake{next(numbers)}"), examples=10, steps=12)
