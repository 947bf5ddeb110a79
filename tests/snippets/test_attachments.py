"""docs/attachments.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from sqlalchemy import Engine

from tests.factories import create_users
from tests.snippets.blocks import block

GUIDE = "docs/attachments.md"
ANNOUNCED = block(GUIDE, "invoice.pdf")
TICKET = block(GUIDE, "content-type")
# The same request as the one below.
block(GUIDE, "await fetch(upload.url")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_is_announced_uploaded_and_sent(
    client: Any, engine: Engine, reached: dict[str, str], user_token: Callable[[str], str]
):
    create_users(engine, ["bob"])
    url, headers = reached["CARILLON_URL"], {"Authorization": f"Bearer {user_token('alice')}"}
    group = {"type": "group", "participants": ["alice", "bob"]}
    begun = requests.post(f"{url}/v1/conversations", json=group, headers=headers, timeout=10)
    talk = url + begun.headers["Location"]
    content = b"%PDF-1.7"
    announced = json.loads(ANNOUNCED) | {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    files = f"{talk}/attachments"
    ticket = requests.post(files, json=announced, headers=headers, timeout=10).json()
    shown = json.loads(TICKET)
    assert shown.keys() <= ticket.keys()
    assert shown["upload"].keys() == ticket["upload"].keys()
    assert (shown["state"], shown["upload"]["headers"]) == (ticket["state"], ticket["upload"]["headers"])
    upload = ticket["upload"]
    # Its host is that of CARILLON_PUBLIC_URL.
    there = url + "/attachments/" + upload["url"].partition("/attachments/")[2]
    sent = requests.request(upload["method"], there, data=content, headers=upload["headers"], timeout=10)
    assert sent.ok, sent.text
    completed = requests.post(f"{files}/{ticket['id']}/complete", headers=headers, timeout=10)
    assert completed.ok, completed.text
    message = {"content": "Look", "attachments": [ticket["id"]]}
    said = requests.post(f"{talk}/messages", json=message, headers=headers, timeout=10)
    assert said.status_code == 201, said.text
