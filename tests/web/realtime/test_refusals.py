"""Who is not let in, and what they are told."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest
import socketio
import websocket

from actions.installation import utc_now
from config.audiences import SERVICE
from tests import factories
from tests.waiting import eventually
from tests.web.realtime.stack import Client, Stack
from web.realtime.limits import MAX_CONNECTIONS_PER_USER

pytestmark = pytest.mark.slow

# One of CARILLON_CORS_ORIGINS.
PAGE = "https://app.example"


def refusal(stack: Stack, auth: Any, transport: str = "websocket", **options: Any) -> dict[str, Any]:
    """What a client is told that is not let in."""
    told: list[Any] = []
    client = socketio.Client(reconnection=False, websocket_extra_options={"suppress_origin": True})
    for namespace in options.get("namespaces", ["/"]):
        client.on("connect_error", told.append, namespace=namespace)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(stack.web.url, auth=auth, transports=[transport], wait_timeout=10, **options)
    client.disconnect()
    assert told[0]["message"] == told[0]["data"]["message"]
    data: dict[str, Any] = told[0]["data"]
    return data


def forged(stack: Stack, key: str = "", algorithm: str = "none", **other: Any) -> str:
    now = utc_now()
    claims = {
        "iss": stack.settings.jwt_issuer,
        "aud": "carillon:client",
        "sub": "alice",
        "tenant": stack.tenant,
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }
    claims = {name: value for name, value in (claims | other).items() if value is not None}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "test"})


def test_whoever_has_no_valid_token_is_refused_with_the_reason(stack: Stack):
    long_ago = utc_now() - timedelta(hours=1)
    secret = jwt.utils.base64url_decode(str(factories.JWKS["keys"][0]["k"])).decode()
    cases: dict[str, list[Any]] = {
        "token_missing": [None, {}, {"token": ""}, {"token": None}, {"last_seq": 0}],
        "token_expired": [
            {"token": stack.token(lifetime=timedelta(seconds=-60))},
            {"token": expired_a_moment_ago(stack)},
        ],
        "forbidden": [{"token": stack.token(audience=SERVICE)}, {"token": "ck_live_12345678_" + "x" * 43}],
        "invalid_token": [
            {"token": "nonsense"},
            {"token": forged(stack)},
            {"token": forged(stack, "another key, long enough for HS256", "HS256")},
            {"token": forged(stack, secret, "HS256", iss="somebody else")},
            {"token": forged(stack, secret, "HS256", aud="somewhere else")},
            {"token": forged(stack, secret, "HS256", exp=None)},
            {"token": forged(stack, secret, "HS256", tenant="no such tenant")},
            {"token": forged(stack, secret, "HS256", iat=long_ago, exp=utc_now() + timedelta(hours=24))},
        ],
        "bad_request": [
            "token",
            ["token"],
            {"token": 7},
            {"token": stack.token(), "last_seq": True},
            {"token": stack.token(), "last_seq": -1},
            {"token": stack.token(), "last_seq": "1"},
            {"token": stack.token(), "cursor": 5},
            {"token": stack.token(), "positions": {"user:alice": 1.5}},
            {"token": stack.token(), "epoch": ["x"]},
        ],
    }
    for code, auths in cases.items():
        for auth in auths:
            assert refusal(stack, auth)["code"] == code, auth
    assert stack.web.metric('carillon_connect_errors_total{code="token_expired"}') >= 2
    tokens = [
        auth["token"] for auths in cases.values() for auth in auths if isinstance(auth, dict) and auth.get("token")
    ]
    log = stack.web.log()
    assert "refused" in log
    assert not [token for token in tokens if isinstance(token, str) and len(token) > 20 and token in log]


def expired_a_moment_ago(stack: Stack) -> str:
    """Within the leeway for clocks that differ, but of no use for a connection."""
    now: datetime = utc_now()
    secret = jwt.utils.base64url_decode(str(factories.JWKS["keys"][0]["k"])).decode()
    return forged(stack, secret, "HS256", iat=now - timedelta(seconds=60), exp=now - timedelta(seconds=2))


def test_a_token_in_the_query_string_does_not_count(stack: Stack):
    url = f"{stack.web.url}?token={stack.token()}&access_token={stack.token()}"
    told: list[Any] = []
    client = socketio.Client(reconnection=False)
    client.on("connect_error", told.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(url, transports=["websocket"], wait_timeout=10)
    client.disconnect()
    assert told[0]["data"]["code"] == "token_missing"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_token_may_come_in_a_header_or_from_an_allowed_page_in_a_cookie(stack: Stack, transport: str):
    cookie = {"Cookie": f"theme=dark; carillon_token={stack.token()}"}
    own_page = stack.web.url
    good: list[tuple[dict[str, str], str | None]] = [
        ({"Authorization": f"Bearer {stack.token()}"}, None),
        (cookie, PAGE),
        (cookie, own_page),
        (cookie | {"Sec-Fetch-Site": "same-origin"}, None),
    ]
    for headers, origin in good:
        client = Client(stack.web.url, None, transport, headers=headers, origin=origin)
        assert eventually(lambda client=client: client.ready)["user"] == "alice"
        client.close()
    for headers in (cookie, cookie | {"Sec-Fetch-Site": "cross-site"}):
        assert refusal(stack, None, transport, headers=headers)["code"] == "forbidden"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_pages_of_other_origins_cannot_connect(stack: Stack, transport: str):
    Client(stack.web.url, {"token": stack.token()}, transport, origin=PAGE).close()
    with pytest.raises(socketio.exceptions.ConnectionError):
        Client(stack.web.url, {"token": stack.token()}, transport, origin="https://evil.example")


def test_a_namespace_in_which_nobody_speaks(stack: Stack):
    client = socketio.Client(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(
            stack.web.url,
            auth={"token": stack.token()},
            transports=["websocket"],
            namespaces=["/nowhere"],
            wait_timeout=5,
        )
    client.disconnect()


def test_a_user_has_so_many_connections_and_no_more(stack: Stack):
    clients = [stack.client("carol") for _ in range(MAX_CONNECTIONS_PER_USER)]
    assert refusal(stack, {"token": stack.token("carol")})["code"] == "too_many_connections"
    stack.client("dave")
    clients[0].close()
    eventually(lambda: stack.web.log().count("disconnected"))
    stack.client("carol")


def test_a_connection_that_does_not_authenticate_is_closed(stack: Stack):
    client = stack.client()
    connection = raw(stack)
    began = utc_now()
    # Not the pings that it answers: the end.
    while True:
        message = connection.recv()
        if message == "2":
            connection.send("3")
        elif not message or message == "1":
            break
    assert timedelta(seconds=0.9) < utc_now() - began < timedelta(seconds=6)
    connection.close()
    assert client.call("test", 1)["ok"]


def test_a_connection_cannot_try_token_after_token(stack: Stack):
    connection = raw(stack)
    answers = []
    for _ in range(8):
        try:
            connection.send('40{"token":"nonsense"}')
            answers.append(connection.recv())
        except (OSError, websocket.WebSocketException):
            break
    assert len([a for a in answers if "invalid_token" in a]) == 5
    assert not [a for a in answers[6:] if "invalid_token" in a]
    connection.close()


def raw(stack: Stack) -> websocket.WebSocket:
    """An Engine.IO connection by hand, after its first packet."""
    connection = websocket.create_connection(
        stack.web.url.replace("http", "ws") + "/socket.io/?EIO=4&transport=websocket", timeout=10
    )
    assert connection.recv().startswith("0{")
    return connection
