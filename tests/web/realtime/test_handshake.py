from __future__ import annotations

from typing import Any

import pytest

from models.events.cursor import Cursor
from web.origins import AllowedOrigins
from web.realtime.gateway.handshake import Origins, credential, resume_request
from web.realtime.payloads import Handshake, Refused
from web.realtime.replay.progress import ResumeRequest

OWN = {"wsgi.url_scheme": "https", "HTTP_HOST": "bell.example"}
APP = "https://app.example"
COOKIE = {"HTTP_COOKIE": "theme=dark; carillon_token=from-cookie"}


def allowing(*origins: str, development: bool = False) -> Origins:
    return Origins(AllowedOrigins(origins, development=development))


def shown(auth: dict[str, Any] | None = None, origins: tuple[str, ...] = (APP,), **environ: str) -> str:
    """The token, or the code of the refusal."""
    try:
        return credential(Handshake(**auth or {}), OWN | environ, allowing(*origins))
    except Refused as refused:
        return refused.code


def test_where_the_token_comes_from():
    header = {"HTTP_AUTHORIZATION": "Bearer from-header"}
    assert shown({"token": "from-auth"}, **header, **COOKIE, HTTP_ORIGIN=APP) == "from-auth"
    assert shown(**header, **COOKIE, HTTP_ORIGIN=APP) == "from-header"
    assert shown(HTTP_AUTHORIZATION="bearer  from-header ") == "from-header"
    assert shown(**COOKIE, HTTP_ORIGIN=APP) == "from-cookie"
    assert shown() == "token_missing"
    assert shown(HTTP_AUTHORIZATION="Basic YTpi") == "token_missing"
    assert shown(HTTP_AUTHORIZATION="Bearer ") == "token_missing"
    assert shown(QUERY_STRING="token=from-query&auth=from-query") == "token_missing"
    assert shown(HTTP_COOKIE="carillon_token=") == "token_missing"
    assert shown(HTTP_COOKIE="other=1") == "token_missing"


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({"HTTP_ORIGIN": "https://bell.example"}, True),
        ({"HTTP_ORIGIN": APP}, True),
        ({"HTTP_ORIGIN": "http://bell.example"}, False),
        ({"HTTP_ORIGIN": "https://bell.example.evil"}, False),
        ({"HTTP_ORIGIN": "https://evil.example"}, False),
        ({"HTTP_ORIGIN": "null"}, False),
        ({"HTTP_ORIGIN": "*"}, False),
        ({"HTTP_ORIGIN": ""}, False),
        ({}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
        ({"HTTP_ORIGIN": "https://evil.example", "HTTP_SEC_FETCH_SITE": "same-origin"}, False),
        ({"HTTP_ORIGIN": "https://public", "HTTP_X_FORWARDED_HOST": "public, inner"}, True),
        ({"HTTP_ORIGIN": "http://bell.example", "HTTP_X_FORWARDED_PROTO": "http"}, True),
    ],
)
def test_a_cookie_counts_from_allowed_pages_only(environ: dict[str, str], allowed: bool):
    expected = "from-cookie" if allowed else "forbidden"
    assert shown(**COOKIE, **environ) == expected
    # Everybody may connect, but not with somebody else's cookie.
    assert shown(origins=("*", APP), **COOKIE, **environ) == expected


def test_which_pages_may_connect():
    listed, everybody, nobody = allowing(APP), allowing("*"), allowing()
    assert [origins.allow(APP, OWN) for origins in (listed, everybody, nobody)] == [True, True, False]
    assert [origins.allow("https://bell.example", OWN) for origins in (listed, everybody, nobody)] == [True] * 3
    assert [origins.allow("https://evil", OWN) for origins in (listed, everybody, nobody)] == [False, True, False]


def test_from_where_to_go_on():
    room = "user:alice"
    cursor = Cursor("e", {room: 4}).encode()
    assert resume_request(Handshake(), room) == ResumeRequest()
    assert resume_request(Handshake(last_seq=0), room) == ResumeRequest("", {room: 0})
    assert resume_request(Handshake(last_seq=7, epoch="e"), room) == ResumeRequest("e", {room: 7})
    assert resume_request(Handshake(cursor=cursor, last_seq=7), room) == ResumeRequest("e", {room: 7})
    assert resume_request(Handshake(cursor=cursor, positions={"tenant:acme": 2}), room) == ResumeRequest(
        "e", {room: 4, "tenant:acme": 2}
    )
    assert resume_request(Handshake(cursor="damaged"), room) == ResumeRequest(lost=True)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        *((f"http://{host}:5173", True) for host in ("localhost", "127.0.0.1", "[::1]")),
        ("https://localhost", True),
        ("null", True),
        ("http://localhost.evil.example", False),
        ("http://localhost:5173.evil.example", False),
        ("http://evil.example#localhost", False),
        ("ftp://localhost", False),
        ("nullx", False),
    ],
)
def test_pages_of_the_developers_machine_may_connect_in_development_only(origin, allowed):
    environ = {"HTTP_ORIGIN": origin} | OWN
    assert allowing(development=True).allow(origin, environ) == allowed
    assert not allowing(development=True).allow_cookies(origin, environ)
    assert not allowing(APP).allow(origin, environ)
