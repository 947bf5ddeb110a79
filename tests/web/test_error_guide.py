"""The guide on errors names every code, and every problem leads to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from tests.databases import ROOT
from web.auth import Code

GUIDE = (ROOT / "docs/errors.md").read_text()
PACKAGES = ("actions", "carillon", "web")
# Those of the WSGI server and of Flask (web/problems.py), by the phrases of their statuses.
BY_STATUS = {"bad_request", "method_not_allowed", "uri_too_long", "request_header_fields_too_large"}


def sections() -> dict[str, str]:
    """The codes of the guide, with the heading above each."""
    found = {}
    above = ""
    for line in GUIDE.splitlines():
        if line.startswith("## "):
            above = line
        elif line.startswith("### "):
            found.update(dict.fromkeys(re.findall(r"`(\w+)`", line), above))
    return found


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def test_every_code_has_a_section_under_its_status():
    raised = {found for path in sources() for found in re.findall(r'Problem\(\s*(\d+),\s*"(\w+)"', path.read_text())}
    raised |= {("403" if code == "forbidden" else "401", code) for code in get_args(Code)}
    named = sections()
    assert {code for _, code in raised} | BY_STATUS == set(named)
    for status, code in raised:
        assert status in named[code].partition(":")[0], code


def test_a_problem_leads_to_its_section(client, service):
    for answer in (service.post("/v1/notifications", {}), client.get("/v1/inbox"), client.get("/nothing")):
        page, _, anchor = answer.json["doc_url"].partition("#")
        assert anchor == answer.json["code"]
        assert f'id="{anchor}"' in client.get(page).text


def test_what_is_wrong_is_said_in_words(service):
    given = {
        "audience": {"users": ["a"], "topic": "a b"},
        "title": 7,
        "message": "",
        "prioritie": "high",
        "priority": "x",
    }
    errors = {error["field"]: error["message"] for error in service.post("/v1/notifications", given).json["errors"]}
    assert errors == {
        "audience.topic": "must be 1 to 128 letters, digits and _ . : -",
        "title": "must be a text",
        "message": "must not be empty",
        "priority": "must be 'critical', 'high', 'normal', 'low' or 'bulk'",
        "prioritie": "is unknown: did you mean `priority`?",
    }
