"""The contract: its table of operations, the JSON of its events, and values that are of no contract."""

from __future__ import annotations

import inspect
import json
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_worker.contract import ContractError, CoresEvent, Event, ForestEvent, Reply, TableReply
from lambda_worker.contract.forests import FOREST_KINDS
from lambda_worker.contract.operations import OPERATIONS
from lambda_worker.contract.profiles import MedoidsEvent, Part

if TYPE_CHECKING:
    from lambda_worker.contract.operations import Operation

FOREST = ForestEvent(
    kind="spanning", candidates=("/a.parquet", "s3://b/c"), point_count=3, output="/o.parquet", part=(1, 2)
)
MEDOIDS = MedoidsEvent(
    points=("/p.parquet",),
    point_count=7,
    kind="mixed",
    columns=("price", "colour"),
    metric="gower",
    parts=(Part("price", "number", 1.0, 20.0), Part("colour", "category", 2.0)),
    exemplars=3,
    output="/m.parquet",
)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_a_row_names_a_function_from_its_event_to_its_reply(operation: Operation) -> None:
    signature = inspect.signature(pkgutil.resolve_name(f"lambda_worker.{operation.function}"))
    assert next(iter(signature.parameters.values())).annotation == operation.event.__name__
    assert signature.return_annotation == operation.reply.__name__


def test_every_event_has_a_row() -> None:
    def leaves(kind: type[Event]) -> set[type[Event]]:
        below = {leaf for one in kind.__subclasses__() for leaf in leaves(one)}
        return below or {kind}

    assert leaves(Event) == {operation.event for operation in OPERATIONS.values()}
    assert all(name == operation.event.operation() for name, operation in OPERATIONS.items())


def test_the_json_of_an_event_stays_as_it_is() -> None:
    """Results of shards are named by it: another JSON would compute every shard again."""
    assert json.loads(json.dumps(FOREST.to_json())) == {
        "operation": "forest", "version": 3, "kind": "spanning", "candidates": ["/a.parquet", "s3://b/c"],
        "point_count": 3, "output": "/o.parquet", "part": [1, 2], "cores": None, "core_distances": None,
        "record": None, "answer": None, "deadline": None, "seconds": 0.0,
    }  # fmt: skip
    assert json.loads(json.dumps(MEDOIDS.to_json()))["parts"] == [
        {"name": "price", "kind": "number", "weight": 1.0, "width": 20.0},
        {"name": "colour", "kind": "category", "weight": 2.0, "width": 0.0},
    ]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.text(max_size=3), SCALARS, max_size=2)


@given(data=st.data(), event=st.sampled_from([FOREST, MEDOIDS]), value=VALUES)
def test_a_value_is_taken_as_it_is_or_refused(data: st.DataObject, event: Event, value: Any) -> None:
    body = json.loads(json.dumps(event.to_json()))
    field = data.draw(st.sampled_from([*body, "radius"]))
    refusal, taken = "", body | {field: value}
    try:
        assert json.loads(json.dumps(type(event).from_json(taken).to_json())) == taken
    except ContractError as error:
        refusal = str(error)
    assert not refusal or field in refusal


def test_a_reply_of_another_kind_or_version_is_refused() -> None:
    reply = TableReply(ok=True, rows=3, bytes=90, pairs=4)
    assert TableReply.from_json(json.loads(json.dumps(reply.to_json()))) == reply
    for change, text in (
        ({"version": 1}, "version 1"),
        ({"rows": "3"}, "the reply TableReply, rows: Expected `int`, got `str`"),
        ({"clusters": 1}, "unknown field `clusters`"),
    ):
        with pytest.raises(ContractError, match=text):
            TableReply.from_json(reply.to_json() | change)


def test_a_refusal_is_a_reply_of_every_kind() -> None:
    refusal = Reply(ok=False, error_type="InputError", error="there is no file").to_json()
    for operation in OPERATIONS.values():
        assert operation.reply.from_json(refusal).error == "there is no file"


def test_what_annotations_cannot_say_is_checked_when_an_event_is_made() -> None:
    with pytest.raises(ContractError, match=r"part must be \[k, n\] with k < n, not \[2, 2\]"):
        ForestEvent(kind="spanning", candidates=(), point_count=1, output="/o", part=(2, 2))
    with pytest.raises(ContractError, match="cores must be null"):
        ForestEvent(kind=FOREST_KINDS["single_linkage"], candidates=(), point_count=1, output="/o", cores=())
    least = CoresEvent(points=(), degrees=(), point_count=0, min_samples=0, output="/o")
    assert CoresEvent.from_json(least.to_json()) == least
