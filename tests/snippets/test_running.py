"""What README, CONTRIBUTING and docs/operations.md say to do, at first and with a copy that runs."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT
from tests.snippets.blocks import block
from tests.snippets.conftest import Installation
from tests.snippets.programs import shell
from tests.waiting import eventually

FIRST = block("README.md", "my-first-notification")
SECOND_TERMINAL = block("CONTRIBUTING.md", "var/dev.env")
PRODUCTION = block("docs/operations.md", "export DATABASE_URL")
RESTORED = block("docs/operations.md", "log new-epoch")
COMMANDS = block("docs/operations.md", "carillon doctor")
USAGE = block("docs/operations.md", "all tenants, the last 30 days")
QUOTAS = block("docs/operations.md", "recipients_per_day 50000000")

pytestmark = pytest.mark.slow


# Runs lines of `carillon` in one process.
RUNNER = """
import json, shlex, sys
from web.app import create_app

runner = create_app().test_cli_runner()
for line in sys.argv[1].splitlines():
    result = runner.invoke(args=shlex.split(line)[1:])
    print(json.dumps([result.exit_code, result.output]))
"""


def test_the_first_notification_and_the_commands_of_an_operator(installation: Installation):
    first, again = (json.loads(installation.shell(FIRST)) for _ in range(2))
    assert first["id"] == again["id"]
    load = SECOND_TERMINAL.splitlines()[0]
    assert installation.shell(SECOND_TERMINAL) == "no dead letters\n"
    lines = [line.partition(" #")[0].strip() for line in (COMMANDS + RESTORED + USAGE + QUOTAS).splitlines()]
    commands = [line.replace("acme", "demo").replace("ID", first["id"]) for line in lines]
    [follow] = [command for command in commands if " tail " in command]
    [send] = [command for command in commands if " send " in command]
    with installation.background(f"{load}\n{follow}") as followed:
        others = "\n".join(command for command in commands if command not in (follow, send))
        printed = installation.shell(f"{load}\n{sys.executable} -c {shlex.quote(RUNNER)} {shlex.quote(others)}")
        results = [json.loads(line) for line in printed.splitlines()]
        assert [code for code, _ in results] == [0] * (len(commands) - 2), printed
        sent = installation.shell(f"{load}\n{send}")
        for channel in ("in_app", "push", "email"):
            assert re.search(rf"^{channel} +sent +1$", sent, re.MULTILINE)
        eventually(lambda: '"title": "Test"' in followed())


def test_the_first_start_in_production(tmp_path: Path):
    database = f"DATABASE_URL=sqlite:///{tmp_path}/carillon.db"
    steps = re.sub(r"DATABASE_URL=\S+ REDIS_URL=\S+", database, PRODUCTION)
    steps = steps.replace("bin/carillon", f"{ROOT}/bin/carillon")
    printed = shell(steps, cwd=tmp_path)
    assert re.search(r"ck_live_\S+", printed)
    written = {name: oct((tmp_path / name).stat().st_mode & 0o777) for name in ("jwks.json", "carillon.db")}
    assert written == dict.fromkeys(written, "0o600")
