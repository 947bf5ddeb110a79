"""A channel is added with one file and one line of the table: nothing else knows its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import ROOT

pytestmark = pytest.mark.slow


def test_one_file_and_one_line_make_a_channel(database_url: str, redis_server: str, tmp_path: Path):
    command = [sys.executable, "-m", "tests.adding_a_channel.scenario", database_url, redis_server, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["accepted"] == 202
    assert seen["rung"] == [["deliver pager", []]]
    assert seen["deliveries"] == {"pager": {"sent": 1}}
    assert seen["recalled"] == 202
    assert seen["shown"] == [["0123", "show", "Beep"], ["0123", "withdraw", "Beep"]]
    assert seen["reach"] == [{"channel": "pager", "addresses": ["0123"], "reason": None}]
    assert seen["unknown"] == "must be one of in_app, push, email, pager"
    assert (seen["overview"], seen["document"], seen["metric"], seen["task"]) == (True, True, True, True)
    assert seen["queue"] == "deliver"
