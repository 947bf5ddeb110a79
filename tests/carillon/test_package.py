"""The built package, in an environment of its own, together with services whose modules have the names of ours."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import create_engine

import carillon
from tests.carillon.outbox_table import create_outbox, rows
from tests.carillon.server import ACCEPTED
from tests.databases import ROOT
from tests.packages_server import packages_server
from tests.snippets.blocks import block
from tests.snippets.programs import shell

pytestmark = pytest.mark.slow

INSTALL = block("docs/services.md", "pip install")
WITH_DJANGO = block("docs/services.md", "from django")

# The packages of our checkout. The wheel must bring none of them.
OURS = ("actions", "bus", "channels", "config", "lab", "models", "web", "workers")

# A Flask application with modules of the same names, a notification in its own transaction, and one over HTTP.
SERVICE = """
import sqlite3

import carillon
import channels, models, workers
from flask import Flask, request

app = Flask(__name__)
outbox = carillon.Outbox("acme")


@app.post("/expenses")
def create_expense():
    expense = request.get_json()
    with sqlite3.connect(app.config["DATABASE"]) as connection:
        connection.execute("INSERT INTO expenses VALUES (:id, :user, :amount)", expense)
        sent = outbox.send(
            connection, audience={"users": [expense["user"]]}, title="Expense", message=f"{expense['amount']} spent"
        )
    return {"sent": sent}, 201


@app.post("/reminders")
def remind():
    with carillon.Client(app.config["CARILLON_URL"], app.config["CARILLON_KEY"]) as client:
        return {"sent": client.send(audience={"tenant": True}, title="Reminder", message="M").id}
"""
PROGRAM = """
import json, sys
from service import app

app.config |= {"DATABASE": sys.argv[1], "CARILLON_URL": sys.argv[2], "CARILLON_KEY": "ck_live_k"}
page = app.test_client()
first = page.post("/expenses", json={"id": 1, "user": "alice", "amount": 600})
again = page.post("/expenses", json={"id": 1, "user": "alice", "amount": 600})
reminded = page.post("/reminders")
print(json.dumps({
    "answers": [[a.status_code, a.get_json(silent=True)] for a in (first, again, reminded)],
    "modules": {name: getattr(module, "__file__", None) for name, module in sys.modules.items()},
}))
"""
DJANGO = """
import sys
import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}})
django.setup()

# The example of docs/services.md.
exec(sys.argv[2])

with transaction.atomic():
    with connection.cursor() as cursor:
        outbox.raise_alert(cursor, title="T", message="100%s")
try:
    with transaction.atomic():
        outbox.raise_alert(connection, title="T", message="never")
        raise RuntimeError
except RuntimeError:
    pass
