"""What operators type to see whether all is well, to send, to watch and to clean up."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import closing
from datetime import timedelta

import pytest
import redis
from sqlalchemy import func, select, update

from actions.installation import utc_now
from bus.bells import Bells
from bus.counters import Counters, Pause
from bus.envelope import Group
from bus.publisher import Publisher
from carillon.text import UNPRINTABLE
from models.addresses.queries import disable_addresses, usable_addresses
from models.audit.queries import list_records
from models.deliveries.lifecycle import Failure
from models.deliveries.tables import deliveries
from models.notifications.tables import notifications
from models.sql.engine import read, write
from tests.channels.mail_server import Refusing
from tests.factories import accept_one, create_settings, create_users, expand_all
from tests.storage.s3_stand_in import KEY_ID, SECRET, s3_stand_in
from web.app import create_app


@pytest.fixture
def run(app):
    """Run a command: (exit status, what it printed)."""

    def run(*words: str):
        result = app.test_cli_runner().invoke(args=list(words), catch_exceptions=False)
        assert "Traceback" not in result.output, result.output
        return result.exit_code, json.loads(result.output) if "--json" in words else result.output

    return run


def findings(answer) -> dict[str, tuple[str, str]]:
    return {finding["name"]: (finding["verdict"], finding["found"]) for finding in answer["findings"]}


@pytest.mark.slow
def test_the_doctor_finds_what_is_missing(run, recorder, settings, tenant):
    recorder.served_queues = Bells("redis://127.0.0.1:1/0").served_queues
    status, answer = run("doctor", "--json")
    found = findings(answer)
    assert (status, answer["healthy"]) == (1, False)
    assert found["database"][0] == found["redis"][0] == found["key test"][0] == "ok"
    # Neither the broker nor the lab of these settings exists.
    assert found["workers"][0] == found["channel push"][0] == found["channel email"][0] == "failed"
    assert found["message queue"] == ("warning", "works, but no web process is subscribed")
    text = run("doctor")[1]
    assert "failed   workers: cannot be reached" in text
    assert "check BROKER_URL" in text


def test_the_doctor_hears_what_is_published_and_counts_who_else_does(run, settings, redis_server):
    with redis.Redis.from_url(redis_server) as client, client.pubsub() as other:
        other.subscribe(settings.bus_topic)
        other.get_message(timeout=2)
        assert findings(run("doctor", "--json")[1])["message queue"] == ("ok", "works, with 1 web process subscribed")


def test_the_doctor_says_which_part_is_away_and_no_password(tmp_path, tenant, engine):
    url = engine.url.render_as_string(hide_password=False)
    settings = create_settings(tmp_path, DATABASE_URL=url, REDIS_URL="redis://:secret@127.0.0.1:1/0")
    result = create_app(settings).test_cli_runner().invoke(args=["doctor"])
    assert result.exit_code == 1
    assert "redis: does not answer: ConnectionError" in result.output
    assert "secret" not in result.output


def test_the_doctor_says_that_the_mail_server_refuses_us(tmp_path, tenant, engine, redis_server, recorder):
    server = Refusing(postmaster="554 5.7.1 <{}>: Relay access denied")
    with server.running() as port:
        url = engine.url.render_as_string(hide_password=False)
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(port), "SMTP_SECURITY": "none", "SMTP_FROM": "a@x.example"}
        app = create_app(create_settings(tmp_path, DATABASE_URL=url, REDIS_URL=redis_server, **mail), recorder)
        output = app.test_cli_runner().invoke(args=["doctor"]).output
    assert "failed   channel email: 554 5.7.1 <postmaster@example.com>: Relay access denied" in output
    assert server.accepted == []


def test_the_doctor_tries_the_storage_of_attachments(run, tmp_path, tenant, engine, redis_server, recorder):
    assert findings(run("doctor", "--json")[1])["attachments"] == ("ok", "a file was stored, found and deleted")
    same = {"DATABASE_URL": engine.url.render_as_string(hide_password=False), "REDIS_URL": redis_server}
    with s3_stand_in() as server:
        environ = {"CARILLON_ATTACHMENTS_URL": server.url, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        for other, says in [
            (environ, "ok       attachments: a file was stored, found and deleted"),
            (environ | {"AWS_SECRET_ACCESS_KEY": "wrong"}, "failed   attachments: the storage answers PUT with 403"),
            ({"CARILLON_ATTACHMENTS_URL": ""}, "warning  attachments: not configured"),
        ]:
            app = create_app(create_settings(tmp_path, **same, **other), recorder)
            output = app.test_cli_runner().invoke(args=["doctor"]).output
            assert says in output
            assert SECRET not in output
    assert server.objects == {}


def test_the_doctor_warns_of_work_that_nobody_does(run, engine, tenant):
    create_users(engine, ["alice"])
    long_ago = utc_now() - timedelta(minutes=10)
    expand_all(engine, accept_one(engine, long_ago, audience={"tenant": True}), long_ago)
    verdict, found = findings(run("doctor", "--json")[1])["backlog in_app"]
    assert verdict == "warning"
    assert found.startswith("1 deliveries due, the oldest for 6")


def test_the_doctor_says_that_a_provider_has_an_outage(run, settings, redis_server):
    with closing(Counters(redis_server, settings.bus_topic)) as counters:
        counters.pause("push", Pause(Failure.PROVIDER_DOWN, time.time() + 40))
    verdict, found = findings(run("doctor", "--json")[1])["outage push"]
    assert verdict == "warning"
    assert re.fullmatch(r"paused \(provider_down\), tried again after \d+ s", found)


def test_a_notification_is_sent_and_found_again_by_its_key(run, engine, tenant, bells):
    words = ("send", "--tenant", tenant, "--user", "alice", "--title", "T", "--message", "M", "--key", "k", "--json")
    status, first = run(*words)
    assert (status, first["replayed"]) == (0, False)
    assert bells == [("expand", [first["id"]])]
    assert run(*words)[1] == {"id": first["id"], "replayed": True}
    with read(engine) as connection:
        row = connection.execute(select(notifications)).one()
    assert (row.title, row.lane, row.audience) == ("T", 2, {"users": [{"id": "alice"}]})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--title", "T"], "--message"),
        (["--title", "T", "--message", "M"], "audience must have exactly one of"),
        (["--title", "T", "--message", "M", "--user", "a", "--level", "loud"], "level "),
        (["--title", "T", "--message", "M", "--user", "a", "--data", "[1]"], "must be a JSON object"),
        (["--title", "T", "--message", "M", "--user", "a", "--data", "{"], "is not JSON"),
        (["--title", "T", "--message", "M", "--user", "a", "--url", "javascript:alert(1)"], "url "),
    ],
)
def test_what_cannot_be_sent_is_one_line(run, tenant, words, says):
    status, text = run("send", "--tenant", tenant, *words)
    assert status in (1, 2)
    assert says in text.strip().splitlines()[-1]


def test_an_unknown_tenant_is_told(run):
    status, text = run("send", "--tenant", "nobody", "--user", "a", "--title", "T", "--message", "M")
    assert (status, text) == (1, "Error: there is no tenant nobody: run bin/carillon tenants create nobody\n")


def test_whoever_waits_is_told_what_became_of_it(run, engine, tenant):
    words = ("send", "--tenant", tenant, "--user", "alice", "--title", "T", "--message", "M", "--wait", "0", "--json")
    status, answer = run(*words)
    assert (status, answer["over"], answer["deliveries"]) == (1, False, {})


def test_events_are_shown_as_they_are_published(run, settings, redis_server):
    def publish() -> None:
        writer = Publisher.of(settings)
        payload = {"title": "\x1b[31mred", "level": "error"}
        for _ in range(100):
            rooms = [("acme/user:alice", 7), ("umbra/user:bob", 8)]
            writer.publish(
                [Group("alert:new", {}, [("acme/tenant:acme", 1)]), Group("notification:new", payload, rooms)]
            )
            if done.wait(0.05):
                break
        writer.close()

    done = threading.Event()
    thread = threading.Thread(target=publish)
    thread.start()
    try:
        filters = ("--tenant", "acme", "--event", "notification:*", "--count", "1", "--seconds", "10")
        _, event = run("tail", *filters, "--json")
        _, line = run("tail", *filters)
        before = time.monotonic()
        assert run("tail", "--user", "nobody", "--seconds", "0.2") == (0, "")
        assert time.monotonic() - before < 5
    finally:
        done.set()
        thread.join()
    assert event["event"] == "notification:new"
    assert event["rooms"] == [{"room": "acme/user:alice", "seq": 7}]
    assert "acme/user:alice#7" in line
    assert "\x1b" not in line


def test_what_is_past_retention_is_purged_on_demand(run, engine, tenant):
    create_users(engine, ["alice"])
    for days in (40, 10, 0):
        moment = utc_now() - timedelta(days=days)
        accept_one(engine, moment, audience={"tenant": True}, expires_at=moment + timedelta(hours=1))
    with write(engine) as connection:
        connection.execute(update(notifications).values(due_at=None))
    assert run("purge", "--json") == (0, {"deleted": 1, "days": 30})
    assert run("purge", "--days", "5") == (0, "1 rows deleted; 5 days are kept\n")
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(notifications)).scalar_one() == 1


def test_why_an_address_is_off_is_shown_and_a_mailbox_is_switched_on(run, engine, tenant):
    [alice] = create_users(engine, ["alice"], email=True, device=True, now=utc_now()).values()
    with write(engine) as connection:
        reasons = {a.id: f"{a.channel} is gone" for a in usable_addresses(connection, alice, utc_now())}
        disable_addresses(connection, reasons, utc_now(), utc_now())
    create_users(engine, ["carol"], email=True)
    listed = run("users", "list", "--tenant", tenant, "--json")[1]["data"]
    assert {row["user"]: row["email_disabled_at"] is not None for row in listed} == {"alice": True, "carol": False}
    text = run("users", "show", "alice", "--tenant", tenant)[1]
    assert "alice@example.test, disabled since 20" in text
    assert "email is gone" in text
    assert "push is gone" in text
    status, answer = run("users", "enable-email", "alice", "--tenant", tenant, "--json")
    assert (status, answer["email_disabled_at"]) == (0, None)
    with read(engine) as connection:
        [record] = list_records(connection, tenant, action="email.enable")
    assert (record.actor[:4], record.subject) == ("cli:", "alice")
    assert "disabled since" not in run("users", "show", "alice", "--tenant", tenant)[1]
    assert run("users", "enable-email", "alice", "--tenant", tenant) == (0, "alice@example.test is used\n")
    assert run("users", "enable-email", "bob", "--tenant", tenant)[0] == 1


def test_users_are_listed_shown_and_forgotten(run, engine, tenant):
    create_users(engine, ["alice", "bob"], email=True, device=True, now=utc_now())
    status, listed = run("users", "list", "--tenant", tenant, "--json")
    assert (status, [row["user"] for row in listed["data"]], listed["more"]) == (0, ["bob", "alice"], False)
    assert [
        row["user"] for row in run("users", "list", "--tenant", tenant, "--search", "lic", "--json")[1]["data"]
    ] == ["alice"]
    first = run("users", "list", "--tenant", tenant, "--limit", "1", "--json")[1]
    assert ([row["user"] for row in first["data"]], first["more"]) == (["bob"], True)
    page = run("users", "show", "alice", "--tenant", tenant, "--json")[1]
    assert {reach["channel"] for reach in page["reach"] if reach["addresses"]} == {"in_app", "push", "email"}
    text = run("users", "show", "alice", "--tenant", tenant)[1]
    assert "user:alice" in text
    assert "token" not in text.lower()
    assert run("users", "delete", "alice", "--tenant", tenant)[0] == 1, "nobody said yes"
    assert run("users", "delete", "alice", "--tenant", tenant, "--yes", "--json")[1]["deleted"] is True
    for words in (("show", "alice"), ("delete", "alice", "--yes")):
        status, text = run("users", *words, "--tenant", tenant)
        assert (status, text) == (
            1,
            f"Error: {tenant} has no user alice: run bin/carillon users list --tenant {tenant}\n",
        )


def test_what_others_wrote_does_not_reach_the_terminal_as_commands(run, engine, tenant):
    create_users(engine, ["alice"], email=True)
    nasty = "\x1b]0;owned\x07 \x9b31m \u202egnp.exe"
    sent = accept_one(engine, title=f"Hello {nasty}", now=utc_now())
    expand_all(engine, sent, utc_now())
    with write(engine) as connection:
        dead = {"state": "dead", "due_at": None, "failure": "bad_request", "reason": f"550 {nasty}"}
        connection.execute(update(deliveries).where(deliveries.c.channel == "email").values(dead))
    shown = [run("dead", "list")[1], run("notifications", "show", str(sent), "--tenant", "acme")[1]]
    for text in shown:
        assert r"550 \x1b]0;owned\x07 \x9b31m \u202egnp.exe" in text
        assert not UNPRINTABLE.search(text.replace("\n", ""))
