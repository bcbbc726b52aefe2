"""Reads a report as a program does."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "input", "link"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list[Element] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def find(self, tag: str, **attributes: str) -> list[Element]:
        found = [self] if self.tag == tag and attributes.items() <= self.attributes.items() else []
        return found + [match for child in self.children for match in child.find(tag, **attributes)]

    def rows(self) -> list[dict[str, str]]:
        """The rows of all tables inside, by the words of their heads."""
        return [
            dict(
                zip(
                    (cell.text for cell in table.find("th")),
                    (cell.text for cell in row.find("td")),
                    strict=True,
                )
            )
            for table in self.find("table")
            for body in table.find("tbody")
            for row in body.find("tr")
        ]


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:  # of SVG
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].tag == tag, f"{tag} closes {self.open[-1].tag}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.texts.append(data)


def read_page(body: bytes) -> Element:
    """The elements of a page; every one of them is closed, in order."""
    parser = _Parser()
    parser.feed(body.decode())
    parser.close()
    assert parser.open == [parser.root]
    return parser.root
