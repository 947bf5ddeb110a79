"""FCM's answers as they were reported in public, and what each means for the message and the address.

Where a report quotes only the status and the text, the details are those that Google's documentation gives for them.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from channels.failures import redact
from channels.fcm.channel import classify, message_name, parse_error
from channels.http_batch import Answer
from models.deliveries.lifecycle import AddressGone, Failure, Rejected, RetryLater

_TYPE = "type.googleapis.com/google."
NOT_A_TOKEN = "The registration token is not a valid FCM registration token"
INVALID = "Request contains an invalid argument."
NOT_FOUND = "Requested entity was not found."
NO_CREDENTIALS = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)

Detail = dict[str, Any]


def fcm(code: str) -> Detail:
    return {"@type": _TYPE + "firebase.fcm.v1.FcmError", "errorCode": code}


def apns(status: int, reason: str) -> Detail:
    return {"@type": _TYPE + "firebase.fcm.v1.ApnsError", "statusCode": status, "reason": reason}


def bad(*fields: str, text: str = "") -> Detail:
    violations = [{"field": field, "description": text} for field in fields]
    return {"@type": _TYPE + "rpc.BadRequest", **({"fieldViolations": violations} if violations else {})}


def info(reason: str, **metadata: str) -> Detail:
    return {"@type": _TYPE + "rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com", "metadata": metadata}


class Case(NamedTuple):
    """A reported answer. `source` is the public report, in short: owner/repository#number on GitHub, or an address."""

    source: str
    status: int
    code: str
    text: str
    details: tuple[Detail, ...] = ()


GONE = [
    # Bad from the start, or truncated.
    Case("firebase.google.com/docs/cloud-messaging/error-codes", 400, "INVALID_ARGUMENT", NOT_A_TOKEN,
         (fcm("INVALID_ARGUMENT"),)),
    Case("firebase/firebase-admin-java#1064", 400, "INVALID_ARGUMENT", NOT_A_TOKEN, (fcm("INVALID_ARGUMENT"),)),
    Case("healthjoy/async-firebase#15", 400, "INVALID_ARGUMENT", NOT_A_TOKEN, (fcm("INVALID_ARGUMENT"),)),
    Case("firebase/firebase-admin-dotnet#45", 400, "INVALID_ARGUMENT", NOT_A_TOKEN,
         (fcm("INVALID_ARGUMENT"), bad("message.token", text=NOT_A_TOKEN))),
    Case("bloomberg.github.io/pushiko/fcm_responses", 400, "INVALID_ARGUMENT", INVALID,
         (fcm("INVALID_ARGUMENT"), bad("message.token", text="Invalid registration token"))),
    Case("felleslosninger/minid-notification-server", 400, "INVALID_ARGUMENT", INVALID,
         (fcm("INVALID_ARGUMENT"), apns(400, "BadDeviceToken"),
          bad("message.token", text="Invalid registration token"))),
    # Uninstalled.
    Case("firebase/firebase-admin-java#972", 404, "NOT_FOUND", NOT_FOUND, (fcm("UNREGISTERED"),)),
    Case("codedge-llc/pigeon#221", 404, "NOT_FOUND", NOT_FOUND, (fcm("UNREGISTERED"),)),
    Case("codedge-llc/pigeon, test/pigeon/fcm/error_test.exs", 404, "NOT_FOUND", NOT_FOUND,
         (fcm("UNREGISTERED"), apns(410, "Unregistered"))),
    Case("mbta/mobile_app_backend, test/mobile_app_backend/notifications/deliverer_test.exs", 400, "INVALID_ARGUMENT",
         "APNs device token is disabled.", (fcm("INVALID_ARGUMENT"), apns(410, "Unregistered"))),
]  # fmt: skip

REFUSED = [
    Case("esl/MongoosePush#123", 400, "INVALID_ARGUMENT",
         "Invalid value at 'message.android.data[2].value' (TYPE_STRING), 1", (bad("message.android.data[2].value"),)),
    Case("firebase/firebase-admin-java#214", 400, "INVALID_ARGUMENT", INVALID),
    Case("binwiederhier/ntfy#84", 400, "INVALID_ARGUMENT", INVALID),
    Case("reown-com/push-server#346", 400, "INVALID_ARGUMENT", "Android message is too big",
         (bad(), fcm("INVALID_ARGUMENT"))),
    Case("sh1nj1/plan42#1447", 400, "INVALID_ARGUMENT", "Message is too large. The maximum is 4K (4096 bytes).",
         (fcm("INVALID_ARGUMENT"),)),
    Case("bloomberg.github.io/pushiko/fcm_responses", 400, "INVALID_ARGUMENT", "Recipient of the message is not set.",
         (bad("message"), fcm("INVALID_ARGUMENT"))),
    Case("healthjoy/async-firebase#23", 400, "INVALID_ARGUMENT",
         "Invalid JSON payload received. Unknown name \"tokens\" at 'message': Cannot find field.", (bad("message"),)),
    Case("eladnava/fcm-v1-http2#5", 400, "INVALID_ARGUMENT",
         "Invalid JSON payload received. Unknown name \"key\" at 'message': Cannot find field.", (bad("message"),)),
]  # fmt: skip

