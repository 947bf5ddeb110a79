"""Every event of every namespace against everybody it is none of the business of."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine

from actions.conversations import create_conversation
from actions.installation import utc_now
from actions.messages import send_message
from carillon.chat import NewConversation, NewMessage
from config.audiences import OPERATOR, SERVICE
from models.alerts import queries as alerts
from models.sql.engine import connect, write
from tests import factories
from tests.chat import user
from tests.databases import PostgreSQL
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.spaces import Spaces
from tests.web.realtime.stack import Stack, Web
from tests.web.realtime.test_refusals import raw, refusal
from tests.web.stored import everything, foreign, subscribed
from web.app import create_app
from web.dialects import DIALECTS, NAMESPACES, REQUESTS, ROOT_DIALECTS, view_of

# What the events are asked about: a notification, an alert, a room and a token, all of them the victim's.
Victim = dict[str, Any]
Payload = Callable[[Victim], Any]


def _one(victim: Victim) -> Any:
    return {"ids": [victim["notification"]]}


def _nothing(_victim: Victim) -> Any:
    return None


def _alert(victim: Victim) -> Any:
    return {"id": victim["alert"]}


def _room(victim: Victim) -> Any:
    return {"room": victim["room"]}


def _chat(victim: Victim) -> Any:
    """A conversation, one of its messages, and the other members that chat events require."""
    other = {"content": "M", "emoji": "👍", "isTyping": True, "forEveryone": True}
    return {"conversationId": victim["conversation"], "messageId": victim["message"]} | other


# Refused: whoever asks is told so. Own: it concerns the caller, whatever the payload says, and nobody else.
REFUSED, OWN = "refused", "own"

# Every event, by every name it has for a client: what is asked, and what comes of it.
EVENTS: dict[str, tuple[Payload, str]] = {
    "notification:ack": (_one, OWN),
    "notification:read": (_one, REFUSED),
    "notification:seen": (_one, REFUSED),
    "notification:unread": (_one, REFUSED),
    "notification:archive": (_one, REFUSED),
    "notification:unarchive": (_one, REFUSED),
    "notification:delete": (_one, REFUSED),
    "mark_read": (_one, REFUSED),
    "notification:read_all": (_nothing, OWN),
    "notification:clear": (_nothing, OWN),
    "notification:count": (_nothing, OWN),
    "alert:count": (_nothing, OWN),
    "alert:acknowledge": (_alert, REFUSED),
    "presence:set": (lambda _: {"status": "online"}, OWN),
    "presence:online": (_nothing, OWN),
    "presence:away": (_nothing, OWN),
    "presence:busy": (_nothing, OWN),
    "presence:list": (lambda _: {"users": ["alice"]}, OWN),
    "room:join": (_room, REFUSED),
    "room:leave": (_room, REFUSED),
    "chat:conversation:create": (lambda _: {"type": "direct", "participants": ["nobody"]}, REFUSED),
    "chat:conversation:join": (_chat, REFUSED),
    "chat:conversation:leave": (_chat, REFUSED),
    "chat:send": (_chat, REFUSED),
    "chat:read": (_chat, REFUSED),
    "chat:delivered": (_chat, REFUSED),
    "chat:typing": (_chat, REFUSED),
    "chat:edit": (_chat, REFUSED),
    "chat:delete": (_chat, REFUSED),
    "chat:react": (_chat, REFUSED),
    "chat:unreact": (_chat, REFUSED),
    "send_message": (_chat, REFUSED),
    "typing": (_chat, REFUSED),
    "join-tenant": (lambda victim: {"tenantId": victim["other_tenant"]}, REFUSED),
    "join-group": (lambda victim: {"groupId": victim["room"]}, REFUSED),
    "leave-group": (lambda victim: {"groupId": victim["room"]}, REFUSED),
    "register": (lambda victim: {"user_id": victim["other_user"]}, REFUSED),
    "sync": (lambda victim: {"positions": {victim["room"]: 0}}, OWN),
    "auth:refresh": (lambda victim: {"token": victim["token"]}, REFUSED),
    "test": (_nothing, OWN),
    "sns:publish_start": (lambda _: {"post_id": 1, "platforms": ["x"]}, OWN),
    "publish_start": (lambda _: {"post_id": 1, "platforms": ["x"]}, OWN),
}


def names(app: Any, namespace: str, dialect: str | None = None) -> set[str]:
    """Every name by which a client in this namespace can ask for something."""
    table = DIALECTS[dialect or view_of(namespace).dialect].requests
    return set(gateway(app)._events) | set(REQUESTS) | set(table.get(namespace, {}))


def gateway(app: Any) -> Any:
    return app.extensions["socketio"].server.manager._listener


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each namespace offers to clients that name no dialect."""
    directory = tmp_path_factory.mktemp("offered")
    url = f"sqlite:///{directory / 'carillon.db'}"
    app = create_app(factories.create_settings(directory, DATABASE_URL=url, REDIS_URL="redis://127.0.0.1:1/0"))
    return {namespace: names(app, namespace) for namespace in NAMESPACES}


