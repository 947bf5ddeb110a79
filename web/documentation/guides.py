"""The guides: the Markdown files of docs/, the README and that of the client, as pages."""

from __future__ import annotations

import posixpath
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from web.documentation.markdown import parse, text_of, to_html

_ROOT = Path(__file__).parents[2]
_DOCS = _ROOT / "docs"
_PREFIX = "/docs/guides"
SCREENS = _DOCS / "screens"

# By the name of the page, the file relative to the root. The index has no name.
FILES = {
    "": "docs/README.md",
    "start": "README.md",
    "client": "clients/js/README.md",
    **{
        path.relative_to(_DOCS).with_suffix("").as_posix(): path.relative_to(_ROOT).as_posix()
        for path in sorted(_DOCS.rglob("*.md"))
        if path != _DOCS / "README.md"
    },
}
_URLS = {file: f"{_PREFIX}/{name}".rstrip("/") for name, file in FILES.items()}


class Link(NamedTuple):
    """A link to a guide or to a part of one."""

    url: str
    text: str


def guide(name: str) -> dict[str, Any]:
    """What the template shows of the guide with a name of FILES."""
    file = FILES[name]
    markdown = (_ROOT / file).read_text(encoding="utf-8")
    tokens = parse(markdown)
    headings = [
        (token.tag, Link(f"#{token.attrs['id']}", text_of(following)))
        for token, following in pairwise(tokens)
        if token.type == "heading_open"
    ]
    return {
        "title": next((heading.text for tag, heading in headings if tag == "h1"), name),
        "parts": [heading for tag, heading in headings if tag == "h2"],
        "guides": _listed(),
        "current": _URLS[file],
        "html": to_html(markdown, lambda target: _url(file, target)),
    }


def _listed() -> list[Link]:
    """The guides in the order of the index."""
    index = FILES[""]
    children = [
        child
        for token in parse((_ROOT / index).read_text(encoding="utf-8"), lambda target: _url(index, target))
        for child in token.children or ()
    ]
    return [
        Link(str(opening.attrs["href"]), following.content)
        for opening, following in pairwise(children)
        if opening.type == "link_open" and str(opening.attrs["href"]).startswith(_PREFIX)
    ]


def _url(file: str, target: str) -> str | None:
    """Where a link in a file leads to from its page. None for what the server does not give out."""
    if target.startswith(("http://", "https://", "mailto:", "#", "/")):
        return target
    path, mark, anchor = target.partition("#")
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
    if wanted.startswith("docs/screens/"):
        return f"{_PREFIX}/{wanted.removeprefix('docs/')}"
    return _URLS[wanted] + mark + anchor if wanted in _URLS else None
