"""firebase-admin against the lab: it raises the right exception for every fault."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import firebase_admin
import pytest
from firebase_admin import credentials, exceptions, messaging
from lab_client import Lab
from requests.adapters import HTTPAdapter

from lab.faults import WORDS

EXCEPTIONS = {
    "gone": messaging.UnregisteredError,
    "badtoken": exceptions.InvalidArgumentError,
    "badbody": exceptions.InvalidArgumentError,
    "sender": messaging.SenderIdMismatchError,
    "quota": messaging.QuotaExceededError,
    "down": exceptions.UnavailableError,
    "flaky": exceptions.UnavailableError,
    "error": exceptions.InternalError,
    "apns": messaging.ThirdPartyAuthError,
    "expired": exceptions.UnauthenticatedError,
    "denied": exceptions.PermissionDeniedError,
    "project": exceptions.NotFoundError,
    "close": exceptions.UnavailableError,
    "lost": exceptions.UnavailableError,
    "slow1": exceptions.DeadlineExceededError,
}


@pytest.fixture(scope="module")
def sdk(running_lab: Lab) -> Iterator[firebase_admin.App]:
    url = running_lab.url + "/v1/projects/{0}/messages:send"
    app = firebase_admin.initialize_app(credentials.Certificate(running_lab.account), {"httpTimeout": 0.5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messaging._MessagingService, "FCM_URL", url)
        # Without this, the SDK repeats every 500 and 503 four times, with back-off.
        messaging._get_messaging_service(app)._client.session.mount("http://", HTTPAdapter(max_retries=0))
    yield app
    firebase_admin.delete_app(app)


@pytest.fixture
def app(sdk: firebase_admin.App, lab: Lab) -> firebase_admin.App:
    return sdk


@pytest.fixture(autouse=True)
def _token_is_deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_every_fault_of_fcm_is_tested_in_this_file() -> None:
    assert {name.rstrip("1") for name in EXCEPTIONS} == {word.name for word in WORDS if word.fcm is not None}


@pytest.mark.parametrize("kind", ["token", "fid"])
def test_firebase_admin_can_send_a_message(app: firebase_admin.App, lab: Lab, kind: str) -> None:
    message = messaging.Message(
        **{kind: "anna"},
        notification=messaging.Notification(title="Hello", body="Text"),
        data={"notification_id": "n1"},
        android=messaging.AndroidConfig(collapse_key="c1", ttl=60, priority="high"),
        apns=messaging.APNSConfig(
            headers={"apns-collapse-id": "c1"}, payload=messaging.APNSPayload(aps=messaging.Aps(badge=1))
        ),
        webpush=messaging.WebpushConfig(notification=messaging.WebpushNotification(tag="c1")),
    )
    name = messaging.send(message, app=app)
    [seen] = lab.messages()
    assert (seen["message_id"], seen["address"], seen["title"], seen["collapse"]) == (name, "anna", "Hello", "c1")


@pytest.mark.parametrize("word", EXCEPTIONS)
def test_each_fault_raises_its_exception(app: firebase_admin.App, word: str) -> None:
    with pytest.raises(exceptions.FirebaseError) as caught:
        messaging.send(messaging.Message(fid=f"{word}-anna"), app=app)
    assert type(caught.value) is EXCEPTIONS[word]


def test_a_batch_has_one_result_for_each_message(app: firebase_admin.App) -> None:
    tokens = ["a", "gone-b", "c"]
    response = messaging.send_each([messaging.Message(token=token) for token in tokens], app=app)
    assert [one.success for one in response.responses] == [True, False, True]


def test_a_dry_run_records_nothing(app: firebase_admin.App, lab: Lab) -> None:
    assert messaging.send(messaging.Message(fid="anna"), dry_run=True, app=app).endswith("/fake_message_id")
    assert lab.messages() == []
