"""Each helper from a program of its own, which shares nothing with us but two URLs: what it says is heard."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import carillon
from tests.databases import ROOT
from tests.web.belongings import everything
from tests.web.realtime.spaces import Spaces
from tests.web.realtime.stack import Stack, eventually
from web.dialects import NAMESPACES

pytestmark = pytest.mark.slow

PROLOGUE = """
import os
import carillon
tenant = os.environ["TENANT"]
channel = os.environ["CARILLON_REDIS_CHANNEL"]
carillon.configure(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], tenant=tenant, redis_channel=channel)
"""

# What is said, and as what a client of its user hears it. Each carries its number, by which it is known again.
SAID: list[tuple[str, str]] = [
    ("NotificationHandler.create_and_emit(tenant, 'alice', 'Said', 'M', data={'n': 0})", "notification:new"),
    ("AlertHandler.create_and_emit(tenant, 'Said', 'M', severity='critical', data={'n': 1})", "alert:new"),
    ("EventEmitter.emit_to_user('alice', 'stream:data', {'n': 2})", "stream:data"),
    ("EventEmitter.emit_to_account(tenant, 'stream:data', {'n': 3})", "stream:data"),
    ("EventEmitter.emit_to_room('user:alice', 'stream:data', {'n': 4})", "stream:data"),
    ("EventEmitter.broadcast('stream:data', {'n': 5})", "stream:data"),
    ("broadcast_sns_event('publish_success', 'alice', {'post_id': 6, 'n': 6})", "sns:publish_success"),
    ("broadcast_order_event('order_updated', 'alice', {'order_id': 7, 'n': 7})", "orders:order_updated"),
    ("broadcast_notification('alice', 'order', 'Said', 'M', '/orders/8')", "notification:new"),
    ("notify_sns_publish_success('alice', 9, ['x'])", "notification:new"),
    ("carillon_sns_publish_success('alice', 10, ['x'])", "notification:new"),
    ("send_notification('alice', {'message': 'Said', 'type': 'success', 'n': 11})", "notification:new"),
    ("send_broadcast_notification({'message': 'Said', 'n': 12})", "notification:new"),
    ("save_notification('alice', {'message': 'Said', 'n': 13})", "notification:new"),
]
# What is said by other words: how its number stands in what is heard.
MARKS = {8: "'/orders/8'", 9: "'post_id': 9", 10: "'post_id': 10"}


def program(stack: Stack, body: str) -> str:
    """Run it; returns what it prints."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
        "DATABASE_URL": stack.settings.database_url,
        "REDIS_URL": stack.settings.redis_url,
        "CARILLON_REDIS_CHANNEL": stack.settings.bus_topic,
        "TENANT": stack.tenant,
    }
    command = [sys.executable, "-c", PROLOGUE + body]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def heard(client: Any, event: str, number: int) -> bool:
    mark = MARKS.get(number, f"'n': {number}}}")
    return any(mark in str(payload) or payload.get("n") == number for payload in client.all(event))


def test_whatever_a_helper_says_is_heard_by_whoever_is_connected(stack: Stack, subtests: Any):
    alice, bob = stack.client(), stack.client("bob")
    with ThreadPoolExecutor(2) as pool:
        printed = list(pool.map(lambda said: program(stack, f"print(carillon.{said[0]})"), SAID))
    stack.work()
    for number, (statement, event) in enumerate(SAID):
        with subtests.test(statement=statement):
            assert printed[number].strip() not in ("", "0", "None")
            eventually(lambda event=event, number=number: heard(alice, event, number))
            for_all = statement.startswith(("AlertH", "EventEmitter.emit_to_acc", "EventEmitter.broad", "send_broad"))
            assert heard(bob, event, number) is for_all


def test_what_is_rolled_back_is_heard_by_nobody_and_leaves_nothing(stack: Stack):
    alice = stack.client()
    before, told = everything(stack.engine), len(alice.heard)
    statements = [f"    carillon.{statement[:-1]}, connection=connection)" for statement, _ in SAID]
    program(
        stack,
        "from sqlalchemy import create_engine\n"
        "with create_engine(os.environ['DATABASE_URL']).connect() as connection:\n"
        + "\n".join(statements)
        + "\n    connection.rollback()\n",
    )
    stack.work()
    assert everything(stack.engine) == before
    # Nothing that might still be on its way is older than this.
    stack.notify(title="The last")
    eventually(lambda: "The last" in alice.titles())
    since = [name for name, _ in alice.heard[told:] if not name.startswith(("presence:", "notification:count"))]
    assert since == ["notification:new"]


def test_a_session_is_spoken_to_in_whichever_namespace_it_is(stack: Stack):
    page, other = Spaces(stack, *NAMESPACES), Spaces(stack, *NAMESPACES)
    sids = {namespace: page.sio.get_sid(namespace) for namespace in NAMESPACES}
    program(stack, f"for name, sid in {sids!r}.items(): carillon.send_direct_message(sid, {{'in': name}})")
    for namespace in NAMESPACES:
        eventually(lambda namespace=namespace: page.all(namespace, "direct_message"))
    for namespace in NAMESPACES:
        assert page.all(namespace, "direct_message") == [{"in": namespace}]
        assert other.all(namespace, "direct_message") == []
    page.close()
    other.close()


def test_each_of_a_users_devices_can_be_found_and_spoken_to(stack: Stack):
    clients = [stack.client(), stack.client(), stack.client("bob")]

    def sessions(user: str) -> Any:
        return ast.literal_eval(program(stack, f"print(carillon.get_user_sessions({user!r}))"))

    eventually(lambda: len(sessions("alice")) == 2, within=30)
    assert sessions("nobody") == []
    for session in sessions("alice"):
        program(stack, f"carillon.send_direct_message({session!r}, {{'to': {session!r}}})")
    eventually(lambda: all(client.all("direct_message") for client in clients[:2]))
    assert sorted(told["to"] for client in clients for told in client.all("direct_message")) == sessions("alice")
    assert clients[2].all("direct_message") == []


def test_what_can_be_asked(stack: Stack):
    stack.notify(title="Kept")
    clients = [stack.client(), stack.client(), stack.client("bob")]

    def metrics() -> Any:
        return ast.literal_eval(program(stack, "print(carillon.get_connection_metrics())"))

    expected = {"web_processes": 1, "users": 2, "connections": 3, "rooms": 3}
    eventually(lambda: metrics() == expected, within=30)
    [kept] = ast.literal_eval(program(stack, "print(carillon.get_notifications_for_user('alice', unread_only=True))"))
    assert kept["title"] == "Kept"
    assert len(clients) == 3


def test_no_helper_is_left_out():
    asked = {"configure", "get_notifications_for_user", "get_connection_metrics", "get_user_sessions"}
    asked |= {"send_direct_message"}
    assert set(carillon.__all__) == asked | {statement.split("(")[0].split(".")[0] for statement, _ in SAID}
