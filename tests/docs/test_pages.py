"""Pages and pictures that scripts write are up to date."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from cluster_assets.cli import COMMANDS
from cluster_assets.definitions import defs
from cluster_assets.settings import Settings
from cluster_assets.spec.yaml.files import check_attributes
from cluster_assets.spec.yaml.schema import document_schema
from cluster_assets.stages.sequence import TABLES
from docs import make_gallery, make_pictures, make_tables

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_of_tables_says_what_the_contracts_say() -> None:
    page = make_tables.PAGE.read_text(encoding="utf-8")
    assert page == make_tables.page(), "run `make pages`"
    columns = [one for tables in TABLES.values() for table in tables for one in table.columns]
    assert all(f"| `{one.name}` | `{one.type}` | {one.description} |" in page for one in columns)


def test_the_picture_of_the_asset_graph_has_its_assets_and_arrows(home: Path) -> None:
    graph = defs().resolve_asset_graph()
    assets = [key for key in graph.get_all_asset_keys() if key.path[0] == "attackers"]
    assert set(make_pictures.BOXES) == {key.path[1] for key in assets}
    inner = {(parent, key) for key in assets for parent in graph.get(key).parent_keys if parent in assets}
    arrows = {(parent.path[1], key.path[1]) for parent, key in inner}
    assert set(make_pictures.ARROWS) == arrows
    assert make_pictures.GRAPH.read_text(encoding="utf-8") == make_pictures.graph_svg(), "run `make pages`"


def test_the_gallery_shows_the_pictures_of_its_examples() -> None:
    drawn = {
        f"{name}-{picture}.svg" for name, one in make_gallery.EXAMPLES.items() for picture in one.pictures
    }
    assert {path.name for path in make_gallery.FOLDER.iterdir()} == drawn, "run `python -m docs.make_gallery`"
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\(pictures/gallery/([^)]+)\)", page)) == sorted(drawn)
    for name, one in make_gallery.EXAMPLES.items():
        make_gallery.spec_of(name, one, ROOT)


def test_links_of_the_front_page_lead_somewhere() -> None:
    """`make docs` checks those of the pages; these files are outside the site."""
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        links = re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", page.read_text(encoding="utf-8"))
        for name, anchor in links:
            target = ROOT / name
            assert target.exists(), name
            if anchor:
                assert anchor in headings(target), f"{name}#{anchor}"


def headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_every_command_and_setting_is_documented() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert [name for name in COMMANDS if f"| `cluster-assets {name}" not in pages] == []
    settings = [f"CLUSTER_{name.upper()}" for name in Settings.model_fields]
    assert [name for name in settings if not re.search(rf"\b{name}\b", pages)] == []


def test_yaml_examples_are_pipelines() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "yaml.md"):
        text = page.read_text(encoding="utf-8")
        (example,) = re.findall(r"```yaml\n(# yaml-language-server.*?)```", text, re.DOTALL)
        # Also with the keys that are commented out, but for the table that would replace the files.
        everything = re.sub(r"^( +)# (?!table:)(\w+:)", r"\1\2", example, flags=re.MULTILINE)
        for body in map(yaml.safe_load, (example, everything)):
            assert Draft202012Validator(document_schema()).is_valid(body)
            check_attributes(body["attributes"])
