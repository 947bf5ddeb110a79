"""`bin/carillon`: what operators type, and what hints tell them to type."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from actions.installation import utc_now
from tests.databases import ROOT
from tests.factories import create_users, expand_all
from web.__main__ import COMMANDS


@pytest.fixture
def run(app):
    """Run a command: what it printed, as JSON if it was asked for."""

    def run(*words: str, fails: bool = False):
        result = app.test_cli_runner().invoke(args=list(words), catch_exceptions=False)
        assert (result.exit_code != 0) is fails, result.output
        return json.loads(result.output) if "--json" in words else result.output.strip()

    return run


def carillon(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "bin" / "carillon"), *words]
    # From anywhere.
    return subprocess.run(
        command, cwd="/", env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.slow
def test_the_command_runs_from_anywhere_and_its_hint_does_too(tmp_path, database_url):
    environ = {"DATABASE_URL": database_url, "CARILLON_VAR": str(tmp_path)}
    refused = carillon("keys", "list", "--tenant", "a b", **environ)
    hint = re.search(r"run (.*)", refused.stderr)
    assert refused.returncode == 1
    assert hint is not None
    assert hint[1].endswith("bin/carillon tenants create 'a b'")
    assert json.loads(carillon("tenants", "create", "demo", "--json", **environ).stdout)["created"] is True


def test_the_list_of_commands_imports_nothing_large():
    script = "import sys, runpy; sys.argv = ['carillon', '--help']; runpy.run_module('web', run_name='__main__')"
    wrapped = (
        f"import sys\ntry:\n    exec({script!r})\nexcept SystemExit:\n    pass\n"
        "assert not {'flask', 'sqlalchemy', 'celery', 'jwt'} & set(sys.modules), 'a large import'"
    )
    result = subprocess.run(
        [sys.executable, "-c", wrapped], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert all(name in result.stdout for name in COMMANDS)


def test_the_list_has_all_commands_of_the_application(app):
    assert set(COMMANDS) == set(app.cli.commands)


def test_no_hint_names_a_command_that_does_not_run():
    """Hints come from web/hints.py, so that none says `flask x`."""
    for directory in ("actions", "bus", "channels", "config", "lab", "models", "web", "workers"):
        for path in (ROOT / directory).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    assert not re.search(r"\bflask (?!--app)[a-z]+ ", node.value), f"{path}:{node.lineno}"
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        if path.name != "CHANGELOG.md":
            assert not re.search(
                r"flask (?!--app)(db|dead|token|tenants|keys|jwks|doctor|users)\b", path.read_text()
            ), path


def test_a_file_of_keys_is_its_owners(run, tmp_path):
    file = tmp_path / "new.json"
    assert str(file) in run("jwks", "create", "--output", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(json.loads(file.read_text())["keys"]) == 1
    assert "not written" in run("jwks", "create", "--output", str(file), fails=True)


def test_tenants_are_listed(run, tenant):
    assert [row["id"] for row in run("tenants", "list", "--json")["data"]] == [tenant]
    assert tenant in run("tenants", "list")


def test_topics_are_filled_listed_and_emptied(run, tenant):
    of = ("--tenant", tenant)
    assert run("topics", "subscribe", "news", "alice", "bob", *of, "--json") == {"topic": "news", "members": 2}
    assert run("topics", "list", *of, "--json") == {"data": [{"topic": "news", "members": 2, "open": False}]}
    assert run("topics", "members", "news", *of) == "alice\nbob"
    assert run("topics", "members", "news", *of, "--after", "alice") == "bob"
    assert run("topics", "unsubscribe", "news", "alice", "zoe", *of, "--json") == {"topic": "news", "removed": 1}
    run("topics", "subscribe", "no name", "alice", *of, fails=True)
    assert run("topics", "list", "--tenant", "nobody", fails=True).startswith("Error: there is no tenant nobody")


def test_event_types_are_defined_shown_and_deleted(run, tenant, tmp_path: Path):
    of = ("--tenant", tenant)
    file = tmp_path / "type.json"
    file.write_text('{"title": "An invoice was paid", "ttl": 60}')
    assert run("event-types", "define", "invoice:paid", str(file), *of) == "invoice:paid defined"
    shown = run("event-types", "show", "invoice:paid", *of)
    assert json.loads(shown)["ttl"] == 60
    file.write_text(shown)
    run("event-types", "define", "invoice:paid", str(file), *of)
    assert "invoice:paid" in run("event-types", "list", *of)
    assert run("event-types", "delete", "invoice:paid", *of, "--json") == {"name": "invoice:paid", "deleted": True}
    assert "bin/carillon event-types list" in run("event-types", "show", "invoice:paid", *of, fails=True)
    assert run("event-types", "delete", "invoice:paid", *of, fails=True).startswith("Error: there is no such")
    file.write_text("{")
    assert "is not JSON" in run("event-types", "define", "invoice:paid", str(file), *of, fails=True)


def test_a_notification_is_shown_and_recalled(run, service, engine, tenant):
    create_users(engine, ["alice"], email=True, now=utc_now())
    sent = service.send(title="Hello there").json["id"]
    expand_all(engine, UUID(sent), utc_now())
    of = ("--tenant", tenant)
    assert "Hello there" in run("notifications", "show", sent, *of)
    assert run("recall", sent, *of, "--json") == {"id": sent, "state": "recalling", "begun": True}
    expand_all(engine, UUID(sent), utc_now())
    shown = run("notifications", "show", sent, *of, "--json")
    assert (shown["state"], shown["deliveries"]["email"]) == ("recalled", {"cancelled": 1})
    assert [reason["reason"] for reason in shown["reasons"]] == ["recalled"]
    assert run("recall", sent, *of) == "recalled"
    assert run("recall", sent, *of, "--test", fails=True) == "Error: there is no such notification"
