"""Whatever is sent, the answer is an acceptance or a problem that the caller can mend, and never an error of ours."""

from __future__ import annotations

import json
import os
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.callers import BODY, Caller

pytestmark = pytest.mark.slow

TEXT = st.text(st.characters(codec=None, exclude_categories=[]), max_size=40)
NUMBERS = st.integers() | st.floats() | st.sampled_from([2**53, 2**63, 2**64, -(2**63), 1e308, 5e-324, sys.maxsize])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
RECIPIENT = TEXT | st.fixed_dictionaries({"id": TEXT | JSON}, optional={"email": TEXT | JSON, "locale": TEXT | JSON})
AUDIENCE = st.fixed_dictionaries(
    {}, optional={"users": st.lists(RECIPIENT, max_size=4) | JSON, "topic": TEXT | JSON, "tenant": st.just(True) | JSON}
)
MEMBERS = {
    "audience": AUDIENCE | JSON,
    "title": TEXT | JSON,
    "message": TEXT | JSON,
    "data": st.dictionaries(TEXT, JSON, max_size=4) | JSON,
    "level": st.sampled_from(["info", "critical", "loud"]) | JSON,
    "severity": st.sampled_from(["info", "critical", "loud"]) | JSON,
    "priority": st.sampled_from(["bulk", "critical", "no"]) | JSON,
    "category": TEXT | JSON,
    "type": TEXT | JSON,
    "channels": st.lists(st.sampled_from(["in_app", "push", "email", "fax"])) | JSON,
    "expires_in": NUMBERS | JSON,
    "collapse_key": TEXT | JSON,
    "reference": TEXT | JSON,
    "url": st.builds("http{}".format, TEXT) | JSON,
}
# Mostly good, with a few members replaced: whole rubbish is refused at the first gate and tests that one only.
BODIES = st.fixed_dictionaries({}, optional=MEMBERS).map(lambda some: BODY | some) | st.fixed_dictionaries(
    {}, optional=MEMBERS
)
ANSWERS = {202, 400, 413, 415, 422}

quick = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def unlimited(app):
    """The application without its limiter, which would answer a thousand requests a second with 429."""
    app.extensions["carillon"].limiter.take = lambda *_: None
    return app


@quick
@given(document=BODIES)
def test_no_document_is_answered_with_an_error_of_ours(unlimited, service, document):
    # With lone surrogates as escapes, and NaN and Infinity as Python writes them.
    assert service.post("/v1/notifications", json.dumps(document).encode()).status_code in ANSWERS


@quick
@given(documents=st.lists(BODIES | JSON, max_size=4) | JSON)
def test_no_bulk_is_answered_with_an_error_of_ours(unlimited, service, documents):
    answer = service.post("/v1/notifications/bulk", json.dumps({"items": documents}).encode())
    assert answer.status_code in ANSWERS
    if answer.status_code == 202:
        assert {result["status"] for result in answer.json["data"]} <= {202, 422}


@quick
@given(raw=st.binary(max_size=200))
def test_no_bytes_are_answered_with_an_error_of_ours(unlimited, service, raw):
    assert service.post("/v1/notifications", raw).status_code in ANSWERS


PATHS = [
    ("GET", "/v1/notifications/{}"),
    ("DELETE", "/v1/notifications/{}"),
    ("GET", "/v1/notifications/{}/deliveries"),
    ("GET", "/v1/notifications?after={}"),
    ("GET", "/v1/notifications?limit={}"),
    ("GET", "/v1/notifications?reference={}"),
    ("GET", "/v1/notifications?{}=1"),
    ("GET", "/v1/notifications?q={}"),
    ("GET", "/v1/notifications?user={}"),
    ("GET", "/v1/notifications?since={}"),
    ("GET", "/v1/notifications?until={}"),
    ("GET", "/v1/users/{}"),
    ("DELETE", "/v1/users/{}"),
    ("GET", "/v1/users/{}/devices"),
    ("DELETE", "/v1/users/alice/devices/{}"),
    ("GET", "/v1/dead-letters?after={}"),
    ("GET", "/v1/dead-letters?failure={}"),
    ("GET", "/v1/dead-letters?channel={}"),
]
PIECES = (
    TEXT.map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.binary(max_size=20)
    | st.integers().map(lambda number: str(number).encode())
)


@quick
@given(where=st.sampled_from(PATHS), piece=PIECES)
def test_no_path_is_answered_with_an_error_of_ours(unlimited, service, where, piece):
    method, path = where
    quoted = "".join(f"%{byte:02X}" for byte in piece)
    answer = service.ask(method, path.format(quoted))
    assert answer.status_code in {200, 400, 404, 405, 422}, answer.text


@quick
@given(cursor=PIECES, limit=PIECES)
def test_no_cursor_is_answered_with_an_error_of_ours(unlimited, alice, cursor, limit):
    for name, piece in (("cursor", cursor), ("limit", limit)):
        quoted = "".join(f"%{byte:02X}" for byte in piece)
        assert alice.get(f"/v1/events?{name}={quoted}").status_code in {200, 422}


@quick
@given(document=JSON | st.fixed_dictionaries({}, optional={"ids": JSON, "up_to_seq": JSON}))
def test_no_acknowledgement_is_answered_with_an_error_of_ours(unlimited, alice, document):
    assert alice.post("/v1/acks", json.dumps(document).encode()).status_code in {200, 400, 422}


USER = {"email": TEXT | JSON, "locale": TEXT | JSON}
DEVICE = {"token": TEXT | JSON, "fid": TEXT | JSON, "platform": st.sampled_from(["ios", "pager"]) | JSON}
OTHERS = [
    ("PUT", "/v1/users/alice", st.fixed_dictionaries({}, optional=USER)),
    ("PUT", "/v1/users/alice/devices", st.fixed_dictionaries({}, optional=DEVICE)),
    ("PUT", "/v1/topics/news/members", st.fixed_dictionaries({"users": st.lists(TEXT | JSON, max_size=4) | JSON})),
    ("DELETE", "/v1/topics/news/members", st.fixed_dictionaries({"users": st.lists(TEXT | JSON, max_size=4) | JSON})),
    (
        "POST",
        "/v1/dead-letters/redrive",
        st.fixed_dictionaries({}, optional=dict.fromkeys(("failure", "channel", "notification_id", "ids"), JSON)),
    ),
]


@quick
@given(data=st.data(), where=st.sampled_from(OTHERS))
def test_no_other_document_is_answered_with_an_error_of_ours(unlimited, service, data, where):
    method, path, documents = where
    document = data.draw(documents | JSON)
    answer = service.ask(method, path, json.dumps(document).encode())
    assert answer.status_code in {200, 400, 404, 422}, answer.text


HEADERS = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)


@quick
@given(authorization=HEADERS, key=HEADERS, request_id=HEADERS)
def test_no_header_is_answered_with_an_error_of_ours(unlimited, client, authorization, key, request_id):
    caller = Caller(client, "", {"Authorization": authorization})
    answer = caller.send(key=key, X_Request_Id=request_id)
    assert answer.status_code == 401
