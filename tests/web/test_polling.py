"""Polling as clients of tenant events do it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import pytest
from sqlalchemy import select

from actions.installation import utc_now
from models.deliveries.tables import deliveries
from models.events.cursor import Cursor
from models.events.emit import emit, emit_to_users
from models.events.log import purge
from models.events.tables import events
from models.polling.tables import event_acks
from models.sql.engine import read, write
from tests.factories import expand_all
from tests.web.callers import Caller
from web.polling_pages import PAGES, PollingPages

BEGINNING = "1970-01-01T00:00:00.000Z"
URL = "/api/polling/acme/events"


@pytest.fixture
def say(engine, tenant):
    """Emit an event to the tenant, or to users."""

    def to(name="expense:created", users=None, ago=0.0, **data):
        now = utc_now() - timedelta(seconds=ago)
        with write(engine) as connection:
            if users is None:
                emit(connection, "acme", "tenant:acme", name, data, now)
            else:
                emit_to_users(connection, "acme", users, name, data, now)

    return to


@pytest.fixture
def clock(app, monkeypatch):
    """The server's clock, set by hand."""
    moment = [utc_now()]
    monkeypatch.setattr(type(app.extensions["carillon"]), "now", lambda _: moment[0], raising=False)
    return moment


@pytest.fixture
def patient(app, monkeypatch):
    """Nobody has to wait between two polls."""
    monkeypatch.setattr(app.extensions["carillon"].polling_pages, "wait", lambda *_: 0)


def poll(caller: Caller, since: str | None = BEGINNING):
    return caller.get(URL if since is None else f"{URL}?since={since}")


def acknowledge(caller: Caller, *ids: str) -> int:
    answer = caller.post(f"{URL}/acknowledge", {"eventIds": list(ids)})
    assert answer.status_code == 200
    return answer.json["acknowledged"]


def numbers(page) -> list[int]:
    return [event["payload"]["n"] for event in page.json["data"]]


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# What a client gets


def test_the_first_poll_gives_everything_kept(alice, say, patient):
    say(n=1, users=["alice"])
    say(n=2)
    say(n=3, users=["bob"])
    page = poll(alice)
    assert page.status_code == 200
    assert numbers(page) == [1, 2]
    assert [e["id"] for e in page.json["data"]] == ["user:alice:1", "tenant:acme:1"]
    [first, _] = page.json["data"]
    assert (first["type"], first["payload"]["seq"]) == ("expense:created", 1)
    assert datetime.fromisoformat(first["created_at"]).tzinfo is not None
    assert (page.json["complete"], page.json["more"]) == (True, False)
    assert page.json["poll"] == {
        "minInterval": 5000,
        "defaultInterval": 10000,
        "maxInterval": 60000,
        "backoffMultiplier": 1.5,
        "maxRetries": 5,
    }
    assert [e["id"] for e in poll(alice, None).json["data"]] == ["user:alice:1", "tenant:acme:1"]


def test_a_client_that_polls_as_it_always_did_gets_each_event_once(alice, say, clock):
    """Time of its own clock as `since`, everything acknowledged after it was handled."""
    handled: list[int] = []
    since = BEGINNING
    for turn in range(4):
        clock[0] += timedelta(seconds=10)
        say(n=turn)
        page = poll(alice, since)
        handled += numbers(page)
        # What comes while the answer is on its way lies before the time that the client will name.
        say(n=100 + turn)
        if page.json["data"]:
            acknowledge(alice, *(e["id"] for e in page.json["data"]))
        since = stamp(clock[0] + timedelta(seconds=0.3))
    clock[0] += timedelta(seconds=10)
    handled += numbers(poll(alice, since))
    assert sorted(handled) == [0, 1, 2, 3, 100, 101, 102, 103]


def test_an_answer_that_was_lost_is_given_again(alice, say, patient):
    say(n=1)
    assert numbers(poll(alice)) == [1]
    assert numbers(poll(alice, stamp(utc_now()))) == [1]


