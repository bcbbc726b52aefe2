"""Pipelines, days, clusters and entities, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from few_days import ODD_NAMES

from cluster_assets.api.tokens import PageToken, read_token, write_token

if TYPE_CHECKING:
    from asking import Client
    from few_days import FewDays


def test_pipelines_come_with_their_newest_days(client: Client) -> None:
    assert client.get("/v1/pipelines").json() == {
        "pipelines": [
            {
                "name": "points",
                "kind": "vector",
                "day": "2026-01-03",
                "version": 1,
                "example": {"vector": [11.0]},
            },
            {"name": "tokens", "kind": "set", "day": "2026-01-03", "version": 1, "example": {"set": ["a"]}},
        ]
    }
    assert client.get("/v1/points/days").json()["days"] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    assert client.get("/health").json() == {
        "status": "ok",
        "days": {"points": "2026-01-03", "tokens": "2026-01-03"},
    }


def _pages(client: Client, address: str, limit: int) -> list[dict[str, object]]:
    pages = []
    query: dict[str, object] = {"limit": limit}
    while True:
        page = client.get(address, **query).json()
        pages.append(page)
        if page["next"] is None:
            return pages
        query = {"limit": limit, "after": page["next"]}


@pytest.mark.parametrize("limit", [1, 3, 10, 11])
def test_pages_of_clusters_are_the_whole_list(client: Client, limit: int) -> None:
    pages = _pages(client, "/v1/points/clusters", limit)
    assert [one["cluster"] for page in pages for one in page["clusters"]] == list(range(10))  # type: ignore[attr-defined]
    assert len(pages) == -(-10 // limit)


def test_pages_of_members_are_the_whole_cluster(client: Client) -> None:
    pages = _pages(client, "/v1/tokens/clusters/0/members", 2)
    assert [one["entity"] for page in pages for one in page["members"]] == sorted(ODD_NAMES)  # type: ignore[attr-defined]


def test_a_list_stays_on_its_version(client: Client, days: FewDays) -> None:
    first = client.get("/v1/points/clusters", limit=6).json()
    days.publish("points", "2026-01-03", {"new": 995.0})
    days.publish("points", "2026-01-04", {"newer": 5.0})
    second = client.get("/v1/points/clusters", after=first["next"]).json()
    assert (second["day"], second["version"]) == ("2026-01-03", 1)
    assert [one["cluster"] for one in second["clusters"]] == [6, 7, 8, 9]
    days.forget("points", "2026-01-03")
    gone = client.get("/v1/points/clusters", after=first["next"])
    assert gone.status == 410
    assert "begin again" in gone.json()["detail"]


def test_pictures_are_those_of_the_report(client: Client) -> None:
    answer = client.get("/v1/points/pictures", day="2026-01-02").json()
    assert (answer["day"], answer["version"]) == ("2026-01-02", 1)
    assert [one["name"] for one in answer["pictures"]] == ["sizes", "flow"]
    assert answer["pictures"][1]["alt"] == 'flow of "points", 2026-01-02'
    assert answer["pictures"][1]["svg"].startswith("<svg ")
    assert client.get("/v1/tokens/pictures").json()["pictures"] == []
    assert client.get("/v1/points/pictures", day="2020-01-01").status == 404


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_entity_with_any_name_is_found(client: Client, name: str) -> None:
    by_path = client.get("/v1/tokens/entities/" + quote(name, safe=""))
    by_query = client.get("/v1/tokens/entities", name=name)
    # Clients remove `..` from a path, encoded or not; the query is exact.
    answers = [by_query] if name == ".." else [by_query, by_path]
    for answer in answers:
        assert answer.status == 200
        assert answer.json()["entity"] == name
        assert answer.json()["today"]["cluster"] == 0


def test_an_entity_has_its_history_the_latest_first(client: Client, days: FewDays) -> None:
    days.publish("points", "2026-01-02", {"other": 5.0})
    days.publish("points", "2026-01-04", {"other": 5.0})
    answer = client.get("/v1/points/entities/e3").json()
    assert answer["today"] is None
    assert [one["day"] for one in answer["history"]] == ["2026-01-03", "2026-01-01"]
    earlier = client.get("/v1/points/entities/e3", day="2026-01-03", history=0).json()
    assert earlier["today"]["cluster"] == 1
    assert earlier["history"] == []
    missing = client.get("/v1/points/entities/e3", history=0)
    assert missing.status == 404


def test_one_cluster_has_profile_and_life(client: Client) -> None:
    answer = client.get("/v1/points/clusters/3", day="2026-01-02").json()
    assert answer["day"] == "2026-01-02"
    assert answer["cluster"]["profile"] == {"mean": 32.5}
    assert (answer["cluster"]["event"], answer["cluster"]["since"]) == ("born", "2026-01-02")


@pytest.mark.parametrize(
    "address",
    [
        "/v1/absent/days",
        "/v1/absent/clusters",
        "/v1/points/clusters?day=2025-01-01",
        "/v1/points/clusters/10",
        "/v1/points/clusters/-1",
        "/v1/points/clusters/%C2%B2",
        "/v1/points/clusters/" + "9" * 40,
        "/v1/points/clusters/10/members",
        "/v1/points/entities/absent",
    ],
)
def test_what_is_not_there_is_404(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_changed_tokens_are_refused(client: Client) -> None:
    token = client.get("/v1/points/clusters", limit=1).json()["next"]
    changed = [token[:k] + ("A" if token[k] != "A" else "B") + token[k + 1 :] for k in range(len(token))]
    for one in [*changed, token[:-1], token + "A", token + "=", "%00", "é", "!" * 20]:
        answer = client.get("/v1/points/clusters", after=one)
        assert (answer.status, answer.json().get("field")) == (400, "after"), one


@pytest.mark.parametrize(
    "address",
    ["/v1/tokens/clusters", "/v1/points/clusters/0/members", "/v1/points/clusters?day=2026-01-02"],
)
def test_tokens_of_other_lists_are_refused(client: Client, address: str) -> None:
    token = client.get("/v1/points/clusters", limit=1).json()["next"]
    answer = client.get(f"{address}{'&' if '?' in address else '?'}after={token}")
    assert answer.status == 400
    assert "another list" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("day", "version", "number"), [("../../x", 1, 0), ("2026-01-01", 2**64 - 1, 0), ("2026-01-01", 1, 2**63)]
)
def test_tokens_that_others_wrote_are_refused(client: Client, day: str, version: int, number: int) -> None:
    token = write_token(PageToken("clusters", "points", day, version, number))
    assert client.get("/v1/points/clusters", after=token).status == 400


def test_tokens_keep_any_name() -> None:
    for name in ODD_NAMES:
        token = PageToken("members", "points", "2026-01-01", 7, 3, name)
        assert read_token(write_token(token)) == token
