"""The stand-ins for FCM and its token endpoint, tested with plain HTTP."""

from __future__ import annotations

import gzip
import time
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lab_client import Lab

from lab.faults import WORDS, Cut, FcmError, Slow

FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def test_an_accepted_message_gets_a_name_and_is_recorded(lab: Lab) -> None:
    message = {
        "notification": {"title": "Grüße", "body": "Text"},
        "data": {"notification_id": "n1", "action": "show"},
        "android": {"collapse_key": "c1", "ttl": "3600s"},
    }
    response = lab.push("anna", **message)
    assert response.status_code == 200
    name = response.json()["name"]
    assert name.startswith("projects/carillon-lab/messages/")
    [seen] = lab.messages()
    assert seen.pop("n") > 0
    assert seen.pop("at").endswith("Z")
    assert seen == {
        "channel": "push",
        "address": "anna",
        "outcome": "accepted",
        "status": 200,
        "notification_id": "n1",
        "title": "Grüße",
        "body": "Text",
        "collapse": "c1",
        "message_id": name,
        "action": "show",
        "headers": None,
        "raw": {"token": "anna", **message},
    }
    assert lab.push("anna").json()["name"] != name


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"data": {"title": "T", "message": "M"}}, ("T", "M", None, "show")),
        ({"data": {"action": "withdraw"}}, (None, None, None, "withdraw")),
        ({"android": {"notification": {"title": "T", "body": "M"}}}, ("T", "M", None, "show")),
        (
            {
                "apns": {
                    "headers": {"apns-collapse-id": "c"},
                    "payload": {"aps": {"alert": {"title": "T", "body": "M"}}},
                }
            },
            ("T", "M", "c", "show"),
        ),
        (
            {"webpush": {"headers": {"Topic": "c"}, "notification": {"title": "T", "body": "M"}}},
            ("T", "M", "c", "show"),
        ),
    ],
)
def test_title_body_and_collapse_id_are_found_on_every_platform(
    lab: Lab, message: dict[str, Any], expected: tuple[str | None, ...]
) -> None:
    assert lab.push("anna", **message).status_code == 200
    [seen] = lab.messages()
    assert (seen["title"], seen["body"], seen["collapse"], seen["action"]) == expected


@pytest.mark.parametrize(
    ("target", "address"),
    [
        ({"fid": "f1"}, "f1"),
        ({"topic": "gone-news"}, "gone-news"),
        ({"condition": "'a' in topics"}, "'a' in topics"),
        ({"token": "t1", "fid": None}, "t1"),
    ],
)
def test_fids_topics_and_conditions_are_valid_targets(lab: Lab, target: dict[str, Any], address: str) -> None:
    assert lab.send({"message": target}).status_code == 200
    assert lab.messages()[0]["address"] == address


def test_validate_only_checks_a_message_without_recording_it(lab: Lab) -> None:
    assert lab.send({"message": {"token": "a"}, "validate_only": True}).json()["name"].endswith("/fake_message_id")
    assert lab.send({"message": {"token": "gone-a"}, "validate_only": True}).status_code == 404
    assert lab.messages() == []


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({}, "message"),
        ({"token": "a", "topic": "b"}, "message"),
        ({"token": ""}, "message"),
        ({"token": 7}, "message.token"),
        ({"token": "a", "data": {"x": "1", "y": 2}}, "message.data[1].value"),
        ({"token": "a", "data": {"from": "x"}}, "message.data"),
        ({"token": "a", "data": {"google.x": "x"}}, "message.data"),
        ({"token": "a", "data": []}, "message.data"),
        ({"token": "a", "notification": {"title": 1}}, "message.notification.title"),
        ({"token": "a", "notifikation": {}}, "message"),
        ({"token": "a", "android": {"ttl": "2419201s"}}, "message.android.ttl"),
        ({"token": "a", "android": {"ttl": 60}}, "message.android.ttl"),
        ({"token": "a", "apns": {"headers": {"apns-collapse-id": "x" * 65}}}, "message.apns.headers.apns-collapse-id"),
        ({"token": "a", "data": {"x": "y" * 4096}}, "message"),
        ({"token": "a", "data": {"x": "ü" * 2048}}, "message"),
        ({"token": "a", "apns": {"payload": {"x": "y" * 4096}}}, "message"),
    ],
)
def test_an_invalid_message_is_refused_with_its_field(lab: Lab, message: dict[str, Any], field: str) -> None:
    response = lab.send({"message": message})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    [detail] = error["details"]
    assert detail["@type"] == BAD_REQUEST
    assert [violation["field"] for violation in detail["fieldViolations"]] == [field]
    assert [(seen["outcome"], seen["status"]) for seen in lab.messages()] == [("refused", 400)]


