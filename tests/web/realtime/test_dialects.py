"""Every kind of client is told everything by the names it knows, and is understood."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from actions.installation import utc_now
from models.catalogue.source import built_in
from models.events.emit import emit_to_users
from models.inbox.changes import READ, change_items
from models.sql.engine import write
from models.tenants.queries import choose_dialect
from tests.bells import RecordingBells
from tests.databases import ROOT
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.spaces import Spaces
from tests.web.realtime.stack import Stack
from tests.web.realtime.test_live import states
from tests.web.realtime.test_refusals import raw, refusal
from web.dialects import DIALECTS, MIXED, NAMESPACES, ROOT_DIALECTS, view_of
from web.dialects.dialect import Dialect, EventMapping, RequestMapping, constant, merged
from web.realtime.gateway.sessions import Sessions
from web.realtime.limits import MAX_CONNECTIONS_PER_USER
from web.realtime.transport import fanout
from workers.publish import publish
from workers.runtime import Runtime

HEARD = list(built_in())

# The names that each system's clients listen to, namespace by namespace.
NOTIFICATION = [f"notification:{what}" for what in ("new", "read", "read_all", "deleted", "count")]
ALERT = [f"alert:{what}" for what in ("new", "acknowledged", "deleted", "count")]
PRESENCE = [f"presence:{state}" for state in ("online", "offline", "away", "busy")]
STREAM = [f"stream:{what}" for what in ("data", "task_update", "pond_update", "expense_update")]
CHAT = [
    *("chat:message:sent", "chat:message", "chat:message:delivered", "chat:message:read", "chat:message:edited"),
    *("chat:message:deleted", "chat:typing:start", "chat:typing:stop", "chat:conversation:created"),
    *("chat:presence", "chat:error"),
]
TENANT = [
    *("expense:created", "expense:updated", "expense:deleted", "expenses:bulk-deleted"),
    *("goal:created", "goal:achieved", "goal:deleted", "milestone:completed"),
    *("budget:warning", "budget:exceeded", "member:joined", "member:left", "member:role-changed"),
    *("notification:created", "sync:completed", "error:occurred"),
]
LISTENED: dict[tuple[str, str], list[str]] = {
    ("hub", "/"): [*NOTIFICATION, *ALERT, *PRESENCE, *STREAM, *CHAT],
    ("hub", "/notification"): NOTIFICATION,
    ("hub", "/alert"): ALERT,
    ("hub", "/presence"): PRESENCE,
    ("hub", "/stream"): STREAM,
    ("canonical", "/"): [*NOTIFICATION, *ALERT, *PRESENCE, *STREAM, *CHAT],
    ("tenant", "/"): TENANT,
    ("ns4", "/sns"): [
        *("publish_started", "publish_success", "publish_failed", "post_liked", "post_commented"),
        *("user_online", "user_offline"),
    ],
    ("ns4", "/orders"): ["order_updated", "shipment_update", "delivery_confirmed"],
    ("ns4", "/chat"): ["message_received", "user_typing", "message_read", "user_online", "user_offline"],
    ("ns4", "/notifications"): ["notification", "notification_read", "notification_deleted"],
    ("simple", "/"): ["notification"],
    ("mixed", "/"): [*NOTIFICATION, *ALERT, *PRESENCE, *STREAM, *CHAT, *TENANT, "notification"],
}

# The names that their clients send, and the operations they mean.
ASKED: dict[tuple[str, str], dict[str, str]] = {
    ("hub", "/"): {
        **{f"presence:{state}": "presence:set" for state in ("online", "away", "busy")},
        "chat:conversation:join": "room:join",
    },
    ("tenant", "/"): {"join-tenant": "room:join", "test": "test"},
    ("ns4", "/sns"): {"publish_start": "sns:publish_start"},
    ("group", "/"): {"join-group": "room:join", "leave-group": "room:leave"},
    ("simple", "/"): {"register": "room:join", "mark_read": "notification:read"},
}
ASKED["mixed", "/"] = {
    name: means for (dialect, _), names in ASKED.items() if dialect != "ns4" for name, means in names.items()
}

PLACE = {"room": "user:alice", "seq": 7}
NEW = {
    "id": "n1",
    "notification_id": "n1",
    "title": "<b>Hi</b>",
    "message": "You & me",
    "data": {"form_id": 3, "id": "forged", "seq": 99},
    "level": "success",
    "type": "notification",
    "category": "immigration",
    "created_at": "2026-01-01T12:00:00.000Z",
    **PLACE,
}


def told(dialect: str, namespace: str, event: str, payload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return dict(view_of(namespace, dialect).translate(event, payload))


@pytest.mark.parametrize(("dialect", "namespace"), LISTENED)
def test_clients_hear_every_name_they_listen_to(dialect: str, namespace: str):
    view = view_of(namespace, dialect)
    names = {name for event in HEARD for name, _ in view.translate(event, {})}
    assert set(LISTENED[dialect, namespace]) <= names


@pytest.mark.parametrize(("dialect", "namespace"), ASKED)
def test_names_that_clients_send_stand_for_operations_that_have_a_handler(app: Any, dialect: str, namespace: str):
    view = view_of(namespace, dialect)
    names = ASKED[dialect, namespace]
    assert {name: view.request(name).operation for name in names} == names
    handled = app.extensions["socketio"].server.manager._listener._events
    assert set(names.values()) <= set(handled)


@pytest.mark.parametrize("dialect", ROOT_DIALECTS)
def test_on_the_root_nothing_is_kept_from_anybody(dialect: str):
    view = view_of("/", dialect)
    for event in [*HEARD, "operators:own", "event:skipped"]:
        tellings = view.translate(event, {"id": "x", "created_at": "then", **PLACE})
        assert tellings, event
        assert len({name for name, _ in tellings}) == len(tellings), event
        for _, payload in tellings:
            assert PLACE.items() <= payload.items(), event
            assert payload["id"] == "x"


@pytest.mark.parametrize("namespace", [namespace for namespace in NAMESPACES if namespace != "/"])
def test_elsewhere_only_what_belongs_there_is_told(namespace: str):
    view = view_of(namespace)
    heard = {event for event in HEARD if view.receives(event)}
    assert 0 < len(heard) < 12
    assert "event:skipped" not in heard
    assert not [name for event in heard for name, _ in view.translate(event, {}) if name not in LISTENED_IN[namespace]]


LISTENED_IN = {
    namespace: {*names, *EXTRA}
    for (_, namespace), names in LISTENED.items()
    for EXTRA in [
        {
            "/notification": [
                f"notification:{what}" for what in ("seen", "unread", "archived", "unarchived", "created")
            ],
            "/notifications": ["notification:count"],
        }.get(namespace, [])
    ]
}


@pytest.mark.parametrize(
    ("dialect", "namespace", "name"),
    [
        ("canonical", "/", "notification:new"),
        ("hub", "/", "notification:new"),
        ("hub", "/notification", "notification:new"),
        ("tenant", "/", "notification:created"),
        ("group", "/", "notification:new"),
        ("simple", "/", "notification"),
        ("ns4", "/notifications", "notification"),
    ],
)
def test_a_notification_in_every_dialect(dialect: str, namespace: str, name: str):
    [(given, payload)] = told(dialect, namespace, "notification:new", NEW).items()
    assert given == name
    same = ("id", "notification_id", "title", "message", "data", "level", "category", "created_at", "room", "seq")
    assert {member: payload[member] for member in same} == {member: NEW[member] for member in same}
    if dialect in ("hub", "tenant", "group"):
        assert payload["createdAt"] == payload["timestamp"] == NEW["created_at"]


def test_a_notification_is_told_thrice_to_those_who_do_not_choose():
    names = told("mixed", "/", "notification:new", NEW)
    assert list(names) == ["notification:new", "notification:created", "notification"]
    assert names["notification:new"]["type"] == "notification"
    assert names["notification"]["type"] == "success"


def test_the_simple_kind_has_what_else_was_given_beside_the_message():
    payload = told("simple", "/", "notification:new", NEW)["notification"]
    assert (payload["type"], payload["form_id"], payload["category"]) == ("success", 3, "immigration")
    # What was given cannot take the place of what we say.
    assert (payload["id"], payload["seq"]) == ("n1", 7)
    own = told("simple", "/", "notification:new", NEW | {"type": "case_update"})["notification"]
    assert own["type"] == "case_update"


@pytest.mark.parametrize(
    ("dialect", "namespace"), [(one, "/") for one in ("hub", "tenant", "group", "simple", "mixed")]
)
def test_what_a_service_calls_by_its_own_id_is_known_by_it(dialect: str, namespace: str):
    new = NEW | {"data": {"notification_id": 7, "severity": "medium"}, "reference": "7", "level": "warning"}
    for payload in told(dialect, namespace, "notification:new", new).values():
        assert (payload["id"], payload["notification_id"], payload["carillon_id"]) == (7, 7, "n1")
        assert (payload["severity"], payload["level"]) == ("medium", "warning")
    read = {"id": "n1", "notification_id": "n1", "ids": ["n1", "n2"], "own_ids": [7, "n2"]}
    [payload] = told(dialect, namespace, "notification:read", read).values()
    assert (payload["id"], payload["notification_id"], payload["ids"]) == (7, 7, [7, "n2"])
    raised = {"id": "a1", "alert_id": "a1", "level": "error", "severity": "error", "data": {"alert_id": "a-7"}}
    [payload] = told(dialect, namespace, "alert:new", raised | {"own_ids": ["a-7"]}).values()
    assert (payload["id"], payload["alert_id"], payload["severity"]) == ("a-7", "a-7", "error")
    [payload] = told(dialect, namespace, "alert:acknowledged", {"id": "a1", "alert_id": "a1", "own_ids": [7]}).values()
    assert (payload["id"], payload["alert_id"]) == (7, 7)
    # The data of a service can have these names and mean something else.
    for other in ({"reference": "another"}, {"data": {"severity": "loud", "notification_id": "n1"}}):
        for payload in told(dialect, namespace, "notification:new", new | other).values():
            assert payload["id"] == "n1"
    [payload] = told(dialect, namespace, "alert:new", raised).values()
    assert payload["id"] == "a1"


def test_canonical_clients_know_everything_by_carillons_id():
    new = NEW | {"data": {"notification_id": 7}, "reference": "7"}
    [payload] = told("canonical", "/", "notification:new", new).values()
    assert (payload["id"], payload["notification_id"], payload["data"]) == ("n1", "n1", {"notification_id": 7})


def test_pages_that_put_texts_into_html_are_given_some_that_may_be():
    payload = told("ns4", "/notifications", "notification:new", NEW)["notification"]
    assert payload["timestamp"] == NEW["created_at"]
    assert payload["title_html"] == "&lt;b&gt;Hi&lt;/b&gt;"
    assert payload["message_html"] == "You &amp; me"


@pytest.mark.parametrize(
    ("dialect", "namespace", "event", "payload", "expected"),
    [
        (
            *("ns4", "/notifications", "notification:read"),
            {"id": "n", "notification_id": "n", "ids": ["n"], "read_at": "then", "created_at": "now"},
            {"notification_read": {"id": "n", "notification_id": "n", "timestamp": "then"}},
        ),
        (
            *("ns4", "/notifications", "notification:read_all"),
            {"up_to": "n", "count": 2, "read_at": "then"},
            {"notification_read": {"all": True, "up_to": "n", "timestamp": "then"}},
        ),
        (*("ns4", "/notifications", "notification:deleted"), {"id": "n"}, {"notification_deleted": {"id": "n"}}),
        (*("ns4", "/notifications", "notification:count"), {"unread": 1}, {"notification:count": {"unread": 1}}),
        (*("ns4", "/notifications", "notification:archived"), {"id": "n"}, {}),
        (
            *("ns4", "/sns", "sns:publish_success"),
            {"post_id": 1, "created_at": "now"},
            {"publish_success": {"post_id": 1, "timestamp": "now"}},
        ),
        (
            *("ns4", "/sns", "sns:publish_success"),
            {"created_at": "now", "timestamp": "1"},
            {"publish_success": {"timestamp": "1"}},
        ),
        (*("ns4", "/sns", "orders:order_updated"), {}, {}),
        (*("ns4", "/orders", "orders:refunded"), {"order_id": 1}, {"refunded": {"order_id": 1}}),
        (
            *("ns4", "/chat", "chat:message"),
            {"messageId": "m", "conversationId": "c", "senderKey": "bob", "content": "hi", "createdAt": "then"},
            {"message_received": {"id": "m", "from_user_id": "bob", "message": "hi", "timestamp": "then"}},
        ),
        (
            *("ns4", "/chat", "chat:typing:stop"),
            {"userKey": "bob", "conversationId": "c"},
            {"user_typing": {"user_id": "bob", "is_typing": False}},
        ),
        (
            *("ns4", "/chat", "presence:away"),
            {"user": "bob", "status": "away", "created_at": "now"},
            {"user_online": {"user_id": "bob", "timestamp": "now"}},
        ),
        (*("ns4", "/sns", "presence:offline"), {"user": "bob"}, {"user_offline": {"user_id": "bob"}}),
        (
            *("hub", "/", "presence:busy"),
            {"user": "bob", "status": "busy", "created_at": "now"},
            {
                "presence:busy": {"userKey": "bob", "status": "busy", "timestamp": "now"},
                "chat:presence": {"userKey": "bob", "status": "online", "timestamp": "now"},
            },
        ),
        (
            *("hub", "/presence", "presence:offline"),
            {"user": "bob", "status": "offline"},
            {"presence:offline": {"userKey": "bob", "user_key": "bob", "status": "offline"}},
        ),
        (*("canonical", "/", "presence:away"), {"user": "bob"}, {"presence:away": {"userKey": "bob"}}),
        (
            *("hub", "/stream", "stream:pond_update"),
            {"timestamp": 5, "created_at": "now"},
            {"stream:pond_update": {"timestamp": 5, "createdAt": "now"}},
        ),
        (*("hub", "/alert", "notification:new"), NEW, {}),
        (*("canonical", "/", "error"), {"code": "x"}, {}),
        (*("hub", "/", "error"), {"code": "x"}, {"error": {"code": "x"}}),
        (*("tenant", "/", "error"), {"code": "x"}, {"error:occurred": {"code": "x"}}),
        (*("tenant", "/", "expense:created"), {"userId": "u"}, {"expense:created": {"userId": "u"}}),
    ],
)  # fmt: skip
def test_what_each_dialect_makes_of_an_event(
    dialect: str, namespace: str, event: str, payload: dict[str, Any], expected: dict[str, dict[str, Any]]
):
    names = told(dialect, namespace, event, payload)
    assert set(names) == set(expected)
    for name, members in expected.items():
        assert members.items() <= names[name].items()


@pytest.mark.parametrize(
    ("dialect", "event", "given", "payload"),
    [
        ("tenant", "join-tenant", "acme", {"room": "tenant:acme"}),
        ("tenant", "join-tenant", 42, {"room": "tenant:42"}),
        ("tenant", "join-tenant", {"tenantId": "acme"}, {"room": "tenant:acme"}),
        ("tenant", "join-tenant", None, {}),
        ("tenant", "join-tenant", True, {"room": True}),
        ("tenant", "join-tenant", ["acme"], {"room": ["acme"]}),
        ("simple", "register", "alice", {"room": "user:alice"}),
        ("simple", "register", {"user_id": 7, "room": "user:bob"}, {"room": "user:7"}),
        ("simple", "register", {"userId": None}, {"room": None}),
        ("simple", "mark_read", {"notification_ids": ["a"]}, {"notification_ids": ["a"]}),
        ("simple", "mark_read", ["a"], ["a"]),
        ("group", "join-group", "g/1", {"room": "conversation:g/1"}),
        ("hub", "chat:conversation:join", {"conversationId": "c", "x": 1}, {"room": "conversation:c"}),
        ("hub", "presence:away", {"status": "online", "user": "bob"}, {"status": "away"}),
        ("canonical", "presence:busy", None, {"status": "busy"}),
        ("canonical", "sync", {"cursor": "x"}, {"cursor": "x"}),
        ("canonical", "join-tenant", "acme", "acme"),
    ],
)
def test_what_each_dialect_makes_of_a_payload(dialect: str, event: str, given: Any, payload: Any):
    assert view_of("/", dialect).request(event).payload(given) == payload


def test_answers_have_the_members_that_clients_look_for():
    joined = view_of("/", "tenant").request("join-tenant")
    assert joined.answered({"ok": True, "room": "r"}) == {"ok": True, "success": True, "room": "r"}
    assert joined.answered({"ok": False})["success"] is False
    assert RequestMapping("sync").answered({"ok": True}) == {"ok": True}


def test_who_speaks_what_where():
    assert view_of("/").dialect == "mixed"
    assert view_of("/", "tenant").dialect == "tenant"
    assert {view_of(namespace, "canonical").dialect for namespace in ("/sns", "/orders")} == {"ns4"}
    assert view_of("/stream") is view_of("/stream", "ns4")
    assert set(NAMESPACES) == {namespace for dialect in DIALECTS.values() for namespace in dialect.events}
    with pytest.raises(LookupError, match="available in /sns, /orders"):
        view_of("/", "ns4")
    for unknown in ("klingon", ""):
        with pytest.raises(LookupError, match="there is no dialect"):
            view_of("/sns", unknown)


def test_the_document_names_what_is_told_in_each_namespace():
    rows = re.findall(r"^\| `(/\w*)` \| (\w+) \| ([^|]*) \|", (ROOT / "docs/realtime.md").read_text(), re.MULTILINE)
    assert {namespace for namespace, _, _ in rows} == set(NAMESPACES)
    for namespace, dialect, told in rows:
        names = {name for event in [*HEARD, "error"] for name, _ in view_of(namespace, dialect).translate(event, {})}
        patterns = {f"{name.partition(':')[0]}:*" for name in HEARD}
        assert set(re.findall(r"`([^`]+)`", told)) <= names | patterns, namespace
        if dialect == "ns4":
            assert set(LISTENED[dialect, namespace]) <= set(re.findall(r"`([^`]+)`", told))


def test_dialects_speak_together_without_saying_the_same_twice():
    loud = Dialect(
        "loud", {"/": {"a:*": (EventMapping("A:*"),), "*": (EventMapping(),)}}, {"/": {"go": RequestMapping("loud")}}
    )
    plain = Dialect(
        "plain",
        {"/": {"a:b": (EventMapping("b", {"x": constant(1)}),), "*": (EventMapping(times=("at",)),)}},
        {"/": {"go": RequestMapping("plain"), "stop": RequestMapping("stop")}},
    )
    both = merged("both", "/", loud, plain)
    assert [told.name for told in both.events["/"]["a:b"]] == ["A:b", "b"]
    assert [told.name for told in both.events["/"]["a:*"]] == ["A:*", "a:*"]
    assert [told.times for told in both.events["/"]["*"]] == [()]
    assert {name: asked.operation for name, asked in both.requests["/"].items()} == {"go": "loud", "stop": "stop"}
    assert list(MIXED.events) == ["/"]


def test_namespaces_of_one_connection_count_once():
    sessions, first = Sessions(), session(sid="0")
    sessions.add(first)
    for number, namespace in enumerate(NAMESPACES):
        more = session(sid=f"0{number}", view=view_of(namespace))
        more.socket = first.socket
        assert sessions.add(more)
    assert all(sessions.add(session(sid=str(n))) for n in range(1, MAX_CONNECTIONS_PER_USER))
    assert not sessions.add(session(sid="one more"))
    another = session(sid="old", view=view_of("/sns"))
    another.socket = first.socket
    assert sessions.add(another)


def test_what_has_no_name_here_counts_as_heard():
    sessions, one = Sessions(), session(view=view_of("/orders"))
    sessions.add(one)
    one.progress.start("e", {})
    assert one.progress.release()
    group = {"event": "stream:data", "payload": {}, "rooms": [["acme/user:alice", 1]]}
    assert fanout.deliver(sessions, [group]) == 1
    assert one.socket.queue.empty()
    assert one.progress.positions["user:alice"] == 1


# Over real processes.


@pytest.fixture
def run(stack: Stack) -> Runtime:
    """A worker's hands."""
    return Runtime(stack.engine, {}, RecordingBells(), lease=60, publisher=stack.writer)


