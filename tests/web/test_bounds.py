"""What POST /v1/notifications refuses: every bound, every odd text, every body that is none."""

from __future__ import annotations

import json

import pytest

from tests.web.callers import BODY, body, fields
from tests.web.test_send import stored

BAD: list[tuple[str, object]] = [
    ("audience", ...),
    ("audience", None),
    ("audience", "alice"),
    ("audience", {}),
    ("audience", {"users": ["a"], "topic": "b"}),
    ("audience", {"users": None}),
    ("audience.tenant", {"tenant": False}),
    ("audience.users", {"users": []}),
    ("audience.users", {"users": ["a"] * 1001}),
    ("audience.users.0", {"users": [17]}),
    ("audience.users.0.id", {"users": [""]}),
    ("audience.users.0.id", {"users": ["a" * 129]}),
    ("audience.users.0.id", {"users": ["a\nb"]}),
    ("audience.users.0.id", {"users": ["a\ufffd"]}),
    ("audience.users.0.id", {"users": ["a\u202e"]}),
    ("audience.users.0.id", {"users": [{}]}),
    ("audience.users.1.id", {"users": ["a", {"id": 1}]}),
    ("audience.users.1.phone", {"users": ["a", {"id": "b", "phone": "1"}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": "b"}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": "b@"}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": ""}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": "B <b@example.test>"}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": "b@example.test\r\nBcc: c@example.test"}]}),
    ("audience.users.0.email", {"users": [{"id": "b", "email": "b" * 250 + "@example.test"}]}),
    ("audience.users.0.locale", {"users": [{"id": "b", "locale": "../../etc"}]}),
    ("audience.topic", {"topic": ""}),
    ("audience.topic", {"topic": "a b"}),
    ("audience.topic", {"topic": "a\n"}),
    ("audience.topic", {"topic": "a" * 129}),
    ("audience.everybody", {"everybody": True}),
    ("title", ...),
    ("title", ""),
    ("title", "   "),
    ("title", "a" * 201),
    ("title", "a\nb"),
    ("title", "a\x1bb"),
    ("title", "a\x7fb"),
    ("title", 17),
    ("title", ["a"]),
    ("message", ...),
    ("message", ""),
    ("message", "a" * 4097),
    ("message", "bell \x07"),
    ("data", []),
    ("data", "x"),
    ("data", {"a": "x" * 3072}),
    ("data", {"a": "ü" * 1540}),
    ("data", {"a": 2**53 + 1}),
    ("data", {"a": -(2**53) - 1}),
    ("data", {"a": 1e300}),
    ("data", {"a": [float("nan")]}),
    ("data", {"a": float("inf")}),
    ("data", {"a": {"b": -float("inf")}}),
    ("level", "loud"),
    ("severity", "loud"),
    ("priority", "urgent"),
    ("category", "a b"),
    ("category", "a\x00b"),
    ("category", "a" * 65),
    ("type", ""),
    ("type", "ä"),
    ("channels", []),
    ("channels", ["in_app", "in_app"]),
    ("channels.1", ["in_app", "fax"]),
    ("channels.0", [None]),
    ("channels", "in_app"),
    ("channels", {"in_app": True}),
    ("expires_in", 59),
    ("expires_in", 31 * 86400),
    ("expires_in", 10**30),
    ("expires_in", "60"),
    ("expires_in", 60.5),
    ("expires_in", True),
    ("expires_in", float("nan")),
    ("expires_in", float("inf")),
    ("collapse_key", ""),
    ("collapse_key", "a" * 65),
    ("collapse_key", "a\x00"),
    ("reference", "a" * 256),
    ("reference", "a\nb"),
    ("url", "javascript:alert(1)"),
    ("url", "JaVaScRiPt:alert(1)"),
    ("url", "data:text/html,x"),
    ("url", "//example.test/x"),
    ("url", "/x"),
    ("url", "https://"),
    ("url", "https:///x"),
    ("url", "https://user:password@example.test/"),
    ("url", "https://good.test@evil.test/"),
    ("url", "https://exa\nmple.test/"),
    ("url", "https://example.test/ x"),
    ("url", "https:\\\\example.test"),
    ("url", "http://[::1"),
    ("url", "https://example.test/" + "a" * 2048),
    ("sound", "bell"),
    ("", 1),
]


def test_whatever_is_wrong_is_named_and_nothing_is_kept(service, engine, bells, subtests):
    for field, value in BAD:
        with subtests.test(field=field, value=repr(value)[:60]):
            refused = service.send(**{field.split(".")[0]: value})
            assert refused.status_code == 422, refused.text
            assert (
                field in fields(refused)
                or field == ""
                or (field.startswith("audience") and "audience" in fields(refused))
            )
    assert stored(engine) == []
    assert bells == []


def test_everything_wrong_is_named_at_once(service):
    refused = service.send(title="", level="loud", sound="bell", channels=["fax"])
    assert sorted(fields(refused)) == ["channels.0", "level", "sound", "title"]
    many = service.send(audience={"users": [{"id": ""}] * 1000})
    assert len(fields(many)) == 50
    assert "and 999 more" in many.json["detail"]


def test_level_and_severity_may_agree_but_not_differ(service):
    assert service.send(level="error", severity="error").status_code == 202
    assert service.send(level="error", severity="info").status_code == 422


NOT_STORABLE = {
    "NUL": b"a\\u0000b",
    "high surrogate": b"a\\ud800b",
    "low surrogate": b"a\\udc00b",
    "reversed pair": b"\\udc00\\ud800",
}
SPOTS = {
    "title": b'{"title": "%s"}',
    "message": b'{"message": "%s"}',
    "data.a.0": b'{"data": {"a": ["%s"]}}',
    "category": b'{"category": "%s"}',
    "audience.users.0": b'{"audience": {"users": ["%s"]}}',
    "reference": b'{"reference": "%s"}',
}


def test_text_that_no_database_keeps_is_refused_everywhere(service, subtests):
    for name, text in NOT_STORABLE.items():
        for field, document in SPOTS.items():
            with subtests.test(name=name, field=field):
                refused = service.post("/v1/notifications", document % text)
                assert (refused.status_code, fields(refused)) == (422, [field])
        for document in (b'{"data": {"%s": 1}}', b'{"%s": 1}'):
            with subtests.test(name=name, member=document):
                assert service.post("/v1/notifications", document % text).status_code == 422
    assert service.post("/v1/notifications", json.dumps(body(title="\U0001f514")).encode()).status_code == 202


MALFORMED = [
    b"",
    b"{",
    b"nonsense",
    b'{"title": "\xff"}',
    '{"title": "x"}'.encode("utf-16"),
    b'{"title": "line\nbreak"}',
    b'{"title": "raw \x00 nul"}',
    b"{'title': 'x'}",
    b'{"title": "x",}',
    b"[" * 100_000,
    b'{"data":' * 20_000,
    b'{"expires_in": ' + b"9" * 5000 + b"}",
]


def test_what_is_not_json_is_refused(service, subtests):
    for raw in MALFORMED:
        with subtests.test(raw=raw[:20]):
            refused = service.post("/v1/notifications", raw)
            assert (refused.status_code, refused.json["code"]) == (400, "malformed_json")
    for document in (b"[]", b"null", b"17", b'"x"', b"true", b"NaN"):
        with subtests.test(document=document):
            assert service.post("/v1/notifications", document).status_code == 422


def test_depth_of_data(service):
    def nested(levels: int) -> dict:
        return {"a": nested(levels - 1)} if levels > 1 else {}

    assert service.send(data=nested(16)).status_code == 202
    refused = service.send(data=nested(17))
    assert (refused.status_code, fields(refused)) == (422, ["data"])
    assert service.send(data={"a": json.loads("[" * 400 + "]" * 400)}).status_code == 422


def test_a_body_that_is_too_large_is_not_read(service):
    refused = service.post("/v1/notifications", b'"' + b"x" * (256 * 1024) + b'"')
    assert (refused.status_code, refused.json["code"]) == (413, "request_entity_too_large")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_only_json_is_taken(service, content_type):
    headers = {"Authorization": f"Bearer {service.token}"}
    refused = service.client.post(
        "/v1/notifications", data=json.dumps(BODY), content_type=content_type or None, headers=headers
    )
    assert refused.status_code == 415
    fine = service.client.post(
        "/v1/notifications", data=json.dumps(BODY), content_type="application/json; charset=utf-8", headers=headers
    )
    assert fine.status_code == 202
