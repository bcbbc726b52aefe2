"""Draw the pictures of README and docs: `python -m docs.make_pictures` after `make demo`, or `make pages`.

`graph.svg` is the asset graph of a pipeline; `report.png` is a screenshot of the newest report of `attackers`
in `CLUSTER_HOME`, taken by Chromium.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from cluster_assets.opening import open_storage
from cluster_assets.settings import load_settings
from cluster_assets.stages.ledger.ledger import Ledger
from cluster_assets.stages.report.stage import PAGE

FOLDER = Path(__file__).parent / "pictures"
GRAPH = FOLDER / "graph.svg"
REPORT = FOLDER / "report.png"
PIPELINE = "attackers"
_WIDTH, _HEIGHT = 200, 76
_SCREEN = (1280, 1150)
_COLOURS = 96


@dataclass(frozen=True, slots=True)
class Box:
    """An asset in the picture: its upper left corner, what it holds, and who computes it."""

    x: int
    y: int
    lines: tuple[str, str]
    colour: str


_SQL, _WORKER, _REPORT = "#2f5d8a", "#a4561c", "#4f7a3a"
BOXES = {
    "raw": Box(20, 70, ("source rows of the day,", "found, counted, checked"), _SQL),
    "points": Box(280, 70, ("one weighted point for", "each distinct feature value"), _SQL),
    "candidates": Box(540, 70, ("every pair of points", "within the threshold"), _WORKER),
    "clusters": Box(800, 70, ("cluster and role", "of every entity"), _WORKER),
    "lineage": Box(800, 230, ("ids that last; births,", "splits, mergers, deaths"), _SQL),
    "profiles": Box(540, 230, ("size, medoid, cohesion,", "distinguishing features"), _WORKER),
    "report": Box(280, 230, ("the day in pictures", "and one HTML page"), _REPORT),
    "index": Box(540, 390, ("lookups of entities,", "classification of items"), _WORKER),
    "published_json": Box(1060, 70, ("gzipped JSON lines,", "a file for each day"), _REPORT),
    "published_dynamodb": Box(1060, 230, ("the newest day by key,", "in DynamoDB or SQLite"), _REPORT),
}
# From and to, and the curve between; `C` has its control points, `L` is straight.
ARROWS = {
    ("raw", "points"): "M220 108 L278 108",
    ("points", "candidates"): "M480 108 L538 108",
    ("candidates", "clusters"): "M740 108 L798 108",
    ("points", "clusters"): "M400 70 C440 20 820 20 870 68",
    ("clusters", "lineage"): "M900 146 L900 228",
    ("clusters", "profiles"): "M830 146 L700 228",
    ("points", "profiles"): "M440 146 L580 228",
    ("lineage", "profiles"): "M800 268 L742 268",
    ("profiles", "report"): "M540 268 L482 268",
    ("points", "report"): "M370 146 L370 228",
    ("clusters", "report"): "M802 140 C700 200 560 170 450 228",
    ("profiles", "index"): "M640 306 L640 388",
    ("lineage", "index"): "M880 306 C870 400 800 428 742 428",
    ("clusters", "index"): "M815 146 C765 200 780 330 700 388",
    ("candidates", "index"): "M560 146 C500 190 500 340 570 388",
    ("points", "index"): "M300 146 C210 240 230 428 538 428",
    ("clusters", "published_json"): "M1000 108 L1058 108",
    ("clusters", "published_dynamodb"): "M970 146 L1080 228",
    ("lineage", "report"): "M880 306 C830 356 450 356 400 308",
}


def graph_svg() -> str:
    """The asset graph as SVG."""
    arrows = [f'<path d="{curve}" marker-end="url(#tip)"/>' for curve in ARROWS.values()]
    boxes = [_box(name, box) for name, box in BOXES.items()]
    key = [
        f'<rect x="{x}" y="526" width="12" height="12" rx="3" fill="{colour}"/>'
        f'<text x="{x + 18}" y="537" fill="#444">{text}</text>'
        for x, colour, text in (
            (20, _SQL, "SQL engine: DuckDB, Trino or Athena"),
            (300, _WORKER, "SQL engine and worker: local process or Lambda"),
            (670, _REPORT, "Dagster process"),
        )
    ]
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1280 552" '
        'font-family="system-ui, Helvetica, Arial, sans-serif" font-size="13">'
    )
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0 L8 4 L0 8 Z" fill="#888"/></marker></defs>'
    )
    title = "<title>The assets of a pipeline, one partition a UTC day</title>"
    ground = '<rect width="1280" height="552" fill="#fff"/>'
    lines = ['<g fill="none" stroke="#888" stroke-width="1.5">', *arrows, "</g>", *boxes, *key, "</svg>", ""]
    return "\n".join([head, title, tip, ground, *lines])


def _box(name: str, box: Box) -> str:
    first, second = box.lines
    return (
        f'<rect x="{box.x}" y="{box.y}" width="{_WIDTH}" height="{_HEIGHT}" rx="9" fill="#fff" '
        f'stroke="{box.colour}" stroke-width="2"/>'
        f'<text x="{box.x + 14}" y="{box.y + 24}" font-size="15" font-weight="600" fill="{box.colour}">'
        f"{name}</text>"
        f'<text x="{box.x + 14}" y="{box.y + 45}" fill="#444">{first}</text>'
        f'<text x="{box.x + 14}" y="{box.y + 62}" fill="#444">{second}</text>'
    )


def screenshot(page: Path, picture: Path) -> None:
    """Take a picture of the upper part of a page, in few colours."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium on the search path; install it to take the picture of the report")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder, "page.png")
        flags = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}/profile"]
        size = f"--window-size={_SCREEN[0]},{_SCREEN[1]}"
        command = [chromium, *flags, size, f"--screenshot={taken}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        with Image.open(taken) as image:
            image.convert("RGB").quantize(_COLOURS).save(picture, optimize=True)


def newest_report() -> Path:
    """The page of the newest published report of the demo."""
    store, catalog = open_storage(load_settings())
    ledger = Ledger(store, catalog, PIPELINE)
    days = ledger.days("report")
    if not days:
        sys.exit(f"{PIPELINE} has no report; run `make demo` first")
    return Path(ledger.document_uri(ledger.require("report", days[-1]), PAGE))


def main() -> None:
    """Write both pictures."""
    FOLDER.mkdir(exist_ok=True)
    GRAPH.write_text(graph_svg(), encoding="utf-8")
    screenshot(newest_report(), REPORT)


if __name__ == "__main__":
    main()
