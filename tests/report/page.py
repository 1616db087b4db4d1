"""A page of HTML, taken apart."""

from html.parser import HTMLParser
from pathlib import Path

__all__ = ["LOADS", "Page", "read_page"]

# Attributes whose value a browser may fetch, and what makes an element run something.
LOADS = ("src", "href", "srcset", "poster", "data", "action", "formaction", "background")


class Page(HTMLParser):
    """What stands in a page.

    Attributes:
        tags: every element with its attributes, in order.
        sections: text of each section by its anchor.
        scripts: content of every script element.
        styles: content of every style element.
        text: all text outside of these.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {}
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.text = ""
        self._section = ""
        self._inside: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append((tag, values))
        if tag == "section":
            self._section = values["id"]
            self.sections[self._section] = ""
        self._inside = {"script": self.scripts, "style": self.styles}.get(tag)
        if self._inside is not None:
            self._inside.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._section = ""
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self._inside[-1] += data
            return
        self.text += data
        if self._section:
            self.sections[self._section] += data

    def check_loads_nothing(self) -> None:
        """No element makes a browser fetch or run anything that is not in the page."""
        for tag, values in self.tags:
            for name, value in values.items():
                assert not name.startswith("on"), (tag, name, value)
                if name in LOADS:
                    assert value.startswith(("data:image/", "#")), (tag, name, value[:80])
            assert tag not in {"link", "iframe", "object", "embed", "base"}, tag
            assert "url(" not in values.get("style", "")


def read_page(path: Path) -> Page:
    page = Page()
    text = path.read_text(encoding="utf-8")
    page.feed(text)
    page.close()
    return page
