"""The code blocks of the documentation, and which of them a test runs."""

from __future__ import annotations

from typing import NamedTuple

from markdown_it import MarkdownIt

from tests.databases import ROOT

FILES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "clients/js/README.md",
    *sorted(ROOT.glob("docs/**/*.md")),
]


class Block(NamedTuple):
    """A block of code, as it stands in a file. `line` is its first."""

    file: str
    line: int
    language: str
    code: str


def blocks_of(file: str, markdown: str) -> list[Block]:
    """All blocks of a text, in their order."""
    return [
        Block(file, token.map[0] + 2, token.info, token.content)
        for token in MarkdownIt().parse(markdown)
        if token.type in ("fence", "code_block") and token.map
    ]


BLOCKS = [block for path in FILES for block in blocks_of(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8"))]

# Those that somebody has asked for. `test_every_block.py` demands that this is all of them.
named: set[Block] = set()


def block(file: str, words: str) -> str:
    """The code of the only block in the file that contains the words.

    To be called when a module of tests is imported, for what its tests run.
    """
    found = [one for one in BLOCKS if one.file == file and words in one.code]
    assert len(found) == 1, f"{len(found)} blocks of {file} contain {words!r}"
    named.update(found)
    return found[0].code