@pytest.mark.parametrize("off", [timedelta(minutes=-90), timedelta(seconds=90), timedelta(days=400)])
def test_a_clock_that_is_wrong_loses_nothing(alice, say, patient, off):
    say(n=1)
    page = poll(alice, stamp(utc_now() + off))
    assert numbers(page) == [1]


def test_a_time_leaves_out_what_is_long_before_it(alice, say, patient):
    say(n=1, ago=1800)
    say(n=2)
    assert numbers(poll(alice, stamp(utc_now() - timedelta(seconds=10)))) == [2]
    assert numbers(poll(alice, "2020-01-01T00:00:00+00:00")) == [1, 2]


def test_what_is_older_than_an_hour_is_forgotten(alice, say, patient):
    say(n=1, ago=3601)
    say(n=2, ago=3590)
    assert numbers(poll(alice)) == [2]


def test_a_cursor_is_exact_and_needs_no_acknowledgement(alice, say, patient):
    say(n=1)
    cursor = poll(alice).json["cursor"]
    assert numbers(poll(alice, cursor)) == []
    say(n=2)
    say(n=3, users=["alice"])
    page = poll(alice, cursor)
    assert numbers(page) == [3, 2]
    assert numbers(poll(alice, page.json["cursor"])) == []
    # The same cursor as at GET /v1/events.
    assert [e["payload"]["n"] for e in alice.get(f"/v1/events?cursor={cursor}").json["data"]] == [3, 2]


def test_a_long_absence_comes_in_pages_that_need_not_wait(alice, engine):
    now = utc_now()
    with write(engine) as connection:
        for n in range(450):
            emit(connection, "acme", "tenant:acme", "expense:created", {"n": n}, now)
        emit_to_users(connection, "acme", ["alice"], "expense:created", {"n": 1000}, now)
    first = poll(alice)
    assert (len(numbers(first)), first.json["more"]) == (200, True)
    second = poll(alice, first.json["cursor"])
    third = poll(alice, second.json["cursor"])
    assert (second.json["more"], third.json["more"]) == (True, False)
    assert numbers(first) + numbers(second) + numbers(third) == [1000, *range(450)]


def test_pages_by_acknowledgement_alone(alice, engine, patient):
    with write(engine) as connection:
        for n in range(250):
            emit(connection, "acme", "tenant:acme", "expense:created", {"n": n}, utc_now())
    first = poll(alice)
    acknowledge(alice, *(e["id"] for e in first.json["data"]))
    assert numbers(first) + numbers(poll(alice)) == list(range(250))


def test_a_notification_is_called_as_these_clients_know_it(alice, service, engine, patient):
    kept = service.send(audience={"users": ["alice"]}, title="Hello").json["id"]
    recalled = service.send(audience={"users": ["alice"]}, title="Oops").json["id"]
    for one in (kept, recalled):
        expand_all(engine, UUID(one), utc_now())
    service.delete(f"/v1/notifications/{recalled}")
    page = poll(alice)
    assert [(e["type"], e["payload"]["title"]) for e in page.json["data"]] == [("notification:created", "Hello")]
    # Polling is another way to the screen: what is acknowledged there need not be sent elsewhere.
    assert acknowledge(alice, page.json["data"][0]["id"]) == 1
    with read(engine) as connection:
        states = connection.execute(
            select(deliveries.c.state).where(deliveries.c.notification_id == UUID(kept))
        ).scalars()
        assert set(states) == {"acked"}


# Acknowledging


def test_what_is_acknowledged_is_not_given_again_and_the_rest_is(alice, say, patient):
    for n in range(1, 6):
        say(n=n)
    assert acknowledge(alice, "tenant:acme:2", "tenant:acme:4") == 2
    assert acknowledge(alice, "tenant:acme:2", "tenant:acme:4") == 0
    assert numbers(poll(alice)) == [1, 3, 5]
    assert acknowledge(alice, "tenant:acme:1", "tenant:acme:3") == 2
    assert numbers(poll(alice)) == [5]
    assert acknowledge(alice, "tenant:acme:5") == 1
    say(n=6)
    assert numbers(poll(alice)) == [6]