def test_the_payload_limit_is_4096_bytes(lab: Lab) -> None:
    assert lab.push("a", data={"x": "y" * 4095}).status_code == 200
    assert lab.push("a", data={"x": "y" * 4096}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"message": []}',
        b'{"message": {"token": "a"}, "validate": true}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"message": {"token": "a", "android": ' + b'{"a":' * 500 + b"1" + b"}" * 502,
        b'{"message": {"token": "a", "apns": {"x": NaN}}}',
        b'{"message": {"token": "a", "apns": {"x": 1e999}}}',
        b'{"message": {"token": "a", "apns": {"x": ' + b"9" * 5000 + b"}}}",
    ],
)
def test_a_malformed_body_is_refused(lab: Lab, body: bytes) -> None:
    response = lab.send(body)
    assert response.status_code == 400
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert lab.messages()[0]["outcome"] == "refused"


def test_unusual_but_valid_bodies_are_accepted(lab: Lab) -> None:
    assert lab.send(b'{"message": {"token": "\\ud800", "data": {"notification_id": "\\udfff"}}}').status_code == 200
    assert lab.send(b'{"message": {"token": "a", "data": {"' + b"x" * 4095 + b'": "\\ud800"}}}').status_code == 400
    packed = gzip.compress(b'{"message": {"token": "packed"}}')
    assert lab.send(packed, **{"Content-Encoding": "gzip"}).status_code == 200
    assert lab.messages()[-1]["address"] == "packed"


def test_a_body_with_a_wrong_content_encoding_is_refused(lab: Lab) -> None:
    assert lab.send(b"not gzip", **{"Content-Encoding": "gzip"}).status_code == 400


# (status, errorCode of the FcmError detail, whether there is a BadRequest detail, Retry-After)
REFUSALS: dict[str, tuple[int, str | None, bool, str | None]] = {
    "gone": (404, "UNREGISTERED", False, None),
    "badtoken": (400, "INVALID_ARGUMENT", False, None),
    "badbody": (400, None, True, None),
    "sender": (403, "SENDER_ID_MISMATCH", False, None),
    "quota": (429, "QUOTA_EXCEEDED", False, "1"),
    "down": (503, "UNAVAILABLE", False, "1"),
    "flaky": (503, "UNAVAILABLE", False, "1"),
    "error": (500, "INTERNAL", False, None),
    "apns": (401, "THIRD_PARTY_AUTH_ERROR", False, None),
    "expired": (401, None, False, None),
    "denied": (403, None, False, None),
    "project": (404, None, False, None),
}


def test_every_word_of_fcm_is_tested_in_this_file() -> None:
    assert {word.name for word in WORDS if isinstance(word.fcm, FcmError)} == set(REFUSALS)
    assert {word.name for word in WORDS if isinstance(word.fcm, Slow | Cut)} == {"slow", "close", "lost"}


@pytest.mark.parametrize("kind", ["token", "fid"])
@pytest.mark.parametrize("word", REFUSALS)
def test_each_word_is_refused_as_fcm_does(lab: Lab, word: str, kind: str) -> None:
    status, error_code, bad_request, retry_after = REFUSALS[word]
    response = lab.send({"message": {kind: f"{word}-anna", "data": {"notification_id": "n1"}}})
    assert response.status_code == status
    assert response.headers.get("Retry-After") == retry_after
    error = response.json()["error"]
    assert error["code"] == status
    assert error["message"]
    details = {detail["@type"]: detail for detail in error.get("details", [])}
    assert details.get(FCM_ERROR, {}).get("errorCode") == error_code
    assert (BAD_REQUEST in details) == bad_request
    [seen] = lab.messages(notification_id="n1")
    assert (seen["address"], seen["outcome"], seen["status"]) == (f"{word}-anna", "refused", status)


def test_the_error_of_a_malformed_token_names_the_token(lab: Lab) -> None:
    message = lab.push("badtoken-a").json()["error"]["message"]
    assert message == "The registration token is not a valid FCM registration token"