"""


class Stub(BaseHTTPRequestHandler):
    """A Carillon that accepts every notification."""

    received: list[tuple[str, dict[str, str], Any]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.received.append((self.path, dict(self.headers), body))
        answer = json.dumps(ACCEPTED).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory with the wheel and the sdist."""
    directory = tmp_path_factory.mktemp("dist")
    uv = Path(sys.executable).with_name("uv")
    subprocess.run(
        [uv, "build", "--quiet", "--no-build-isolation", "--python", sys.executable, "--out-dir", directory, ROOT],
        check=True,
        timeout=300,
    )
    return directory


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with Flask, Django, and the wheel that a server gives out."""
    environment = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True, timeout=300)
    python = environment / "bin/python"
    with packages_server() as url:
        # The name of the file is the one of this version.
        shell(f"PATH={environment}/bin:$PATH\n{INSTALL.replace('http://127.0.0.1:8000/packages', url)}")
    subprocess.run([python, "-m", "pip", "install", "-qq", "flask", "django"], check=True, timeout=600)
    return python


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Path]:
    """An SQLite file that a service and Carillon share."""
    path = tmp_path / "shared.db"
    engine = create_engine(f"sqlite:///{path}")
    create_outbox(engine)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE expenses (id integer PRIMARY KEY, user text, amount integer)")
    yield path
    engine.dispose()


def run(python: Path, directory: Path, program: str, *arguments: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    done = subprocess.run(
        [python, "-c", program, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_the_package_is_packed(built: Path):
    [wheel] = built.glob("*.whl")
    [sdist] = built.glob("*.tar.gz")
    assert f"carillon-{carillon.__version__}-py3" in wheel.name
    sources = {
        str(path.relative_to(ROOT)) for path in (ROOT / "carillon").rglob("*") if path.suffix in (".py", ".typed")
    }
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == sources
    with zipfile.ZipFile(wheel) as archive:
        [license] = [name for name in archive.namelist() if name.endswith("/licenses/LICENSE")]
        assert archive.read(license) == (ROOT / "LICENSE").read_bytes()
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == sources | {"pyproject.toml", "docs/services.md", "LICENSE", "PKG-INFO", ".gitignore"}


def test_a_service_with_modules_of_our_names_sends_both_ways(python: Path, database: Path, tmp_path: Path):
    for name in OURS:
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    (tmp_path / "service.py").write_text(SERVICE)
    stub = type("Recording", (Stub,), {"received": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        printed = run(python, tmp_path, PROGRAM, str(database), f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    result = json.loads(printed)
    [[created, first], [failed, _], [reminded, sent]] = result["answers"]
    assert (created, failed, reminded, sent) == (201, 500, 200, {"sent": ACCEPTED["id"]})
    # The second expense violates the primary key: its transaction is rolled back, and with it the row.
    [row] = rows(create_engine(f"sqlite:///{database}"))
    body = {"audience": {"users": [{"id": "alice"}]}, "title": "Expense", "message": "600 spent"}
    assert (row["id"], row["kind"], row["body"]) == (UUID(first["sent"]), "notification", body)
    [(path, headers, received)] = stub.received
    assert (path, received["title"], headers["Authorization"]) == ("/v1/notifications", "Reminder", "Bearer ck_live_k")
    files = result["modules"]
    for name in OURS:
        assert files.get(name) in (None, str(tmp_path / f"{name}.py"))
    assert files["models"] == str(tmp_path / "models.py")
    assert not [file for file in files.values() if file and file.startswith(str(ROOT))]


def test_django_s_connection_and_cursor_take_part_in_its_transaction(python: Path, database: Path, tmp_path: Path):
    run(python, tmp_path, DJANGO, str(database), WITH_DJANGO)
    assert [(row["kind"], row["body"]) for row in rows(create_engine(f"sqlite:///{database}"))] == [
        ("event", {"audience": {"tenant": True}, "type": "expense:created", "data": {"id": 4}}),
        ("alert", {"title": "T", "message": "100%s"}),
    ]


def test_the_outbox_needs_neither_httpx_nor_sqlalchemy(python: Path, tmp_path: Path):
    program = (
        "import sys, carillon; carillon.Outbox('acme'); carillon.Notification\n"
        "print([name for name in ('httpx', 'sqlalchemy', 'flask', 'asyncio') if name in sys.modules])"
    )
    assert run(python, tmp_path, program).strip() == "[]"


def test_the_types_are_for_services_too(python: Path, tmp_path: Path):
    program = tmp_path / "typed.py"
    program.write_text(
        "import carillon\n\n"
        "def send(client: carillon.Client) -> str:\n"
        "    for delivery in client.deliveries(client.send(title='T').id):\n"
        "        print(delivery.state)\n"
        "    return client.get_user(7).id\n"
    )
    mypy = Path(sys.executable).with_name("mypy")
    checked = subprocess.run(
        [mypy, "--strict", "--python-executable", python, "--config-file", os.devnull, program],
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert checked.stdout.count("error:") == 1, checked.stdout
    assert 'incompatible type "int"; expected "str"' in checked.stdout