def test_it_stays_one_row_however_many_events_there_were(alice, say, engine):
    for n in range(1, 30):
        say(n=n)
        if n % 3:
            acknowledge(alice, f"tenant:acme:{n}")
    with read(engine) as connection:
        [row] = connection.execute(select(event_acks)).all()
    assert (row.floor, row.beyond[:3], len(row.beyond)) == (2, [4, 5, 7], 18)
    acknowledge(alice, *(f"tenant:acme:{n}" for n in range(1, 30)))
    with read(engine) as connection:
        [row] = connection.execute(select(event_acks)).all()
    assert (row.floor, row.beyond) == (29, [])


def test_what_expired_is_no_gap(alice, say, engine, patient):
    say(n=1, ago=4000)
    say(n=2)
    acknowledge(alice, "tenant:acme:2")
    with read(engine) as connection:
        [row] = connection.execute(select(event_acks)).all()
    assert (row.floor, row.beyond) == (2, [])


def test_one_user_s_acknowledgement_is_not_another_s(alice, client, user_token, say, patient):
    say(n=1)
    acknowledge(alice, "tenant:acme:1")
    bob = Caller(client, user_token("bob"))
    assert numbers(poll(bob)) == [1]
    assert numbers(poll(alice)) == []


def test_a_time_that_leaves_something_out_does_not_acknowledge_it(alice, say, patient):
    say(n=1, ago=1800)
    say(n=2)
    late = stamp(utc_now() - timedelta(seconds=5))
    page = poll(alice, late)
    acknowledge(alice, *(e["id"] for e in page.json["data"]))
    assert numbers(poll(alice, late)) == []
    assert numbers(poll(alice)) == [1]


@pytest.mark.parametrize(
    "ids",
    [
        [],
        ["user:bob:1", "tenant:umbra:1", "conversation:x:1"],
        ["", ":", "user:alice", "user:alice:", "user:alice:x", "user:alice:-1", "user:alice:1.0", "user:alice:١"],
        ["tenant:acme:99", "tenant:acme:0", "tenant:acme:9" + "9" * 30, "tenant:acme:999999999999999999"],
        ["x" * 200] * 1000,
    ],
)
def test_ids_of_others_or_of_nothing_change_nothing(alice, say, patient, ids):
    say(n=1)
    say(n=2, users=["bob"])
    assert acknowledge(alice, *ids) == 0
    assert numbers(poll(alice)) == [1]


@pytest.mark.parametrize("kind", [None, "", "text/plain", "text/plain;charset=UTF-8", "application/json"])
def test_the_body_is_json_whatever_it_is_called(alice, say, patient, kind):
    say(n=1)
    answer = alice.client.post(
        f"{URL}/acknowledge",
        data='{"eventIds":["tenant:acme:1"]}',
        content_type=kind,
        headers={"Authorization": f"Bearer {alice.token}"},
    )
    assert (answer.status_code, answer.json) == (200, {"acknowledged": 1})


@pytest.mark.parametrize("document", [{}, {"eventIds": "a"}, {"eventIds": [1]}, {"eventIds": [""] * 1001}, []])
def test_a_body_that_is_none_is_refused(alice, document):
    assert alice.post(f"{URL}/acknowledge", document).status_code == 422


# Doors


@pytest.mark.parametrize("other", ["umbra", "nobody", "ACME", "%20", "*"])
def test_another_tenant_is_not_there(alice, stranger, other):
    for answer in (
        alice.get(f"/api/polling/{other}/events?since={BEGINNING}"),
        alice.post(f"/api/polling/{other}/events/acknowledge", {"eventIds": []}),
    ):
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_only_users_poll(service):
    assert poll(service).status_code == 403
    assert service.post(f"{URL}/acknowledge", {"eventIds": []}).status_code == 403


@pytest.mark.parametrize("since", ["yesterday", "0", "-1", "9999-12-31T23:59:59-23:59x", "e30", "a" * 5000, "%00"])
def test_a_since_that_is_none_is_refused(alice, since):
    refused = poll(alice, since)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "since")


