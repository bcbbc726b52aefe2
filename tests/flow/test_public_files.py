"""Public CSV files, unchanged, pass all stages; labels equal scikit-learn's on the whole table.

The truth is read by Python's csv module: names with commas, colours such as #FFFFFF, padded values and
headers, columns without a name, files without a header.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.cluster import DBSCAN
from sklearn.neighbors import NearestNeighbors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.flow.conftest import Runner

DAY = "2026-01-02"
MOST_LINES = 800
MIN_SAMPLES = 3


@dataclass(frozen=True)
class Case:
    """What is clustered of a file.

    Attributes:
        entity: Columns that together name an entity.
        vector: Columns of numbers.
        dialect: What `raw.csv` says.
    """

    entity: tuple[str, ...]
    vector: tuple[str, ...]
    dialect: dict[str, Any] = field(default_factory=dict)


BOKEH = {
    "SampleSuperstore.csv.gz": Case(("City", "Sub-Category"), ("Sales", "Profit")),
    "airports.csv": Case(("Name", "City"), ("Latitude", "Longitude")),
    "anscombe.csv": Case(("Ix", "Iy"), ("Ix", "IIy", "IVy")),
    "antibiotics.csv": Case(("bacteria", "gram"), ("penicillin", "streptomycin", "neomycin")),
    "auto-mpg.csv": Case(("name", "yr"), ("mpg", "hp", "weight")),
    "auto-mpg2.csv": Case(("column0", "trans"), ("displ", "cty", "hwy")),
    "browsers_nov_2013.csv": Case(("Browser Version",), ("Market Share Perc. (Nov 2013)",)),
    "cycling.csv.gz": Case(("time",), ("power", "cadence", "speed")),
    "elements.csv": Case(("symbol", "CPK"), ("electronegativity", "atomic radius", "IE-1")),
    "forensic_glass.csv": Case(("RI", "type"), ("Na", "Mg", "Al", "Si")),
    "lincoln_weather.csv": Case(("NAME", "DATE"), ("TMAX", "TMIN")),
    "numberly.csv": Case(("A couple", "A lot", "Scores of"), ("Dozens", "Fractions of")),
    "obiszow_mtb_xcm.csv": Case(("lon", "lat"), ("lon", "lat", "alt")),
    "penguins.csv": Case(("species", "sex", "body_mass_g"), ("bill_length_mm", "bill_depth_mm")),
    "percent-bachelors-degrees-women-usa.csv": Case(("Year",), ("Art and Performance", "Engineering")),
    "population.csv.gz": Case(("Location", "AgeGrp", "Year"), ("Value",)),
    "probly.csv": Case(("Almost Certainly", "Unlikely"), ("We Believe", "Chances Are Slight")),
    "routes.csv.gz": Case(("Airline", "Source"), ("SourceID", "DestinationID")),
    "sea_surface_temperature.csv.gz": Case(("time (UTC)",), ("temperature (celsius)",)),
    "stocks.csv.gz": Case(("Ticker", "Date"), ("High", "Volume", "Adj Close")),
    "titanic_all.csv": Case(("name",), ("age", "survived")),
    "world_cities.csv.gz": Case(("name",), ("lat", "lng")),
}
SKLEARN = {
    "diabetes_data_raw.csv.gz": Case(
        ("n0", "n3", "n4"), ("n2", "n8"), {"delimiter": " ", "names": [f"n{n}" for n in range(10)]}
    ),
    "digits.csv.gz": Case(
        ("n2", "n3", "n4", "n5", "n64"), ("n10", "n20", "n30"), {"names": [f"n{n}" for n in range(65)]}
    ),
    "linnerud_exercise.csv": Case(("Chins", "Situps"), ("Situps", "Jumps"), {"delimiter": " "}),
}


def published(file: str) -> Path:
    """Where a file lies in the package that brings it; nothing is imported."""
    package, folder = ("bokeh_sampledata", "_data") if file in BOKEH else ("sklearn", "datasets/data")
    found = find_spec(package)
    assert found is not None, f"{package} is not installed; the extra `dev` names it"
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / folder / file


def beginning(file: str) -> bytes:
    """The first lines of a file, unzipped; no record of these files is longer than a line."""
    path = published(file)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        return b"".join(itertools.islice(stream, MOST_LINES))


def records(content: bytes, case: Case) -> Iterator[dict[str, str | None]]:
    lines = content.decode("utf-8-sig").splitlines(keepends=True)
    rows = csv.reader(lines, delimiter=case.dialect.get("delimiter", ","), strict=True)
    names = case.dialect.get("names") or [name.strip() or f"column{n}" for n, name in enumerate(next(rows))]
    for row in rows:
        yield dict(zip(names, (cell or None for cell in row), strict=True))


def entities(content: bytes, case: Case) -> tuple[list[str], np.ndarray]:
    """Names of the entities in order, and their vectors of the largest numbers; shape (entities, columns)."""
    found: dict[str, list[list[float]]] = {}
    for row in records(content, case):
        name = [row[column] for column in case.entity]
        if None not in name:
            numbers = found.setdefault("/".join(map(str, name)), [[] for _ in case.vector])
            for values, column in zip(numbers, case.vector, strict=True):
                if (cell := row[column]) is not None:
                    values.append(float(cell))
    whole = {name: [max(values) for values in numbers] for name, numbers in found.items() if all(numbers)}
    return sorted(whole), np.array([whole[name] for name in sorted(whole)])


def largest(column: str, case: Case) -> str:
    """A column that is part of a name is text, and says where it is a number."""
    return f'max(try_cast("{column}" AS double))' if column in case.entity else f'max("{column}")'


@pytest.mark.parametrize("file", [*BOKEH, *SKLEARN])
def test_a_public_file_is_clustered_as_it_is(
    runner: Callable[..., Runner], tmp_path: Path, file: str
) -> None:
    case, content = (BOKEH | SKLEARN)[file], beginning(file)
    names, values = entities(content, case)
    distances, _ = NearestNeighbors(n_neighbors=MIN_SAMPLES).fit(values).kneighbors()
    threshold = float(np.quantile(distances[:, -1], 0.3)) * 1.0001 or 0.5  # no distance lies on it
    path = tmp_path / f"day={DAY}" / file.removesuffix(".gz")
    path.parent.mkdir()
    path.write_bytes(content)
    run = runner(
        raw={"files": f"{tmp_path}/*/*.csv", "partition_column": "day"}
        | ({"csv": case.dialect} if case.dialect else {}),
        entity=" || '/' || ".join(f'"{column}"' for column in case.entity),
        on_invalid="exclude",
        features={"vector": [largest(column, case) for column in case.vector]},
        distance={"metric": "euclidean", "threshold": threshold},
        algorithm={"type": "dbscan", "min_samples": MIN_SAMPLES},
    )
    rows = run.run(DAY)["points"].manifest.metrics["rows"]
    assert rows == sum(1 for _ in records(content, case))
    members = run.table("members", DAY).sort_values("entity")
    assert members["entity"].tolist() == names
    points = run.table("points", DAY).set_index("point_id").loc[members["point_id"]]
    assert points[[f"x{n}" for n in range(len(case.vector))]].to_numpy().tolist() == values.tolist()
    labels = DBSCAN(eps=threshold, min_samples=MIN_SAMPLES).fit(values).labels_
    assert run.table("clusters", DAY).sort_values("entity")["cluster"].tolist() == labels.tolist()
    assert len(set(labels)) > 1
