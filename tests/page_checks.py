"""What every page has to be, checked with the parser of the standard library."""

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "hr", "img", "input"}
HEADINGS = ("h1", "h2", "h3", "h4")


class Page(HTMLParser):
    """A page, read strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = text
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"{tag} has an attribute twice: {names}"
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element, line {self.getpos()[0]}"

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append((self.open[-1] if self.open else "", data))

    @property
    def visible(self) -> str:
        """All text a person can read, on one line."""
        return " ".join(" ".join(words.split()) for tag, words in self.words if tag != "style")

    def all(self, tag: str) -> list[dict[str, str]]:
        """Attributes of every element of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def attributes(self, name: str) -> list[str]:
        """Values of an attribute, wherever it stands."""
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def check_self_contained(page: Page) -> None:
    """The page asks nothing of the network and runs nothing."""
    assert not [*page.all("script"), *page.all("link"), *page.all("iframe")]
    assert page.attributes("src") == []
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert re.findall(r"url\((?!#)", page.text) == []
    assert "@import" not in page.text
    assert "http:" not in page.text
    assert "https:" not in page.text


def check_well_made(page: Page) -> None:
    """Ids are unique, references lead somewhere, headings are in order, tables and figures can be read aloud."""
    ids = page.attributes("id")
    assert len(set(ids)) == len(ids)
    references = [link.removeprefix("#") for link in page.attributes("href")]
    references += page.attributes("aria-labelledby")
    references += re.findall(r"url\(#([^)]*)\)", " ".join(page.attributes("clip-path") + page.attributes("style")))
    assert references
    assert set(references) <= set(ids)
    levels = [HEADINGS.index(tag) + 1 for tag, _ in page.elements if tag in HEADINGS]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table")) > 0
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert all(image.get("role") == "img" and image.get("aria-label") for image in page.all("svg"))
    assert len(page.all("main")) == len(page.all("header")) == len(page.all("nav")) == len(page.all("footer")) == 1
    assert page.all("html")[0]["lang"] == "en"
