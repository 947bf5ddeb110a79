"""/docs/events: its examples hear each thing once, in every language."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path

import pytest
import requests

import carillon
from tests.snippets.blocks import blocks_of
from tests.snippets.conftest import Installation
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_the_examples_hear_each_thing_once(installation: Installation, project: Path):
    described = requests.get(f"{installation.url}/asyncapi.json", timeout=10).json()["info"]["description"]
    examples = {block.language: block.code for block in blocks_of("/docs/events", described)}
    assert sorted(examples) == ["js", "python", "sh"]
    client = carillon.Client(installation.url, installation.shell("make -s key").strip())
    token = client.create_token("dora").token
    for language in ("js", "python"):
        examples[language] = examples[language].replace("URL", installation.url).replace("TOKEN", json.dumps(token))
    (project / "events.js").write_text(examples["js"])
    in_python = f"{shlex.quote(sys.executable)} -c {shlex.quote(examples['python'])}"
    with installation.background("node events.js", project) as js, installation.background(in_python) as python:
        eventually(lambda: len(client.connections("dora")) == 2)
        client.send(audience={"users": ["dora"]}, title="Hello", message="World")
        eventually(lambda: "Hello" in js() and "Hello" in python(), within=30)
        # Long enough for a repetition.
        time.sleep(1.5)
        assert js() == python() == "user:dora 1 Hello\n"
    answer = json.loads(installation.shell(f"TOKEN={token}\n{examples['sh'].replace('URL', installation.url)}"))
    assert answer["cursor"]