@pytest.fixture
def spaces(stack: Stack) -> Iterator[Any]:
    opened: list[Spaces] = []

    def open_(*namespaces: str, **auth: Any) -> Spaces:
        opened.append(Spaces(stack, *namespaces, **auth))
        return opened[-1]

    yield open_
    for one in opened:
        one.close()


def emit(stack: Stack, run: Runtime, event: str, data: dict[str, Any]) -> None:
    with write(stack.engine) as connection:
        emit_to_users(connection, stack.tenant, ["alice"], event, data, utc_now())
    assert publish(run)


@pytest.mark.slow
def test_four_namespaces_at_once(stack: Stack, run: Runtime, spaces: Any):
    names = ("/sns", "/orders", "/chat", "/notifications")
    page = spaces(*names, dialect="hub")
    assert len({page.sio.get_sid(name) for name in names}) == 4
    assert [page.all(name, "session:ready")[0]["dialect"] for name in names] == ["ns4"] * 4
    notification = str(stack.notify(title="a<b"))
    emit(stack, run, "orders:order_updated", {"order_id": 5, "status": "sent"})
    emit(stack, run, "sns:post_liked", {"post_id": 1})
    emit(stack, run, "stream:data", {"n": 1})
    eventually(lambda: page.names("/sns"))
    assert [page.names(name) for name in names] == [["post_liked"], ["order_updated"], [], ["notification"]]
    [shown] = page.all("/notifications", "notification")
    assert (shown["id"], shown["seq"], shown["title_html"]) == (notification, 1, "a&lt;b")
    assert page.all("/orders", "order_updated")[0]["seq"] == 2
    eventually(
        lambda: page.all("/notifications", "notification:count")[-1:] == [{"unread": 1, "unseen": 1, "total": 1}]
    )
    assert not page.all("/sns", "notification:count")
    # Shown in one, acknowledged in another.
    assert page.call("/chat", "notification:ack", {"ids": [notification]}) == {"ok": True, "acked": 1}
    assert states(stack) == ["acked"]
    more = [stack.notify(), stack.notify()]
    with write(stack.engine) as connection:
        change_items(connection, stack.tenant, "alice", READ, more, utc_now())
    publish(run)
    eventually(lambda: page.all("/notifications", "notification_read"))
    # Numbers without a name here are not missing: nothing is sent again.
    healed = stack.web.metric("carillon_socket_healed_total")
    time.sleep(1.5)
    assert stack.web.metric("carillon_socket_healed_total") == healed
    assert len(page.all("/notifications", "notification")) == 3
    # Nor are they at the next connection.
    again = spaces("/orders", last_seq=0)
    assert again.names("/orders") == ["order_updated"]
    assert again.all("/orders", "session:ready")[0]["replayed"] == 1