CREDENTIALS_OF_ALL = [
    Case("olucurious/PyFCM#334", 401, "UNAUTHENTICATED", "Request had invalid authentication credentials.",
         (info("ACCESS_TOKEN_EXPIRED", service="fcm.googleapis.com"),)),
    Case("xtrinch/fcm-django#213", 403, "PERMISSION_DENIED",
         "Permission 'cloudmessaging.messages.create' denied on resource "
         "'//cloudresourcemanager.googleapis.com/projects/x' (or it may not exist).", (info("IAM_PERMISSION_DENIED"),)),
    Case("beste/firebase-php#231", 403, "PERMISSION_DENIED",
         "Firebase Cloud Messaging API has not been used in project 1 before or it is disabled.",
         (info("SERVICE_DISABLED"),)),
    Case("firebase/firebase-admin-go#238", 403, "PERMISSION_DENIED", "The caller does not have permission"),
]  # fmt: skip

CREDENTIALS_OF_A_PLATFORM = [
    Case("Blackjacx/Assist#6", 401, "UNAUTHENTICATED", "Auth error from APNS or Web Push Service",
         (fcm("THIRD_PARTY_AUTH_ERROR"),)),
    Case("firebase/firebase-admin-node#3215", 401, "UNAUTHENTICATED", NO_CREDENTIALS, (fcm("THIRD_PARTY_AUTH_ERROR"),)),
]  # fmt: skip

OF_ANOTHER_SENDER = [
    Case("dcai/airnotifier#211", 403, "PERMISSION_DENIED", "SenderId mismatch", (fcm("SENDER_ID_MISMATCH"),)),
    Case("laravel-notification-channels/fcm#84", 403, "PERMISSION_DENIED", "SenderId mismatch",
         (fcm("SENDER_ID_MISMATCH"),)),
]  # fmt: skip

QUOTA = [
    Case("firebase/firebase-admin-go#719", 429, "RESOURCE_EXHAUSTED",
         "Quota exceeded for quota metric 'Send requests' and limit 'Send requests per minute'.",
         (info("RATE_LIMIT_EXCEEDED", quota_limit="SendsPerMinutePerProject"),)),
    Case("rails/action_push_native#129", 429, "RESOURCE_EXHAUSTED", "Quota exceeded.",
         (fcm("QUOTA_EXCEEDED"), {"@type": _TYPE + "rpc.QuotaFailure", "violations": []})),
    Case("binwiederhier/ntfy#289", 429, "RESOURCE_EXHAUSTED", "Topic quota exceeded.", (fcm("QUOTA_EXCEEDED"),)),
]  # fmt: skip

DOWN = [
    Case("bloomberg.github.io/pushiko/fcm_responses", 500, "INTERNAL", "Internal error encountered.",
         (fcm("INTERNAL"),)),
    Case("bloomberg.github.io/pushiko/fcm_responses", 503, "UNAVAILABLE", "The service is currently unavailable.",
         (fcm("UNAVAILABLE"),)),
    Case("MatthieuLemoine/electron-push-receiver#80", 503, "UNAVAILABLE", "The service is currently unavailable."),
]  # fmt: skip


def outcome_of(case: Case):
    error = {"code": case.status, "message": case.text, "status": case.code, "details": list(case.details)}
    answer = Answer(case.status, json.dumps({"error": error}).encode())
    assert message_name(answer) is None
    return classify(parse_error(answer))


def by_source(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: f"{case.status} {case.source}")


@by_source(GONE)
def test_an_answer_about_the_token_disables_it(case: Case) -> None:
    assert outcome_of(case) == AddressGone(case.text)


@by_source(REFUSED)
def test_an_answer_about_the_message_keeps_the_token(case: Case) -> None:
    assert outcome_of(case) == Rejected(case.text)


@by_source(CREDENTIALS_OF_ALL)
def test_our_credentials_concern_all_messages(case: Case) -> None:
    assert outcome_of(case) == RetryLater(case.text, Failure.CREDENTIALS, 300, for_all=True)


