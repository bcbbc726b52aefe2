"""The planted truth: all three kinds of features find the campaigns, and the campaigns have lives."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

import duckdb
import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score, pairwise_distances
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from cluster_assets.domain.days import parse_day
from cluster_assets.sample import SampleConfig, write_sample

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

FIRST = parse_day("2026-03-01")
DAYS = 30
EARTH_RADIUS_M = 6371008.8
GONE_TOMORROW = 0.35


class Planted(NamedTuple):
    """A row of the planted events; `previous_campaign` is a missing value for a campaign that is born."""

    campaign: str
    event: str
    previous_campaign: str | float | None
    members: int


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dirty month of 1200 addresses a day."""
    folder = tmp_path_factory.mktemp("month")
    write_sample(SampleConfig(folder, FIRST, days=DAYS))
    return folder


def table(folder: Path, sql: str) -> pd.DataFrame:
    """Run a query in which {folder} is replaced by the sample's folder."""
    with duckdb.connect() as connection:
        return connection.execute(sql.format(folder=folder)).df()


def entities_of(folder: Path, day: str, columns: str, truth: str) -> pd.DataFrame:
    """One row per entity of a day with these columns, and `truth`, null for noise."""
    return table(
        folder,
        f"""select e.*, t.{truth} as truth
            from (select src_ip, {columns} from '{{folder}}/honeypot_{day}.parquet' group by src_ip) e
            left join '{{folder}}/truth/campaigns_{day}.parquet' t on t.entity = e.src_ip
            order by src_ip""",
    )


def agreement(entities: pd.DataFrame, labels: NDArray[np.int64]) -> float:
    """Adjusted Rand index on the members; each that was called noise counts as alone."""
    member = entities["truth"].notna().to_numpy()
    found = np.where(labels >= 0, labels, -1 - np.arange(len(labels)))
    return float(adjusted_rand_score(entities["truth"][member], found[member]))


DAYS_TRIED = [
    "2026-03-12",
    *(pytest.param(day, marks=pytest.mark.long) for day in ("2026-03-01", "2026-03-25")),
]


@pytest.mark.parametrize("day", DAYS_TRIED)
@pytest.mark.parametrize("ping", ["", " || '/' || icmp_type"])
def test_sets_find_the_campaigns(month: Path, day: str, ping: str) -> None:
    target = f"protocol || coalesce('/' || dst_port, ''{ping})"
    entities = entities_of(month, day, f"list(distinct {target}) as targets", "campaign")
    shown = MultiLabelBinarizer().fit_transform(entities["targets"]).astype(bool)
    distance = pairwise_distances(shown, metric="jaccard")
    labels = DBSCAN(eps=0.4, min_samples=5, metric="precomputed").fit_predict(distance)
    assert agreement(entities, labels) >= 0.9
    noise = entities["truth"].isna().to_numpy()
    assert np.mean(labels[noise] == -1) >= 0.9
    assert np.mean(labels[~noise] == -1) <= 0.05


@pytest.mark.parametrize("day", DAYS_TRIED)
@pytest.mark.parametrize("threshold_m", [25_000, 50_000])
def test_geography_finds_the_places(month: Path, day: str, threshold_m: int) -> None:
    columns = "max(latitude) as latitude, max(longitude) as longitude"
    entities = entities_of(month, day, columns, "place")
    entities = entities[entities["latitude"].between(-90, 90)].reset_index(drop=True)
    radians = np.radians(entities[["latitude", "longitude"]].to_numpy())
    labels = DBSCAN(eps=threshold_m / EARTH_RADIUS_M, min_samples=5, metric="haversine").fit_predict(radians)
    assert agreement(entities, labels) >= 0.9
    assert np.mean(labels[entities["truth"].isna()] == -1) >= 0.9


@pytest.mark.parametrize("day", DAYS_TRIED)
def test_behaviour_separates_the_campaigns(month: Path, day: str) -> None:
    columns = """count(*) as a, count(distinct sensor) as b, count(distinct dst_port) as c,
                 avg(coalesce(src_port, 0)) as d"""
    entities = entities_of(month, day, columns, "campaign")
    scaled = StandardScaler().fit_transform(entities[["a", "b", "c", "d"]].to_numpy(dtype=np.float64))
    labels = DBSCAN(eps=0.3, min_samples=5).fit_predict(scaled)
    assert agreement(entities, labels) >= 0.8


