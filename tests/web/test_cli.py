"""What operators type."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from actions.installation import utc_now
from actions.tokens import Claims
from config.jwt_keys import JwtKeys
from models.deliveries.tables import deliveries
from models.events.tables import meta
from models.sql.engine import connect, read
from models.tenants.api_keys import find_api_key
from tests.databases import ROOT
from tests.factories import create_settings, create_users, expand_all
from tests.web.callers import Caller
from tests.web.test_dead_letters import Failure, kill
from web.app import create_app
from web.auth import Authenticator

# The newest revision of migrations/versions.
NEWEST = max(path.name[:4] for path in (ROOT / "migrations/versions").glob("[0-9]*.py"))


@pytest.fixture
def run(app):
    """Run a command. Returns its output; with --json, what it says. A failure is one line that begins with Error."""
    runner = app.test_cli_runner()

    def run(*words: str, fails: bool = False):
        result = runner.invoke(args=list(words))
        if fails:
            assert result.exit_code in (1, 2), result.output
            last = result.output.strip().splitlines()[-1]
            assert last.startswith("Error: ")
            assert "Traceback" not in result.output
            return last
        assert result.exit_code == 0, result.output
        return json.loads(result.output) if "--json" in words else result.output.strip()

    return run


def test_a_tenant_is_created_once(run):
    assert run("tenants", "create", "demo", "--json") == {"tenant": "demo", "created": True}
    assert run("tenants", "create", "demo") == "demo exists already"
    assert "letters" in run("tenants", "create", "a/b", fails=True)


def test_a_tenants_clients_speak_its_dialect(run, engine, tenant):
    assert run("tenants", "dialect", tenant) == "mixed"
    run("tenants", "create", "newcomer")
    assert run("tenants", "dialect", "newcomer") == "canonical"
    run("tenants", "create", tenant)
    assert run("tenants", "dialect", tenant) == "mixed"
    assert run("tenants", "dialect", tenant, "simple", "--json") == {"tenant": tenant, "dialect": "simple"}
    assert run("tenants", "dialect", tenant) == "simple"
    assert "'ns4' is not one of" in run("tenants", "dialect", tenant, "ns4", fails=True)
    assert "bin/carillon tenants create" in run("tenants", "dialect", "nobody", "hub", fails=True)


def test_a_tenant_is_given_a_weight(run, operator, tenant):
    assert run("tenants", "weight", tenant) == "1"
    assert run("tenants", "weight", tenant, "5", "--json") == {"tenant": tenant, "weight": 5}
    assert run("tenants", "weight", tenant) == "5"
    assert [one["weight"] for one in operator.get("/v1/operator/tenants").json["data"]] == [5]
    assert "0 is not in the range 1<=x<=100" in run("tenants", "weight", tenant, "0", fails=True)
    assert "101 is not in the range" in run("tenants", "weight", tenant, "101", fails=True)
    assert "'much' is not a valid integer" in run("tenants", "weight", tenant, "much", fails=True)
    assert "bin/carillon tenants create" in run("tenants", "weight", "nobody", "2", fails=True)


def test_a_key_is_printed_once_listed_by_its_prefix_and_revoked(run, engine, tenant):
    key = run("keys", "create", "--tenant", tenant, "--mode", "test", "--name", "shop")
    with read(engine) as connection:
        assert find_api_key(connection, key)[1] == "test"
    other = run("keys", "create", "--tenant", tenant, "--name", "other", "--json")
    assert (other["mode"], other["tenant"]) == ("live", tenant)
    [newest, first] = run("keys", "list", "--tenant", tenant, "--json")
    assert key.startswith(first["prefix"])
    assert (first["name"], first["revoked_at"]) == ("shop", None)
    text = run("keys", "list", "--tenant", tenant)
    assert newest["prefix"] in text
    assert key not in text
    run("keys", "revoke", first["prefix"], "--tenant", tenant)
    with read(engine) as connection:
        assert find_api_key(connection, key) is None
    assert "bin/carillon keys list" in run("keys", "revoke", "ck_live_nothing", "--tenant", tenant, fails=True)
    assert "bin/carillon tenants create" in run("keys", "create", "--tenant", "nobody", "--name", "x", fails=True)


def test_a_token_opens_what_it_was_made_for(run, settings, engine, tenant):
    doors = Authenticator(JwtKeys.load(settings.jwks_file), Claims.of(settings), engine)
    assert doors.user(run("token", "--user", "alice", "--tenant", tenant)).id == "alice"
    assert doors.principal(run("token", "--service", "shop", "--tenant", tenant), ["service"]).id == "shop"
    assert doors.principal(run("token", "--operator", "ops"), ["operator"]).tenant == "*"
    short = run("token", "--user", "alice", "--tenant", tenant, "--lifetime", "30s", "--json")
    assert short["expires_in"] == 30
    assert doors.user(short["token"]).expires_at - datetime.now(UTC) <= timedelta(seconds=30)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tenant", "acme"], "exactly one"),
        (["--user", "a", "--operator", "b", "--tenant", "acme"], "exactly one"),
        (["--user", "a"], "--tenant"),
        (["--user", "a", "--tenant", "nobody"], "bin/carillon tenants create nobody"),
        (["--user", "a\nb", "--tenant", "acme"], "printable"),
        (["--user", "..", "--tenant", "acme"], "a URL cannot name"),
        (["--user", "a", "--tenant", "acme", "--lifetime", "25h"], "at most 24h"),
        (["--user", "a", "--tenant", "acme", "--lifetime", "0"], "at most 24h"),
        (["--user", "a", "--tenant", "acme", "--lifetime", "soon"], "at most 24h"),
    ],
)
def test_a_token_that_cannot_be_made(run, tenant, words, says):
    assert says in run("token", *words, fails=True)


def test_without_a_signing_key_the_way_to_one_is_told(tmp_path, engine, tenant):
    url = engine.url.render_as_string(hide_password=False)
    settings = create_settings(tmp_path, DATABASE_URL=url)
    settings.jwks_file.write_text('{"keys": []}')
    result = create_app(settings).test_cli_runner().invoke(args=["token", "--operator", "ops"])
    assert "bin/carillon jwks create --audience operator" in result.output
    made = create_app(settings).test_cli_runner().invoke(args=["jwks", "create", "--audience", "operator"])
    settings.jwks_file.write_text(made.output)
    result = create_app(settings).test_cli_runner().invoke(args=["token", "--operator", "ops"])
    assert result.exit_code == 0


@pytest.fixture
def dead(service: Caller, engine):
    create_users(engine, ["alice", "bob"], email=True, device=True, now=utc_now())
    notification = service.send(audience={"tenant": True}).json["id"]
    expand_all(engine, UUID(notification), utc_now())
    kill(engine, "email", Failure.PROVIDER_DOWN)
    kill(engine, "push", Failure.BAD_REQUEST)
    return notification


def test_dead_letters_are_listed_and_counted(run, dead):
    everything = run("dead", "list", "--json")
    assert everything["counts"] == {"bad_request": 2, "provider_down": 2}
    assert {letter["notification_id"] for letter in everything["data"]} == {dead}
    text = run("dead", "list", "--failure", "bad_request")
    assert text.splitlines()[-1] == "2 bad_request"
    assert "alice@example.test" not in text
    assert run("dead", "list", "--tenant", "nobody") == "no dead letters"
    assert len(run("dead", "list", "--channel", "email", "--limit", "1", "--json")["data"]) == 1


def test_dead_letters_are_redriven(run, dead, engine, bells, operator):
    bells.clear()
    answer = run("dead", "redrive", "--channel", "email", "--limit", "1", "--json")
    assert (answer["redriven"], answer["not_redriven"]) == (1, {})
    assert operator.get(f"/v1/redrives/{answer['id']}", Carillon_Tenant="acme").status_code == 200
    assert bells == [("deliver email", [])]
    number, name = run("dead", "redrive", "--tenant", "acme", "--notification", dead).splitlines()
    assert (number, name.split()[0]) == ("3 redriven", "redrive")
    assert operator.get(f"/v1/redrives/{name.split()[1]}", Carillon_Tenant="acme").status_code == 200
    assert run("dead", "redrive") == "0 redriven"
    with read(engine) as connection:
        redriven = select(deliveries.c.state).where(deliveries.c.channel.in_(["email", "push"]))
        assert set(connection.execute(redriven).scalars()) == {"pending"}


def test_a_bad_filter_is_refused(run):
    run("dead", "list", "--channel", "fax", fails=True)
    run("dead", "redrive", "--notification", "x", fails=True)


def test_a_new_epoch(run, engine):
    with read(engine) as connection:
        old = connection.execute(select(meta.c.value)).scalar_one()
    assert run("log", "new-epoch", "--json")["epoch"] != old


def test_an_empty_database_is_found_and_filled(tmp_path):
    file = tmp_path / "new" / "carillon.db"
    runner = create_app(create_settings(tmp_path, DATABASE_URL=f"sqlite:///{file}")).test_cli_runner()
    nowhere = runner.invoke(args=["db", "check"])
    assert nowhere.exit_code == 1
    assert "unable to open database file" in nowhere.output
    file.parent.mkdir()
    empty = runner.invoke(args=["db", "check"])
    assert (empty.exit_code, empty.output) == (
        1,
        f"Error: the database has no schema, this code needs {NEWEST}: run bin/carillon db upgrade\n",
    )
    early = runner.invoke(args=["tenants", "create", "demo"])
    assert early.exit_code == 1
    assert "bin/carillon db upgrade" in early.output
    shutil.rmtree(file.parent)
    for _ in range(2):
        assert runner.invoke(args=["db", "upgrade"]).output == f"schema {NEWEST}\n"
    assert runner.invoke(args=["db", "check", "--json"]).output == f'{{"schema": "{NEWEST}"}}\n'
    assert runner.invoke(args=["tenants", "create", "demo"]).exit_code == 0


def test_a_database_that_is_away_is_one_line(tmp_path):
    settings = create_settings(tmp_path, DATABASE_URL="postgresql+psycopg://x:secret@127.0.0.1:1/x")
    result = create_app(settings).test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 1
    assert "check DATABASE_URL" in result.output
    assert "secret" not in result.output


@pytest.mark.slow
def test_the_command_line_itself(tmp_path, database_url):
    """The real `flask`, from the outside: it works, and a bad setting is a list and no traceback."""
    environ = {**os.environ, "DATABASE_URL": database_url, "CARILLON_VAR": str(tmp_path)}

    def flask(*words: str, **other: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flask", "--app", "web.app", *words]
        return subprocess.run(command, cwd=ROOT, env=environ | other, capture_output=True, text=True, check=False)

    assert json.loads(flask("tenants", "create", "demo", "--json").stdout)["created"] is True
    bad = flask("tenants", "create", "demo", PORT="many", CARILLON_LAESE="1")
    assert bad.returncode != 0
    assert "Traceback" not in bad.stderr
    assert "PORT" in bad.stderr
    assert "CARILLON_LAESE" in bad.stderr


def test_an_upgrade_touches_nothing_that_is_there(run, engine, tenant):
    assert run("db", "upgrade") == f"schema {NEWEST}"
    with connect(engine.url.render_as_string(hide_password=False)).connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tenants").scalar_one() == 1
