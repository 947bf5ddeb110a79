"""docs/chat.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.snippets.blocks import block
from tests.snippets.programs import python, shell

GUIDE = "docs/chat.md"
BEGIN = block(GUIDE, '"type": "group"')
TALK = block(GUIDE, "temp_id")
SERVICE = block(GUIDE, "commitment-7")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_group_talks_and_a_service_posts(client: Any, reached: dict[str, str], user_token: Callable[[str], str]):
    tokens = {"ALICE": user_token("alice"), "BOB": user_token("bob")}
    assert json.loads(shell(BEGIN, **reached))["participants"] == ["alice", "bob"]
    said = shell(TALK, **reached, **tokens)
    decoder, found = json.JSONDecoder(), []
    while said.strip():
        document, end = decoder.raw_decode(said.strip())
        found.append(document)
        said = said.strip()[end:]
    sent, unread, listed, read = found
    assert (sent["no"], unread["unread_mentions"], len(listed["data"]), read["unread"]) == (1, 1, 1, 0)
    for _ in range(2):
        assert python(SERVICE, **reached) == "2 system\n3 system\n"