@pytest.mark.slow
def test_domains_in_namespaces_of_their_own_beside_the_root(stack: Stack, run: Runtime, spaces: Any):
    page = spaces("/", "/notification", "/alert", "/presence", "/stream", dialect="hub")
    emit(stack, run, "stream:task_update", {"task_id": 1, "status": "done"})
    stack.notify()
    eventually(lambda: len(page.names("/")) == 2 and page.names("/notification"))
    assert page.names("/") == ["stream:task_update", "notification:new"]
    assert (page.names("/stream"), page.names("/notification")) == (["stream:task_update"], ["notification:new"])
    assert page.names("/alert") == page.names("/presence") == []
    assert page.call("/presence", "presence:away") == {"ok": True, "status": "away"}


@pytest.mark.slow
def test_the_dialect_is_the_clients_or_the_tenants_or_all_at_once(stack: Stack, spaces: Any):
    clients = {name: spaces("/", dialect=name) for name in ROOT_DIALECTS}
    clients["nothing chosen"] = spaces("/")
    with write(stack.engine) as connection:
        choose_dialect(connection, stack.tenant, "simple")
    clients["of the tenant"] = spaces("/")
    start = clients["canonical"].all("/", "session:ready")[0]["cursor"]
    stack.notify()
    expected = {
        "canonical": ["notification:new"],
        "hub": ["notification:new"],
        "group": ["notification:new"],
        "tenant": ["notification:created"],
        "simple": ["notification"],
        "of the tenant": ["notification"],
        "mixed": ["notification:new", "notification:created", "notification"],
        "nothing chosen": ["notification:new", "notification:created", "notification"],
    }
    eventually(lambda: {name: client.names("/") for name, client in clients.items()} == expected)
    for name in ("tenant", "simple", "mixed"):
        late = spaces("/", dialect=name, cursor=start)
        live = [event for event in clients[name].heard["/"] if "room" in event[1]]
        assert [event for event in late.heard["/"] if "room" in event[1]] == live, "a replay says the same"
        assert late.all("/", "session:ready")[0]["replayed"] == 1