def test_a_limited_fault_ends_with_success(lab: Lab) -> None:
    assert [lab.push("flaky-a").status_code for _ in range(2)] == [503, 200]
    assert [lab.push("quota3-a").status_code for _ in range(4)] == [429, 429, 429, 200]
    assert lab.get("/messages/count")["channels"]["push"] == {"accepted": 2, "refused": 4}


def test_emptying_the_journal_resets_the_attempts(lab: Lab) -> None:
    assert lab.push("flaky-a").status_code == 503
    lab.session.delete(f"{lab.url}/messages", timeout=5)
    assert lab.push("flaky-a").status_code == 503


@pytest.mark.parametrize(("word", "outcome", "status"), [("close", "refused", 0), ("lost", "accepted", 200)])
def test_close_and_lost_close_the_connection_without_an_answer(lab: Lab, word: str, outcome: str, status: int) -> None:
    with pytest.raises(requests.ConnectionError):
        lab.push(f"{word}-a")
    assert [(seen["outcome"], seen["status"]) for seen in lab.messages()] == [(outcome, status)]


def test_a_limited_lost_ends_with_success(lab: Lab) -> None:
    with pytest.raises(requests.ConnectionError):
        lab.push("lost1-a")
    assert lab.push("lost1-a").status_code == 200


def test_a_fault_can_be_set_for_the_whole_provider(lab: Lab) -> None:
    assert lab.post("/faults", {"fcm": "down", "for": 30}).json()["active"] == {"fcm": "down"}
    assert lab.push("anna").status_code == 503
    assert lab.get("/faults")["seconds_left"] <= 30
    assert lab.post("/faults", {}).json()["active"] == {}
    assert lab.push("anna").status_code == 200


def test_a_fault_of_a_provider_ends_after_its_duration(lab: Lab) -> None:
    lab.post("/faults", {"fcm": "down", "for": 0.2})
    assert lab.push("anna").status_code == 503
    time.sleep(0.2)
    assert lab.push("anna").status_code == 200


@pytest.mark.parametrize("authorization", [None, "Bearer nonsense", "Basic eDp5", ""])
def test_only_tokens_issued_by_the_lab_are_accepted(lab: Lab, authorization: str | None) -> None:
    response = requests.post(
        f"{lab.url}/v1/projects/carillon-lab/messages:send",
        json={"message": {"token": "a"}},
        headers={"Authorization": authorization} if authorization is not None else {},
        timeout=5,
    )
    assert response.status_code == 401
    assert response.json()["error"]["status"] == "UNAUTHENTICATED"
    assert lab.messages() == []


def test_a_token_response_has_the_fields_of_oauth(lab: Lab) -> None:
    answer = lab.token(lab.assertion()).json()
    assert set(answer) == {"access_token", "expires_in", "token_type"}
    assert answer["token_type"] == "Bearer"
    assert lab.token(lab.assertion(aud="https://oauth2.googleapis.com/token")).status_code == 200


def foreign_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"key": foreign_key()}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"aud": "https://elsewhere.example"}, "invalid_grant"),
        ({"iss": "somebody@else.example"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
    ],
)
def test_an_invalid_assertion_is_refused(lab: Lab, claims: dict[str, Any], error: str) -> None:
    response = lab.token(lab.assertion(**claims))
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_a_malformed_token_request_is_refused(lab: Lab) -> None:
    assert lab.token("nonsense").json()["error"] == "invalid_grant"
    assert lab.token("").json()["error"] == "invalid_grant"
    assert lab.token(lab.assertion(), grant="password").json()["error"] == "unsupported_grant_type"
    assert lab.post("/token", data=b"\xff\x00%ff").json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize(("word", "status"), [("down", 503), ("error", 500), ("denied", 400)])
def test_the_token_endpoint_can_fail(lab: Lab, word: str, status: int) -> None:
    lab.post("/faults", {"oauth": word})
    response = lab.token(lab.assertion())
    assert (response.status_code, "access_token" in response.json()) == (status, False)


def test_the_token_endpoint_can_close_the_connection(lab: Lab) -> None:
    lab.post("/faults", {"oauth": "close"})
    with pytest.raises(requests.ConnectionError):
        lab.token(lab.assertion())