def test_some_campaigns_lie_across_the_antimeridian_and_around_a_pole(month: Path) -> None:
    places = table(
        month,
        """select place, min(longitude) as west, max(longitude) as east, min(latitude) as south
           from '{folder}/honeypot_*.parquet' join
                (select distinct entity, place from '{folder}/truth/campaigns_*.parquet') on entity = src_ip
           where latitude between -90 and 90 group by place""",
    )
    reach = {
        str(place): (float(west), float(east), float(south))
        for place, west, east, south in places.to_numpy().tolist()
    }
    for place in ("Taveuni", "Mys Shmidta"):
        west, east, _ = reach[place]
        assert west < -179
        assert east > 179
    west, east, south = reach["South Pole"]
    assert south < -89.9
    assert east - west > 270


def test_an_address_never_moves_nor_changes_sides(month: Path) -> None:
    moved = table(
        month,
        """select src_ip from '{folder}/honeypot_*.parquet' where latitude between -90 and 90
           group by src_ip having count(distinct (latitude, longitude)) > 1""",
    )
    assert moved.empty


def test_most_members_come_back_the_next_day(month: Path) -> None:
    pairs = table(
        month,
        """with member as (
               select entity, campaign, right(parse_filename(filename, true), 10)::date as day, event
               from read_parquet('{folder}/truth/campaigns_*.parquet', filename = true)
           )
           select count(*) as today, count(tomorrow.entity) as back
           from member as today left join member as tomorrow
                on tomorrow.entity = today.entity and tomorrow.day = today.day + 1
           where exists (select 1 from member as later
                         where later.campaign = today.campaign and later.day = today.day + 1)""",
    )
    back = pairs["back"][0] / pairs["today"][0]
    assert 1 - GONE_TOMORROW <= back < 0.95


def test_planted_events_are_what_the_members_do(month: Path) -> None:
    """The events of a day, told once more from nothing but who is in which campaign."""
    counts: Counter[str] = Counter()
    before: dict[str, set[str]] = {}
    for day in SampleConfig(month, FIRST, days=DAYS).each_day():
        truth = table(month, f"from '{{folder}}/truth/campaigns_{day}.parquet'")
        planted = table(month, f"from '{{folder}}/truth/events_{day}.parquet'")
        now: dict[str, set[str]] = defaultdict(set)
        for entity, campaign in zip(truth["entity"], truth["campaign"], strict=True):
            now[campaign].add(entity)
        if before:
            _check_day(before, now, [Planted(*row) for row in planted.to_numpy().tolist()])
            counts.update(planted.drop_duplicates(["campaign", "event"])["event"])
        before = dict(now)
    assert counts["split"] >= 2 * 3
    assert min(counts["born"], counts["died"], counts["merged"]) >= 3


def _check_day(before: dict[str, set[str]], now: dict[str, set[str]], planted: list[Planted]) -> None:
    shared: dict[str, set[str]] = {
        new: {old for old, were in before.items() if were & are} for new, are in now.items()
    }
    told: dict[str, set[str]] = defaultdict(set)
    for row in planted:
        previous = {row.previous_campaign} if isinstance(row.previous_campaign, str) else set()
        if row.event == "died":
            assert row.campaign in before
            assert row.campaign not in now
            assert not any(before[row.campaign] & are for are in now.values())
        else:
            assert row.members == len(now[row.campaign])
            told[row.campaign] |= previous
            assert (row.event == "born") == (not previous)
            assert row.event != "merged" or len(shared[row.campaign]) == 2
            assert row.event != "split" or any(
                row.previous_campaign in olds for new, olds in shared.items() if new != row.campaign
            )
    assert told == shared
    ended = set(before) - set(now) - set().union(*shared.values())
    assert ended == {row.campaign for row in planted if row.event == "died"}
