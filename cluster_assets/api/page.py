"""The page for people: one file of HTML, CSS and JavaScript that asks the API."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path

from cluster_assets.api.operations import Reply

_FILE = Path(__file__).with_name("page.html")


@cache
def page() -> Reply:
    """Return the page; its policy allows its own script and style, and nothing from elsewhere."""
    text = _FILE.read_text(encoding="utf-8")
    policy = (
        "default-src 'none'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        f"frame-ancestors 'none'; script-src {_hash(text, 'script')}; style-src {_hash(text, 'style')}"
    )
    return Reply(text.encode(), "text/html; charset=utf-8", {"content-security-policy": policy})


def _hash(text: str, tag: str) -> str:
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in found)