def test_every_event_of_every_namespace_is_in_the_table(app):
    known = [names(app, namespace) for namespace in NAMESPACES] + [names(app, "/", one) for one in ROOT_DIALECTS]
    assert set.union(*known) == set(EVENTS)
    assert set(app.extensions["socketio"].server.handlers) == set(NAMESPACES)


def test_nothing_is_done_for_a_token_that_has_expired_or_a_connection_that_never_had_one(
    app, engine, tenant, monkeypatch, subtests
):
    # More is asked here than a user may.
    monkeypatch.setattr(gateway(app)._rate_limits, "take", lambda *_: True)
    factories.create_users(engine, ["alice"])
    notification = factories.accept_one(engine)
    factories.expand_all(engine, notification)
    victim = {"notification": str(notification), "alert": str(notification), "room": "user:alice", "token": "x"}
    victim |= {"other_tenant": tenant, "other_user": "alice", "conversation": "talk", "message": str(notification)}
    before = everything(engine)
    for namespace in NAMESPACES:
        late = session(sid=f"late {namespace}", lifetime=-1, view=view_of(namespace))
        late.progress.start("e", {})
        assert late.progress.release()
        late.ready = True
        gateway(app).sessions.add(late)
        for event in sorted(names(app, namespace)):
            with subtests.test(namespace=namespace, event=event):
                answer = gateway(app).dispatch(event, late.sid, EVENTS[event][0](victim))
                expected = "invalid_token" if event == "auth:refresh" else "token_expired"
                assert (answer["ok"], answer["error"]["code"]) == (False, expected)
                answer = gateway(app).dispatch(event, "nobody", EVENTS[event][0](victim))
                assert (answer["ok"], answer["error"]["code"]) == (False, "forbidden")
    assert everything(engine) == before


_numbers = count(1)


@pytest.fixture(scope="module", params=["gevent-postgresql", "threading-sqlite"])
def web(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _redis_url: str,
    _postgresql: PostgreSQL,
    _sqlite_template: Path,
) -> Iterator[tuple[Web, Engine]]:
    """The whole application in a process of its own, with all of its events."""
    mode, _, database = request.param.partition("-")
    directory = tmp_path_factory.mktemp("strangers")
    with ExitStack() as stack:
        if database == "postgresql":
            url = stack.enter_context(_postgresql.database())
        else:
            (directory / "carillon.db").write_bytes(_sqlite_template.read_bytes())
            url = f"sqlite:///{directory / 'carillon.db'}"
        settings = factories.create_settings(
            directory,
            DATABASE_URL=url,
            REDIS_URL=_redis_url,
            CARILLON_REDIS_CHANNEL=f"strangers-{mode}",
            SOCKETIO_ASYNC_MODE=mode,
        )
        web = Web(settings, mode, directory / "web.log", application="web.app:create_app()")
        stack.callback(web.stop)
        engine = connect(url)
        stack.callback(engine.dispose)
        yield web.start(), engine


@pytest.fixture
def stack(web: tuple[Web, Engine]) -> Iterator[Stack]:
    stack = Stack(*web, f"strangers{next(_numbers)}")
    yield stack
    stack.close()


@pytest.mark.slow
def test_no_namespace_lets_in_whoever_has_no_token_for_it(stack: Stack, subtests):
    lifetime = timedelta(seconds=-60)
    key = factories.create_api_key(stack.engine, stack.tenant)
    wrong = {
        "none": (None, "token_missing"),
        "expired": ({"token": stack.token(lifetime=lifetime)}, "token_expired"),
        "a service's": ({"token": stack.token(audience=SERVICE)}, "forbidden"),
        "an operator's": ({"token": stack.token(audience=OPERATOR)}, "forbidden"),
        "an API key": ({"token": key}, "forbidden"),
    }
    before = everything(stack.engine)
    with subscribed(stack.settings.redis_url, stack.settings.bus_topic) as heard:
        for namespace in NAMESPACES:
            for name, (auth, code) in wrong.items():
                with subtests.test(namespace=namespace, token=name):
                    assert refusal(stack, auth, namespaces=[namespace])["code"] == code
        assert heard.rooms() == []
    assert everything(stack.engine) == before


@pytest.mark.slow
def test_what_is_said_before_the_handshake_is_not_heard(offered, stack: Stack):
    victim = a_victim(stack)
    before = foreign(stack.engine, stack.tenant, "bob")
    for namespace in NAMESPACES:
        prefix = "" if namespace == "/" else f"{namespace},"
        for event in sorted(offered[namespace]):
            connection = raw(stack)
            connection.send(f"42{prefix}7{json.dumps([event, EVENTS[event][0](victim)])}")
            # The connection ends at once.
            assert connection.recv() in ("1", "")
            connection.close()
    assert foreign(stack.engine, stack.tenant, "bob") == before


