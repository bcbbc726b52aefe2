"""The contract of all catalogs. A new catalog is a new parameter of `catalog`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cluster_assets.backends.local.catalog import LocalCatalog
from cluster_assets.backends.local.store import LocalStore
from cluster_assets.backends.stored import Pointer
from cluster_assets.domain.days import parse_day
from cluster_assets.domain.errors import IntegrityError, SpecError
from cluster_assets.domain.manifests import Manifest

if TYPE_CHECKING:
    from athena_lake import Lake
    from ministack_server import MinistackStorage

    from cluster_assets.backends.ports import Catalog

DAY = parse_day("2013-03-03")


@pytest.fixture(params=["local", "moto", "ministack"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Catalog:
    if request.param == "local":
        return LocalCatalog(tmp_path / "catalog")
    server = {"moto": "athena_servers", "ministack": "ministack_storage"}[request.param]
    place: Lake | MinistackStorage = request.getfixturevalue(server)
    return place.catalog(CommittedWhenRead(tmp_path))


class CommittedWhenRead(LocalStore):
    """A store in which each manifest is committed at the moment when it is published."""

    def read(self, key: str) -> bytes:
        version, (pipeline, stage, *_) = int(Path(key).stem), key.split("/")
        day, none = parse_day("2013-03-03"), dict[str, str]()
        manifest = Manifest(pipeline, stage, day, version, "attempt", "digest", none, "code", "now")
        self.put_if_absent(key, manifest.to_json())
        return super().read(key)


def pointer(version: int) -> Pointer:
    return Pointer(f"attackers/points/_manifests/day=2013-03-03/{version:08d}.json", version)


def test_an_unpublished_day_has_no_pointer(catalog: Catalog) -> None:
    assert catalog.current("attackers", "points", DAY) is None
    assert catalog.days("attackers", "points") == ()
    assert catalog.pointers("attackers", "points") == {}


def test_a_flip_is_seen(catalog: Catalog) -> None:
    assert catalog.flip("attackers", "points", DAY, pointer(1))
    assert catalog.current("attackers", "points", DAY) == pointer(1)
    assert catalog.flip("attackers", "points", DAY, pointer(7))
    assert catalog.current("attackers", "points", DAY) == pointer(7)


def test_a_day_never_goes_back(catalog: Catalog) -> None:
    catalog.flip("attackers", "points", DAY, pointer(3))
    assert not catalog.flip("attackers", "points", DAY, pointer(2))
    assert catalog.current("attackers", "points", DAY) == pointer(3)


def test_a_repeated_flip_is_true(catalog: Catalog) -> None:
    assert catalog.flip("attackers", "points", DAY, pointer(3))
    assert catalog.flip("attackers", "points", DAY, pointer(3))
    assert catalog.current("attackers", "points", DAY) == pointer(3)


def test_two_manifests_of_one_version_are_refused(catalog: Catalog) -> None:
    catalog.flip("attackers", "points", DAY, pointer(3))
    with pytest.raises(IntegrityError, match="version 3"):
        catalog.flip("attackers", "points", DAY, Pointer("another.json", 3))
    assert catalog.current("attackers", "points", DAY) == pointer(3)


def test_pipelines_stages_and_days_are_apart(catalog: Catalog) -> None:
    catalog.flip("attackers", "points", DAY, pointer(1))
    assert catalog.current("attackers", "points", DAY.next) is None
    assert catalog.current("attackers", "clusters", DAY) is None
    assert catalog.current("origins", "points", DAY) is None


def test_days_ascend(catalog: Catalog) -> None:
    days = [parse_day(key) for key in ("2013-03-10", "2012-12-31", "2013-03-09")]
    for day in days:
        catalog.flip("attackers", "points", day, pointer(1))
    catalog.flip("attackers", "clusters", DAY, pointer(1))
    assert catalog.days("attackers", "points") == tuple(sorted(days))
    assert list(catalog.pointers("attackers", "points").items()) == [
        (day, pointer(1)) for day in sorted(days)
    ]


def test_pipelines_are_those_with_published_clusters(catalog: Catalog) -> None:
    assert catalog.pipelines() == ()
    for pipeline, stage in (("zeta", "clusters"), ("attackers", "clusters"), ("young", "points")):
        catalog.flip(
            pipeline, stage, DAY, Pointer(f"{pipeline}/{stage}/_manifests/{DAY.prefix}/00000001.json", 1)
        )
    assert catalog.pipelines() == ("attackers", "zeta")


@pytest.mark.parametrize("name", ["", "..", "../x", "/abs", "a/b", "a b", "A", "a\0", "a" * 42, "1a"])
def test_hostile_names_are_refused(catalog: Catalog, name: str) -> None:
    for pipeline, stage in ((name, "points"), ("attackers", name)):
        with pytest.raises(SpecError):
            catalog.flip(pipeline, stage, DAY, pointer(1))
        with pytest.raises(SpecError):
            catalog.current(pipeline, stage, DAY)
        with pytest.raises(SpecError):
            catalog.days(pipeline, stage)


def test_of_many_flips_the_latest_stays_and_readers_never_see_an_earlier_one(catalog: Catalog) -> None:
    versions = [number * 17 % 41 for number in range(1, 41)]  # 1 to 40 in no order
    seen: list[int] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            found = catalog.current("attackers", "points", DAY)
            seen.append(found.version if found else 0)

    def flip(mine: list[int]) -> None:
        for version in mine:
            catalog.flip("attackers", "points", DAY, pointer(version))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=flip, args=(versions[start::4],)) for start in range(4)]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert seen == sorted(seen)
    assert catalog.current("attackers", "points", DAY) == pointer(40)


def test_a_removed_pipeline_has_no_days_and_may_be_published_again(catalog: Catalog) -> None:
    days = (DAY, DAY.next)
    for stage in ("points", "clusters"):
        for day in days:
            catalog.flip("attackers", stage, day, pointer(3))
    catalog.flip("attackers_2", "points", DAY, pointer(3))
    for _ in range(2):
        catalog.remove("attackers")
        assert catalog.days("attackers", "points") == catalog.days("attackers", "clusters") == ()
        assert catalog.current("attackers", "points", DAY) is None
        assert catalog.pipelines() == ()
        assert catalog.days("attackers_2", "points") == (DAY,)
    assert catalog.flip("attackers", "points", DAY, pointer(4))
    assert catalog.current("attackers", "points", DAY) == pointer(4)
    with pytest.raises(SpecError):
        catalog.remove("../x")
