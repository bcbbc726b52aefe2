"""Days as Parquet files: byte-identical for the same configuration, and written atomically."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd

from cluster_assets.domain.errors import SpecError
from cluster_assets.sample.addresses import NOISE, addresses_on
from cluster_assets.sample.campaigns import World
from cluster_assets.sample.config import SampleReport
from cluster_assets.sample.dirt import soil_addresses, soil_rows
from cluster_assets.sample.places import CITIES
from cluster_assets.sample.profiles import ICMP, PROTOCOLS, TARGET_BASE
from cluster_assets.sample.traffic import SENSORS, rows_on
from cluster_assets.sample.truth import events, membership

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from cluster_assets.domain.days import Day
    from cluster_assets.sample.addresses import Addresses
    from cluster_assets.sample.config import SampleConfig
    from cluster_assets.sample.traffic import Rows

_THREADS = 2
# Addresses become text while streaming into the file, so that Python never holds the strings.
_ADDRESS_TEXT = "concat_ws('.', address >> 24, (address >> 16) & 255, (address >> 8) & 255, address & 255)"
_ROWS_SQL = f"""
    select event_time::timestamp as event_time, sensor::varchar as sensor, {_ADDRESS_TEXT} as src_ip,
           protocol::varchar as protocol, nullif(icmp_type, -1)::smallint as icmp_type,
           nullif(src_port, -1)::integer as src_port, nullif(dst_port, -1)::integer as dst_port,
           country_code::varchar as country_code, country::varchar as country, region::varchar as region,
           latitude::double as latitude, longitude::double as longitude
    from frame
"""
_MEMBERSHIP_SQL = f"""
    select {_ADDRESS_TEXT} as entity, campaign::varchar as campaign, place::varchar as place,
           behaviour::varchar as behaviour, event::varchar as event,
           previous_campaign::varchar as previous_campaign
    from frame order by entity
"""
_EVENTS_SQL = """
    select campaign::varchar as campaign, event::varchar as event,
           previous_campaign::varchar as previous_campaign, members::bigint as members
    from frame
"""


def write_sample(config: SampleConfig, on_day: Callable[[Path], None] | None = None) -> SampleReport:
    """Write `honeypot_<day>.parquet` for each day, and its ground truth into `truth/`.

    The day files have the columns of the honeypot data of 2013, sorted by event_time. Each has
    `truth/campaigns_<day>.parquet` (entity, campaign, place, behaviour, event, previous_campaign; only
    members, all other addresses are noise) and `truth/events_<day>.parquet` (campaign, event,
    previous_campaign, members), which includes campaigns that ended the day before. The sample is a window
    of its world, so on its first day most campaigns `continue` from a day that was not written. Files of
    earlier samples are replaced.

    Args:
        config: The sample.
        on_day: Called with each day file when it is complete.

    Raises:
        SpecError: The output folder cannot be created, or a file in it cannot be written.
    """
    started = time.perf_counter()
    truth = config.output / "truth"
    try:
        truth.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(config.output, error) from error
    world = World(config)
    files, rows = [], 0
    with duckdb.connect(config={"threads": _THREADS, "preserve_insertion_order": True}) as connection:
        for day in config.each_day():
            path = config.output / f"honeypot_{day}.parquet"
            rows += _write_day(config, world, day, path, connection)
            files.append(path)
            if on_day:
                on_day(path)
    size = sum(path.stat().st_size for path in files)
    return SampleReport(tuple(files), rows, size, time.perf_counter() - started)


def _write_day(
    config: SampleConfig, world: World, day: Day, path: Path, connection: duckdb.DuckDBPyConnection
) -> int:
    """Write the files of one day, the rows last, and return the number of rows."""
    wings = world.wings_on(day.date)
    addresses = addresses_on(day.date, world, wings, config.entities)
    truth = config.output / "truth"
    # Frames have no names here, so that each is freed before the next one is made.
    _write(connection, membership(wings, addresses), _MEMBERSHIP_SQL, truth / f"campaigns_{day}.parquet")
    happened = events(day.date, world, wings, addresses)
    _write(connection, happened, _EVENTS_SQL, truth / f"events_{day}.parquet")
    rows = rows_on(day.date, world.lots, wings, addresses, config)
    if config.dirt:
        ordinal = day.date.toordinal()
        rows = soil_rows(rows, addresses, ordinal, world.lots)
        addresses = soil_addresses(addresses, ordinal, world.lots)
    _write(connection, _frame_of(day, rows, addresses), _ROWS_SQL, path)
    return len(rows.minute)


def _frame_of(day: Day, rows: Rows, addresses: Addresses) -> pd.DataFrame:
    """Return a day's rows: -1 for null integers, NaN for null coordinates, strings as categories."""
    protocol, port = np.divmod(rows.target, TARGET_BASE)
    ping = protocol == ICMP
    city = addresses.city.astype(np.int8)
    # Geolocation databases have a region for the cities of campaigns, but none for noise elsewhere.
    region_city = np.where(addresses.wing == NOISE, -1, city).astype(np.int8)
    minutes = rows.minute.astype("timedelta64[m]").astype("timedelta64[us]")
    return pd.DataFrame(
        {
            "event_time": np.datetime64(day.date, "us") + minutes,
            "sensor": _categories(rows.sensor, SENSORS),
            "address": addresses.number[rows.entity],
            "protocol": _categories(protocol, PROTOCOLS),
            "icmp_type": np.where(ping, port, -1).astype(np.int16),
            "src_port": np.where(ping, -1, rows.source_port).astype(np.int32),
            "dst_port": np.where(ping, -1, port).astype(np.int32),
            "country_code": _categories(city[rows.entity], [one.country_code for one in CITIES]),
            "country": _categories(city[rows.entity], [one.country for one in CITIES]),
            "region": _categories(region_city[rows.entity], [one.region for one in CITIES]),
            "latitude": addresses.latitude[rows.entity],
            "longitude": addresses.longitude[rows.entity],
        },
        copy=False,
    )


def _categories(codes: NDArray[np.integer], names: Sequence[str | None]) -> pd.Categorical[str]:
    """Return a text column without one string per row; the code -1 and the name None are null."""
    distinct = sorted({name for name in names if name is not None})
    table = np.array([-1 if name is None else distinct.index(name) for name in names] + [-1], dtype=np.int8)
    return pd.Categorical.from_codes(table[codes], categories=pd.Index(distinct))


def _write(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame, sql: str, path: Path) -> None:
    """Write the result of a query over `frame` to a Parquet file atomically."""
    # This suffix prevents a *.parquet glob from matching a partial file.
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    target = str(partial).replace("'", "''")
    connection.register("frame", frame)
    try:
        connection.execute(f"copy ({sql}) to '{target}' (format parquet, compression zstd)")
        partial.replace(path)
    except (OSError, duckdb.IOException) as error:
        raise _unwritable(path, error) from error
    finally:
        connection.unregister("frame")
        partial.unlink(missing_ok=True)


def _unwritable(path: Path, error: Exception) -> SpecError:
    return SpecError(
        f"the sample cannot be written: {error}",
        where=str(path),
        remedy="choose a folder that can be created and written to, on a disk with free space",
    )
