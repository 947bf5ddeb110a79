"""Markdown as HTML for the pages of the documentation. HTML in the Markdown is shown as text."""

from __future__ import annotations

import re
from collections.abc import Callable

from markdown_it import MarkdownIt
from markdown_it.token import Token

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(markdown: str, link: Callable[[str], str | None] = lambda target: target) -> str:
    """The HTML. `link` translates the target of each link and image; what it returns None for is no link."""
    html: str = _MARKDOWN.renderer.render(parse(markdown, link), _MARKDOWN.options, {})
    return html


def parse(markdown: str, link: Callable[[str], str | None] = lambda target: target) -> list[Token]:
    """The tokens, with an anchor for each heading as GitHub names them, and links that `link` has translated."""
    tokens = _MARKDOWN.parse(markdown)
    taken: dict[str, int] = {}
    for number, (token, following) in enumerate(zip(tokens, [*tokens[1:], None], strict=True)):
        # The policy of the pages allows no styles in attributes.
        token.attrs.pop("style", None)
        if token.type == "heading_open" and following is not None:
            token.attrSet("id", _anchor(following, taken))
        if token.type in ("fence", "code_block", "table_open"):
            # Those that are wider than the window can be scrolled with the keyboard.
            token.attrSet("tabindex", "0")
        if token.type == "th_open" and following is not None and not following.content:
            # Markdown has no table without a header. An empty one is no header to a screen reader.
            token.tag = tokens[number + 2].tag = "td"
        if token.children:
            token.children = list(_linked(token.children, link))
    return tokens


def text_of(token: Token) -> str:
    """The text of a heading or a link, without marks."""
    return "".join(child.content for child in token.children or ())


def _anchor(heading: Token, taken: dict[str, int]) -> str:
    name = re.sub(r"[^\w\- ]", "", text_of(heading).lower()).replace(" ", "-")
    taken[name] = taken.get(name, -1) + 1
    return f"{name}-{taken[name]}" if taken[name] else name


def _linked(children: list[Token], link: Callable[[str], str | None]) -> list[Token]:
    kept: list[Token] = []
    open_: list[bool] = []
    for child in children:
        if child.type == "link_open":
            target = link(str(child.attrs["href"]))
            open_.append(target is not None)
            if target is None:
                continue
            child.attrs["href"] = target
        elif child.type == "link_close" and not open_.pop():
            continue
        elif child.type == "image":
            child.attrs["src"] = link(str(child.attrs["src"])) or ""
        kept.append(child)
    return kept