def a_victim(stack: Stack) -> Victim:
    """Alice, with something of everything."""
    notification = stack.write("alice", title="Secret of alice")
    stack.write("bob")
    stack.publish()
    with write(stack.engine) as connection:
        new = alerts.NewAlert(
            tenant_id=stack.tenant,
            title="Secret of the tenant",
            message="M",
            expires_at=utc_now() + timedelta(days=1),
            body_sha256="0" * 64,
            data={},
        )
        alert = alerts.create(connection, new, utc_now()).alert
    chat = factories.create_installation(stack.engine)
    factories.create_users(stack.engine, ["carol"], tenant=stack.tenant)
    alice = user("alice", stack.tenant)
    talk = create_conversation(chat, alice, NewConversation(type="group", participants=["carol"])).id
    message = send_message(chat, alice, talk, NewMessage(content="Secret of alice")).message
    stack.work()
    return {
        "notification": str(notification),
        "alert": str(alert.id),
        "room": "user:alice",
        "conversation": talk,
        "message": str(message.id),
        "token": stack.token("alice"),
        "other_tenant": "another",
        "other_user": "alice",
    }


def ask(spaces: Spaces, namespace: str, event: str, payload: Any) -> Any:
    """As often as it takes to be within the limits."""

    def once() -> Any:
        answer = spaces.call(namespace, event, payload)
        if not answer["ok"] and answer["error"]["code"] == "rate_limited":
            time.sleep(0.3)
            return None
        return answer

    return eventually(once, within=30)


def attack(offered: dict[str, set[str]], spaces: Spaces, victim: Victim, subtests: Any) -> list[str]:
    """Ask for everything everywhere; returns what was said in answer."""
    answers = []
    for namespace in NAMESPACES:
        for event in sorted(offered[namespace]):
            payload, outcome = EVENTS[event]
            with subtests.test(namespace=namespace, event=event):
                answer = ask(spaces, namespace, event, payload(victim))
                answers.append(json.dumps(answer))
                assert answer["ok"] is (outcome is OWN), answer
                # The payload is valid: the refusal is about who asks.
                assert answer["ok"] or answer["error"]["code"] != "bad_request", answer
    return answers


@pytest.mark.slow
def test_another_user_is_refused_or_served_with_what_is_theirs(offered, stack: Stack, subtests):
    victim = a_victim(stack)
    listening = Spaces(stack, *NAMESPACES, user="alice")
    bob = Spaces(stack, *NAMESPACES, user="bob")
    time.sleep(1)
    before = foreign(stack.engine, stack.tenant, "bob")
    told = {namespace: len(listening.heard[namespace]) for namespace in NAMESPACES}
    # An alert of their own tenant they may acknowledge, so they are asked about none.
    victim["alert"] = str(UUID(int=0))
    with subscribed(stack.settings.redis_url, stack.settings.bus_topic) as heard:
        answers = attack(offered, bob, victim, subtests)
        stack.work()
        rooms = heard.rooms()
    assert foreign(stack.engine, stack.tenant, "bob") == before
    assert {room for event, room in rooms if not event.startswith("presence:")} == {f"{stack.tenant}/user:bob"}
    for namespace, number in told.items():
        since = {name for name, _ in listening.heard[namespace][number:]}
        assert not {name for name in since if not name.startswith(("presence:", "chat:presence", "user_o"))}, namespace
    assert "Secret of alice" not in "".join(answers) + json.dumps(bob.heard)
    listening.close()
    bob.close()


@pytest.mark.slow
def test_a_namesake_in_another_tenant_is_refused_or_served_with_what_is_theirs(offered, stack: Stack, web, subtests):
    victim = a_victim(stack)
    elsewhere = Stack(*web, f"elsewhere{next(_numbers)}")
    elsewhere.notify("alice", title="Another")
    listening = Spaces(stack, *NAMESPACES, user="alice")
    namesake = Spaces(elsewhere, *NAMESPACES, user="alice")
    time.sleep(1)
    before = foreign(stack.engine, elsewhere.tenant)
    told = {namespace: len(listening.heard[namespace]) for namespace in NAMESPACES}
    victim |= {"room": f"tenant:{stack.tenant}", "other_tenant": stack.tenant, "other_user": "bob"}
    with subscribed(stack.settings.redis_url, stack.settings.bus_topic) as heard:
        answers = attack(offered, namesake, victim, subtests)
        stack.work()
        rooms = heard.rooms()
    assert foreign(stack.engine, elsewhere.tenant) == before
    # Somebody of an earlier test may still be found to have gone.
    told_of = {room.partition("/")[0] for event, room in rooms if not event.startswith("presence:")}
    assert told_of == {elsewhere.tenant}
    assert stack.tenant not in {room.partition("/")[0] for _, room in rooms}
    assert {namespace: len(listening.heard[namespace]) for namespace in NAMESPACES} == told
    assert "Secret" not in "".join(answers) + json.dumps(namesake.heard)
    listening.close()
    namesake.close()
    elsewhere.close()