@pytest.mark.slow
def test_a_page_starts_to_publish_and_all_pages_of_the_user_hear_of_it(stack: Stack, run: Runtime, spaces: Any):
    page, other = spaces("/sns"), spaces("/sns", "/orders")
    asked = {"post_id": 123, "platforms": ["instagram", "twitter"]}
    assert page.call("/sns", "publish_start", asked) == {"ok": True, "post_id": 123}
    assert publish(run)
    eventually(lambda: page.all("/sns", "publish_started") and other.all("/sns", "publish_started"))
    [started] = page.all("/sns", "publish_started")
    assert asked.items() <= started.items()
    assert (started["room"], started["seq"]) == ("user:alice", 1)
    assert started["timestamp"].endswith("Z")
    for wrong in (None, {}, {"post_id": 1}, {"post_id": True, "platforms": ["x"]}, {**asked, "user_id": "bob"}, [1]):
        assert page.call("/sns", "publish_start", wrong)["error"]["code"] == "bad_request"
    assert other.call("/orders", "publish_start", asked)["error"]["code"] == "unknown_event"
    assert stack.head() == 1


@pytest.mark.slow
def test_a_page_whose_token_has_expired_can_come_back_in_every_namespace(stack: Stack):
    connection = raw(stack)
    for token, answer in (("expired", "44"), (stack.token(), "40")):
        for namespace in NAMESPACES[1:]:
            connection.send(f'40{namespace},{{"token":"{token}"}}')
            expected = f"{answer}{namespace},"
            eventually(lambda expected=expected: connection.recv().startswith(expected))
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["klingon", "ns4", "", 5, ["hub"], "x" * 100])
def test_a_dialect_that_is_not_spoken_is_refused(stack: Stack, dialect: Any):
    assert refusal(stack, {"token": stack.token(), "dialect": dialect})["code"] == "bad_request"