@by_source(CREDENTIALS_OF_A_PLATFORM)
def test_credentials_of_a_platform_concern_some_messages(case: Case) -> None:
    assert outcome_of(case) == RetryLater(case.text, Failure.CREDENTIALS, 300)


@by_source(OF_ANOTHER_SENDER)
def test_a_token_of_another_sender_is_kept(case: Case) -> None:
    assert outcome_of(case) == Rejected(case.text, Failure.CREDENTIALS)


@by_source(QUOTA)
def test_a_quota_is_tried_again_after_a_minute(case: Case) -> None:
    assert outcome_of(case) == RetryLater(case.text, Failure.QUOTA, 60)


@by_source(DOWN)
def test_an_outage_is_tried_again(case: Case) -> None:
    assert outcome_of(case) == RetryLater(case.text)


@pytest.mark.parametrize(
    ("text", "details"),
    [
        # A sentence that mentions the token, in an answer that is not about it.
        ("The registration token policy of this project is not valid", (fcm("INVALID_ARGUMENT"),)),
        (f"{NOT_A_TOKEN}, or the topic is not", (fcm("INVALID_ARGUMENT"),)),
        (NOT_A_TOKEN, ()),
        (NOT_A_TOKEN, (fcm("INTERNAL"),)),
        (NOT_A_TOKEN, (fcm("INVALID_ARGUMENT"), bad("message.data[0].value"))),
        # The field has to be the token's, alone, and FCM's own error has to say so: a request that Google cannot read
        # is our fault, whichever field it is about.
        (INVALID, (fcm("INVALID_ARGUMENT"), bad("message.token", "message.data"))),
        (INVALID, (fcm("INVALID_ARGUMENT"), bad("message.tokens"))),
        ("Invalid value at 'message.token' (TYPE_STRING), 123", (bad("message.token"),)),
        (INVALID, (fcm("INVALID_ARGUMENT"), apns(400, "PayloadTooLarge"))),
        # The app's name is wrong in the Firebase project. Every token looks like that.
        (INVALID, (fcm("INVALID_ARGUMENT"), apns(400, "DeviceTokenNotForTopic"))),
        (INVALID, (fcm("INVALID_ARGUMENT"), apns(400, "BadDeviceToken"), bad("message.apns.payload"))),
        (INVALID, ({"@type": []}, {"@type": _TYPE + "rpc.BadRequest", "fieldViolations": "message.token"})),
        (INVALID, (fcm("INVALID_ARGUMENT"), {"@type": _TYPE + "rpc.BadRequest", "fieldViolations": [None, {}]})),
    ],
)  # fmt: skip
def test_only_an_answer_about_the_token_alone_disables_it(text: str, details: tuple[Detail, ...]) -> None:
    assert outcome_of(Case("", 400, "INVALID_ARGUMENT", text, details)) == Rejected(text)


HTML = [
    # itisnajim/strapi-plugin-fcm#21
    (401, b"<HTML>\n<HEAD>\n<TITLE>PROJECT_NOT_PERMITTED</TITLE>\n</HEAD>\n<BODY>\n<H2>Error 401</H2>\n</BODY>"),
    # firebase/firebase-admin-node#2970
    (404, b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 404 (Not Found)!!1</title>"),
    # xtrinch/fcm-django#1
    (500, b"<HTML>\n<HEAD>\n<TITLE>Internal Server Error</TITLE>\n</HEAD>\n</HTML>\n"),
    # bloomberg.github.io/pushiko/fcm_responses
    (502, b"<!DOCTYPE html>\n<html lang=en>\n<title>Error 502 (Server Error)!!1</title>"),
    # A proxy's: they answer in the place of FCM.
    (400, b"<html><head><title>400 Bad Request</title></head><body>nginx</body></html>"),
    (403, b"<html><title>Access Denied</title>Your organisation's policy blocks this site.</html>"),
    (407, b"<html><title>Proxy Authentication Required</title></html>"),
    (413, b"<html><title>413 Request Entity Too Large</title></html>"),
    (451, b""),
    (504, b"upstream timed out"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "content"), HTML)
def test_an_answer_that_is_no_answer_of_fcm_ends_no_delivery(status: int, content: bytes) -> None:
    outcome = classify(parse_error(Answer(status, content)))
    assert isinstance(outcome, RetryLater)
    assert outcome.failure is (Failure.CREDENTIALS if status in (401, 403, 404) else Failure.PROVIDER_DOWN)
    assert "\n" not in redact(outcome).reason  # type: ignore[union-attr]