def test_a_foreign_room_in_a_cursor_is_passed_over(alice, say, patient):
    say(n=1, users=["bob"])
    epoch = alice.get("/v1/events/head").json["epoch"]
    page = poll(alice, Cursor(epoch, {"user:bob": 0}).encode())
    assert (page.json["data"], page.json["complete"]) == ([], True)
    assert "bob" not in str(Cursor.decode(page.json["cursor"]))


# How often


def test_a_page_that_polls_too_fast_is_told_to_wait(alice, client, user_token, say):
    say(n=1)
    assert poll(alice).status_code == 200
    refused = poll(alice, stamp(utc_now()))
    assert (refused.status_code, refused.json["code"]) == (429, "polling_too_fast")
    assert 1 <= int(refused.headers["Retry-After"]) <= 5
    # Clients read it without looking at the status.
    assert refused.json["data"] == []
    # Other users at their own pace, and acknowledging at any.
    assert poll(Caller(client, user_token("bob"))).status_code == 200
    assert acknowledge(alice, "tenant:acme:1") == 1


def test_nobody_waits_for_an_answer_that_was_given_before_the_clock_was_set_back(alice, say, clock):
    say(n=1)
    page = clock[0]
    assert poll(alice).status_code == 200
    clock[0] -= timedelta(hours=1)
    assert numbers(poll(alice, stamp(page))) == [1]


def test_a_user_can_have_so_many_pages(alice):
    answers = [poll(alice).status_code for _ in range(3 * PAGES)]
    assert answers[:PAGES] == [200] * PAGES
    # Meanwhile a few more of them may.
    assert 429 in answers


def test_each_page_of_a_user_gets_each_event(alice, say, clock):
    """Two pages poll every 10 s as their document says, 3 s apart, and acknowledge what they get."""
    began = clock[0]
    since = {"first": BEGINNING, "second": BEGINNING}
    handled: dict[str, list[int]] = {"first": [], "second": []}
    for turn in range(5):
        for page, offset in (("first", 0), ("second", 3)):
            clock[0] = began + timedelta(seconds=10 * turn + offset)
            answer = poll(alice, since[page])
            assert answer.status_code == 200
            handled[page] += numbers(answer)
            # Committed while the answer is on its way.
            say(n=100 * turn + offset, ago=(utc_now() - clock[0]).total_seconds())
            if answer.json["data"]:
                acknowledge(alice, *(event["id"] for event in answer.json["data"]))
            since[page] = stamp(clock[0] + timedelta(seconds=0.3))
    said = [100 * turn + offset for turn in range(5) for offset in (0, 3)]
    # Not what came after its last poll.
    assert handled == {"first": said[:8], "second": said[:9]}


def test_a_refused_request_does_not_use_up_the_turn(alice):
    assert poll(alice, "yesterday").status_code == 422
    assert poll(alice).status_code == 200


@pytest.mark.slow
def test_without_redis_nobody_is_paced(app, alice, say, monkeypatch):
    say(n=1)
    away = PollingPages("redis://127.0.0.1:1", 5.0)
    for name in ("wait", "last_answer", "answered"):
        monkeypatch.setattr(app.extensions["carillon"].polling_pages, name, getattr(away, name))
    for _ in range(3):
        assert numbers(poll(alice)) == [1]


# Its end


def test_every_answer_says_what_comes_instead(alice, say):
    say(n=1)
    for answer in (poll(alice), poll(alice), alice.post(f"{URL}/acknowledge", {"eventIds": []})):
        assert answer.headers["Deprecation"].startswith("@")
        assert int(answer.headers["Deprecation"][1:]) < parsedate_to_datetime(answer.headers["Sunset"]).timestamp()
        assert answer.headers["Link"] == '</v1/events>; rel="successor-version"'
        assert answer.headers["Cache-Control"] == "no-store"


def test_history_that_was_cut_off_is_reported(alice, say, engine, patient):
    say(n=1)
    say(n=2)
    with write(engine) as connection:
        connection.execute(events.update().where(events.c.seq == 1).values(created_at=utc_now() - timedelta(days=40)))
        purge(connection, utc_now(), utc_now() - timedelta(days=30), 10)
    assert (numbers(poll(alice)), poll(alice).json["complete"]) == ([2], False)
    assert poll(alice, stamp(utc_now())).json["complete"]
