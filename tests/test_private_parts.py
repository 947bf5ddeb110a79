"""The private parts of libraries that we use or override, each with what we rely on (docs/adr/0023).

When one of these fails after an upgrade, the library has changed under us: read the named file before anything else.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import engineio
import engineio.packet
import engineio.payload
import engineio.socket
import gunicorn.http.wsgi
import gunicorn.util
import psycopg
import psycopg.connection
import psycopg.cursor
import pytest
import socketio
from engineio.async_drivers import gevent as gevent_driver
from gevent.socket import socket as gevent_socket
from gunicorn.workers.base import Worker
from gunicorn.workers.base_async import AsyncWorker
from gunicorn.workers.ggevent import GeventWorker
from gunicorn.workers.gthread import ThreadWorker
from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis
from kombu.transport.virtual import base as kombu_base
from socketio.pubsub_manager import PubSubManager
from socketio.redis_manager import RedisManager
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from tests.databases import ROOT

# Every private name of a library that our code mentions, and the file that does. A new one needs a test below.
KNOWN = {
    ("bus/publisher.py", "_publish"),
    ("web/realtime/transport/engine.py", "_async"),
    ("web/realtime/transport/engine.py", "_handle_connect"),
    ("web/realtime/transport/engine.py", "_handle_disconnect"),
    ("web/realtime/transport/engine.py", "_handle_event"),
    ("web/realtime/transport/manager.py", "_handle_emit"),
    ("web/realtime/transport/manager.py", "_listen"),
    ("web/realtime/transport/manager.py", "_publish"),
    ("web/realtime/transport/websocket.py", "_sock"),
    ("workers/broker.py", "_brpop_read"),
    ("workers/broker.py", "_deliver"),
    ("workers/broker.py", "_receive_one"),
    ("workers/broker.py", "_remove_from_indices"),
}


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def source(function: Any) -> str:
    return inspect.getsource(function)


# bus/publisher.py, web/realtime/transport/manager.py


def test_the_redis_manager_publishes_and_listens_by_methods_that_can_be_overridden():
    assert parameters(RedisManager._publish) == ["self", "data"]
    assert parameters(RedisManager._listen) == ["self"]
    assert parameters(PubSubManager._handle_emit) == ["self", "message"]
    assert "self._publish(" in source(PubSubManager.emit)
    assert "self._listen()" in source(PubSubManager._thread)
    assert "self._handle_emit(" in source(PubSubManager._thread)
    # Only there it uses a connection of its own; the client is ours.
    methods = {name: source(method) for name, method in vars(RedisManager).items() if inspect.isfunction(method)}
    using = {name for name, text in methods.items() if "self.redis." in text or "self.pubsub." in text}
    assert using == {"_listen", "_publish", "_redis_connect", "_redis_listen_with_retries"}
    assert "_redis_listen_with_retries(" in methods["_listen"]


def test_a_message_of_the_queue_has_the_members_that_our_envelope_has():
    published = source(PubSubManager.emit)
    for member in ("method", "event", "data", "binary", "namespace", "room", "skip_sid", "callback", "host_id"):
        assert f"'{member}'" in published, member
    handled = source(PubSubManager._handle_emit)
    for member in ("event", "data", "namespace", "room", "skip_sid", "callback", "host_id"):
        assert f"'{member}'" in handled, member


def test_the_manager_knows_its_connection_topic_and_host():
    manager = RedisManager("redis://127.0.0.1:1/0", channel="topic", write_only=True)
    assert (manager.channel, manager.redis_url) == ("topic", "redis://127.0.0.1:1/0")
    assert manager.host_id
    assert hasattr(manager, "redis")
    assert hasattr(manager, "json")


def test_rooms_are_a_dict_of_namespaces_whose_room_none_maps_sessions_to_connections():
    # A direct message finds the session of a connection there.
    server = socketio.Server(async_mode="threading")
    server.manager.initialize()
    sid = server.manager.connect("connection", "/orders")
    rooms = server.manager.rooms
    assert sid in rooms["/orders"]
    assert rooms["/orders"][None][sid] == "connection"
    assert rooms["/orders"][None].inverse["connection"] == sid
    assert server.manager.eio_sid_from_sid(sid, "/orders") == "connection"


def test_the_server_initialises_its_manager_once_and_remembers():
    server = socketio.Server(async_mode="threading")
    assert server.manager_initialized is False
    assert "self.manager_initialized" in source(socketio.Server._handle_eio_connect)


# web/realtime/__init__.py


def test_engineio_takes_its_websocket_class_from_a_table_of_the_instance():
    server = engineio.Server(async_mode="threading")
    assert {"websocket", "thread", "queue", "event", "sleep"} <= set(server._async)
    assert "websocket" in gevent_driver._async
    assert "_async['websocket']" in source(engineio.socket.Socket)
    assert isinstance(server.sockets, dict)


def test_the_number_of_packets_in_one_request_is_bounded_by_an_attribute_of_the_class():
    assert isinstance(engineio.payload.Payload.max_decode_packets, int)
    assert "self.max_decode_packets" in source(engineio.payload.Payload.decode)


# web/realtime/transport/engine.py


def test_the_server_hands_messages_to_a_handler_that_can_be_replaced():
    server = socketio.Server(async_mode="threading")
    assert server.eio.handlers["message"] == server._handle_eio_message
    handled = source(socketio.Server._handle_eio_message)
    for name in (
        "self._handle_connect(eio_sid, pkt.namespace, pkt.data)",
        "self._handle_disconnect(eio_sid, ",
        "_event(",
    ):
        assert name in handled, name
    assert parameters(socketio.Server._handle_event) == ["self", "eio_sid", "namespace", "id", "data"]
    assert "is_connected(sid, namespace)" in source(socketio.Server._handle_event)


def test_engineio_takes_its_queue_from_the_same_table_and_joins_it_at_the_end():
    assert "self._async['queue']" in source(engineio.Server.create_queue)
    assert "self.queue.join()" in source(engineio.socket.Socket.close)


def test_the_first_error_of_each_kind_is_logged_as_an_error():
    server = engineio.Server(async_mode="threading")
    assert server.log_message_keys == set()
    for kind in ("bad-jsonp-index", "bad-sid", "bad-transport", "bad-upgrade", "bad-version", "not-connected"):
        assert f"'{kind}'" in source(engineio.Server.handle_request), kind


# web/realtime/transport/wire.py, sockets.py


def test_a_packet_that_was_encoded_once_is_not_encoded_again():
    packet = engineio.packet.Packet(engineio.packet.MESSAGE, "data")
    assert packet.encode_cache is None
    packet.encode_cache = "cached"
    assert packet.encode() == "cached"


def test_a_socket_of_engineio_says_whether_it_is_upgraded_closed_or_busy():
    server = engineio.Server(async_mode="threading")
    socket = engineio.socket.Socket(server, "sid")
    assert (socket.upgraded, socket.closed, socket.closing) == (False, False, False)
    assert socket.queue.qsize() == 0
    assert parameters(socket.close)[:1] == ["wait"]


def test_engineio_serves_a_websocket_by_what_its_table_names():
    upgrade = source(engineio.socket.Socket._upgrade_websocket)
    assert "self.server._async['websocket'](" in upgrade
    assert "self._websocket_handler, self.server)" in upgrade
    assert "return ws(environ, start_response)" in upgrade
    handler = source(engineio.socket.Socket._websocket_handler)
    for call in ("ws.wait()", "ws.send(", "ws.close()"):
        assert call in handler, call
    # A refusal of ours is a tuple: a list would be taken for packets.
    assert "if isinstance(packets, list):" in source(engineio.Server.handle_request)


def test_engineio_tells_a_handler_that_can_be_replaced_of_a_new_connection():
    server = socketio.Server(async_mode="threading")
    assert server.eio.handlers["connect"] == server._handle_eio_connect
    made = source(engineio.Server._handle_connect)
    # It is known by then.
    assert made.index("self.sockets[sid] = s") < made.index("self._trigger_event('connect', sid, environ")


def test_gunicorn_names_its_socket_and_takes_stop_iteration_for_the_end_of_a_connection():
    assert '"gunicorn.socket": sock' in source(gunicorn.http.wsgi)
    for module in (AsyncWorker, ThreadWorker):
        assert "except StopIteration" in Path(inspect.getfile(module)).read_text()


def test_a_gevent_socket_keeps_the_kernel_s_socket():
    one = gevent_socket()
    try:
        assert one._sock.fileno() == one.fileno()
    finally:
        one.close()


# models/sql/engine.py


def test_psycopg_waits_for_every_answer_by_a_method_that_takes_a_time_out():
    assert parameters(psycopg.Connection.wait) == ["self", "gen", "interval", "timeout"]
    # It closes nothing when the time is over.
    assert "finish" not in source(psycopg.Connection.wait).partition("except")[0]
    for module in (psycopg.cursor, psycopg.connection):
        text = Path(inspect.getfile(module)).read_text()
        assert "waiting.wait(" not in text.replace(source(psycopg.Connection.wait), "")
        assert ".wait(" in text
    assert "autocommit = True" in source(PGDialect_psycopg.do_ping)


# workers/broker.py


def test_kombu_gives_back_and_acknowledges_by_what_we_replace():
    assert isinstance(kombu_base.QoS.restore_at_shutdown, bool)
    assert "restore_at_shutdown" in source(kombu_base.QoS.restore_unacked_once)
    # The class that we extend is the Redis one.
    assert issubclass(kombu_redis.QoS, kombu_base.QoS)
    assert "def ack(self, delivery_tag)" in Path(inspect.getfile(kombu_redis)).read_text()
    assert "self.channel.conn_or_acquire" in Path(inspect.getfile(kombu_redis)).read_text()


def test_kombu_reads_queues_and_orders_by_the_methods_that_we_extend():
    assert "self.connection._deliver(loads(bytes_to_str(item)), dest)" in source(kombu_redis.Channel._brpop_read)
    assert "raise Empty()" in source(kombu_redis.Channel._brpop_read)
    assert "self._deliver_fanout_message(message, exchange)" in source(kombu_redis.Channel._receive_one)
    assert "warning('Cannot process event" in source(kombu_redis.Channel._receive_one)
    assert "self.connection._deliver" in source(kombu_redis.Channel._deliver_fanout_message)
    assert parameters(kombu_redis.Transport._deliver) == ["self", "message", "queue"]
    assert parameters(kombu_redis.QoS.restore_by_tag) == ["self", "tag", "client", "leftmost"]
    assert "self._remove_from_indices(tag, pipe)" in source(kombu_redis.QoS.restore_by_tag)
    assert TRANSPORT_ALIASES["redis"] == TRANSPORT_ALIASES["rediss"]


# web/gevent_worker.py


def test_gunicorn_answers_malformed_requests_by_one_function():
    assert parameters(gunicorn.util.write_error) == ["sock", "status_int", "reason", "mesg"]
    assert "util.write_error(client, status_int, reason, mesg)" in source(Worker.handle_error)


def test_gunicorn_s_worker_runs_asks_for_a_time_out_and_handles_requests():
    assert parameters(GeventWorker.handle) == ["self", "listener", "client", "addr"]
    assert parameters(GeventWorker.timeout_ctx) == ["self"]
    assert "with self.timeout_ctx():" in Path(inspect.getfile(AsyncWorker)).read_text()
    assert parameters(GeventWorker.handle_request) == ["self", "listener_name", "req", "sock", "addr"]
    # `run` is ours. It serves these sockets, with the same pool and server, until SIGTERM.
    assert parameters(GeventWorker.run) == ["self"]
    for part in ("self.sockets", "Pool(self.worker_connections)", "StreamServer(s, handle=hfun", "while self.alive:"):
        assert part in source(GeventWorker.run), part
    assert "self.alive = False" in source(Worker.handle_exit)
    # The last answer on a connection says so.
    assert "if not self.alive" in source(AsyncWorker.handle_request)


# All of them


def private_names(path: Path) -> set[str]:
    """Names with one underscore that the module uses on something else than its own objects, or overrides."""
    tree = ast.parse(path.read_text())
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    overriding = {
        method.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) in BASES for base in node.bases)
        for method in node.body
        if isinstance(method, ast.FunctionDef)
    }
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and (node.attr not in defined | own or ast.unparse(node.value) != "self")
    }
    return {name for name in used | overriding if name.startswith("_") and not name.startswith("__")}


# Base classes of libraries.
BASES = {"RedisManager", "GeventWorker", "Logger", "driver"}
# Methods of our own subclasses that no library knows, and NamedTuple's documented names.
OURS = {
    "_heartbeats",
    "_silent",
    "_send",
    "_subscription",
    "_has_subscribed",
    "_pass_to_session",
    "_asdict",
    "_replace",
    "_fields",
    "_make",
}


@pytest.mark.parametrize("package", ["bus", "web/realtime", "workers"])
def test_no_private_part_is_used_without_a_test(package: str):
    found = {
        (str(path.relative_to(ROOT)), name)
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in private_names(path) - OURS
        if any(library in path.read_text() for library in ("socketio", "engineio", "gunicorn", "kombu", "gevent"))
    }
    expected = {(path, name) for path, name in KNOWN if path.startswith(f"{package}/")}
    assert found == expected
