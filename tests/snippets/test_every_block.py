"""Every code block of README, CONTRIBUTING, docs/ and the client's README is run by a test, or is listed here."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from tests.snippets.blocks import BLOCKS, block, named

RUN_IN = [f"tests.snippets.{path.stem}" for path in Path(__file__).parent.glob("test_*.py")]
RUN_IN += ["tests.carillon.test_package"]

# By file and words of the block, why it is not run by a test in Python.
NOT_RUN = {
    ("docs/design.md", "flowchart LR"): "a diagram",
    ("docs/adr/0022-one-layer-of-actions.md", "web | workers"): "a diagram",
    ("CONTRIBUTING.md", "make check"): "it would run this test",
    ("docs/operations.md", "users.external_id FROM addresses"): "needs a token of the reader's; it reads two tables",
    ("docs/operations.md", "sha256sum"): "tests/web/test_devices.py frees a device of another tenant",
    ("docs/operations.md", "synchronous_standby_names ="): "tests/models/test_engine.py commits without a standby",
    ("clients/js/README.md", "function Chat"): "clients/js/test/chat.test.tsx runs its hooks",
    ("clients/js/README.md", "<carillon-bell"): "clients/js/e2e/bell.spec.ts runs it in a browser",
}


def test_every_block_is_run_or_listed():
    for module in RUN_IN:
        import_module(module)
    for file, words in NOT_RUN:
        block(file, words)
    assert [f"{one.file}:{one.line}" for one in BLOCKS if one not in named] == []


def test_every_block_says_its_language():
    # For colors in editors and on GitHub, and for readers who look for theirs.
    assert [f"{one.file}:{one.line}" for one in BLOCKS if not one.language] == []
