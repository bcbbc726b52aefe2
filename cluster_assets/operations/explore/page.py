"""The page of an exploration: one self-contained HTML file without scripts or external resources."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import jinja2
import markupsafe

from cluster_assets.domain.counts import counted
from cluster_assets.operations.explore.pictures import draw_all
from cluster_assets.stages.report.pictures import page as report_page
from cluster_assets.stages.report.pictures.svg import css

if TYPE_CHECKING:
    from cluster_assets.operations.explore.findings import Findings


def write_page(path: Path, findings: Findings) -> None:
    """Write the page, atomically.

    Raises:
        OSError: The file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        draft.write_bytes(render_page(findings))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def render_page(findings: Findings) -> bytes:
    """Return the page; every text from data is escaped."""
    text = _template().render(
        findings=findings,
        days=tuple(dict.fromkeys((findings.days[0].day, findings.days[-1].day))),
        suggested=findings.setting(findings.suggestion.threshold, findings.suggestion.min_samples),
        pictures=draw_all(findings),
        css=markupsafe.Markup(css()),  # noqa: S704  # our own rules
    )
    return text.encode()


@cache
def _template() -> jinja2.Template:
    folders = [Path(__file__).parent, Path(report_page.__file__).parent]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": report_page.number, "counted": counted}
    return environment.get_template("explore.html")
