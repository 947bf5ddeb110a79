"""The examples of docs/services.md and docs/migrating.md, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from carillon.requests import Alert, Event, Notification, Recall, Request
from tests.carillon.outbox_table import create_outbox, rows
from tests.databases import ROOT
from tests.factories import create_tenant
from tests.missing import skip_unless_ci

SERVICES = (ROOT / "docs/services.md").read_text()
MIGRATING = (ROOT / "docs/migrating.md").read_text()
MODELS: dict[str, type[Request]] = {"notification": Notification, "alert": Alert, "event": Event, "recall": Recall}


def blocks(language: str, document: str = SERVICES) -> list[str]:
    """The examples in a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document, re.DOTALL | re.MULTILINE)


def block(language: str, containing: str) -> str:
    """The example with these words."""
    [found] = [example for example in blocks(language) if containing in example]
    return found


def run(program: str, **environment: str) -> str:
    environment |= {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def shared(engine: Engine) -> Engine:
    """A database with the outbox, and with the table of the service."""
    create_tenant(engine)
    create_outbox(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE expenses (id integer PRIMARY KEY, person text, amount integer)"))
    return engine


def valid(row: dict[str, Any]) -> bool:
    return MODELS[row["kind"]].model_validate(row["body"]) is not None


@pytest.mark.slow
def test_the_client(reached: dict[str, str]):
    printed = run(block("python", "client.publish_event"), **reached)
    assert UUID(printed.splitlines()[0]).version == 7


@pytest.mark.slow
def test_the_client_for_asyncio(reached: dict[str, str]):
    run("import os, carillon; c = carillon.Client(os.environ['CARILLON_URL'], os.environ['CARILLON_KEY'])\n"
        "c.raise_alert(title='Low oxygen', message='M')", **reached)  # fmt: skip
    assert run(block("python", "AsyncClient"), **reached) == "Low oxygen\n"


@pytest.mark.slow
def test_curl(reached: dict[str, str]):
    if shutil.which("curl") is None:
        skip_unless_ci("curl is not installed")
    environment = {"PATH": os.environ["PATH"], **reached}
    [example] = blocks("sh")
    done = subprocess.run(
        ["sh", "-ec", example.replace("curl ", "curl -sS --fail-with-body ")],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert '"status":"accepted"' in done.stdout
    assert '"accepted":1' in done.stdout


@pytest.mark.slow
def test_the_service_with_the_shared_database(shared: Engine):
    url = shared.url.render_as_string(hide_password=False)
    run(
        f"{block('python', 'create_expense')}\n"
        "app.logger.disabled = True\n"
        "page = app.test_client()\n"
        "for number, amount in ((1, 600), (2, 500), (2, 1)):\n"
        "    page.post('/expenses', json={'id': number, 'person': 'alice', 'amount': amount})\n"
        "page.delete('/expenses/1')\n",
        DATABASE_URL=url,
    )
    stored = rows(shared)
    assert all(valid(row) for row in stored)
    # The second expense with the number 2 was rolled back, and its event with it.
    assert [(row["kind"], row["body"].get("type") or row["body"]["title"]) for row in stored] == [
        ("event", "expense:created"),
        ("event", "expense:created"),
        ("notification", "Budget exceeded"),
        ("event", "expense:deleted"),
    ]


def test_a_driver_of_the_db_api(tmp_path: Path):
    path = tmp_path / "shared.db"
    engine = create_engine(f"sqlite:///{path}")
    create_outbox(engine)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE expenses (id integer PRIMARY KEY, person text, amount integer)")
    run(block("python", "DATABASE_FILE"), DATABASE_FILE=str(path))
    [row] = rows(engine)
    assert (row["kind"], row["body"]["title"], valid(row)) == ("alert", "First expense", True)


def test_plain_sql(shared: Engine):
    postgresql, sqlite = blocks("sql")
    example = postgresql if shared.dialect.name == "postgresql" else sqlite
    with shared.begin() as connection:
        for statement in example.split(";")[:-1]:
            connection.exec_driver_sql(statement)
    stored = rows(shared)
    assert {row["kind"] for row in stored} >= {"notification", "alert"}
    assert UUID("0193ec00-0000-7000-8000-000000000001") in {row["id"] for row in stored}
    assert all(valid(row) for row in stored)


def test_other_languages_use_the_same_statement():
    statement = "INSERT INTO carillon_outbox (tenant_id, kind, body) VALUES ($1, $2, $3)"
    [node], [go] = blocks("js"), blocks("go")
    for example in (node, go):
        assert statement in example
    [body] = re.findall(r"body := `(.*)`", go)
    Event.model_validate(json.loads(body))


def after(difference: str) -> str:
    """What a diff leaves."""
    return "".join(line[1:] or "\n" for line in difference.splitlines(keepends=True) if not line.startswith("-"))


def test_the_examples_in_node_are_programs(tmp_path: Path):
    if shutil.which("node") is None:
        skip_unless_ci("Node is not installed")
    changed = [after(example) for example in blocks("diff", MIGRATING) if ";" in example]
    assert len(changed) == 4
    for number, example in enumerate([*blocks("js"), *changed]):
        program = tmp_path / f"{number}.mjs"
        program.write_text(example)
        subprocess.run(["node", "--check", program], check=True, timeout=60)


def test_what_the_guide_to_migrating_imports_is_there():
    changed = [after(example) for example in blocks("diff", MIGRATING) if ";" not in example]
    assert len(changed) == 5
    for example in changed:
        compile(example, "docs/migrating.md", "exec")
        exec("\n".join(re.findall(r"^from carillon.*$", example, re.MULTILINE)), {})
