"""Push through Firebase Cloud Messaging (HTTP v1): sends batches and classifies FCM's answers.

The Firebase SDK builds and validates messages, authenticates, and parses errors. It does not send: its `send_each`
starts one thread per message and retries requests that FCM may already have accepted.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import firebase_admin
import requests
from firebase_admin import _utils, messaging
from firebase_admin import exceptions as fe

from bus.adaptive_rate import AdaptiveRate
from channels.failures import CREDENTIALS_RETRY_AFTER, FailureLog, log_level, redact
from channels.fcm.credentials import (
    AccessToken,
    AccessTokens,
    Account,
    CredentialsRejected,
    TokenRequest,
    load_default,
    load_file,
    load_lab,
)
from channels.fcm.message import Template, Unsendable, make_template
from channels.http_batch import Answer, Http
from channels.registry import Mode
from config.settings import Settings, SettingsError
from models.channels import PUSH
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message
from models.sql.clock import utc_now

# The FCM v1 reference (ErrorCode) asks for at least one minute after a quota error, even if Retry-After is shorter.
MIN_QUOTA_RETRY_AFTER = 60.0
# Seconds until messages are sent again that were refused because the credentials were replaced.
KEY_REPLACED_DELAY = 1.0
# Maximum wait for the rate limit, in seconds. A worker that is stopping waits just as long.
MAX_RATE_LIMIT_WAIT = 5.0
# The headers of the SDK's own client. An empty `Expect:` stops libcurl from sending "Expect: 100-continue".
_HEADERS = (
    "Content-Type: application/json; charset=UTF-8",
    "X-GOOG-API-FORMAT-VERSION: 2",
    f"X-FIREBASE-CLIENT: fire-admin-python/{firebase_admin.__version__}",
    "Expect:",
)
# Address kinds, and the field of an FCM message that carries each.
_TARGET_FIELDS = {"": "token", "token": "token", "fid": "fid"}
# The details of an error that say what was wrong.
_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_APNS_ERROR = "type.googleapis.com/google.firebase.fcm.v1.ApnsError"
_BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
# What FCM says of a token in an error without any other detail (firebase.google.com/docs/cloud-messaging/error-codes).
_MALFORMED = "The registration token is not a valid FCM registration token"
# Apple's reasons for a device token that it does not know, or no longer
# (developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns).
_GONE_AT_APPLE = frozenset({"BadDeviceToken", "Unregistered", "ExpiredToken"})

# Maps an SDK error and FCM's Retry-After (seconds) to an outcome.
Classifier = Callable[[fe.FirebaseError, float | None], Outcome]


def build(settings: Settings, mode: Mode, now: Callable[[], datetime] = utc_now) -> FcmChannel | None:
    """Return a channel to FCM for live keys if its credentials or project are set, else one to the lab, else None.

    Raises SettingsError if the credentials cannot be used.
    """
    timeout = settings.provider_timeout
    # The lease must also cover fetching a token and sending the batch; each takes at most one timeout.
    max_wait = min(MAX_RATE_LIMIT_WAIT, settings.lease - 2 * timeout)
    load = _live_account(settings) if mode == "live" else None
    if load is not None:
        rate_limit = AdaptiveRate(settings.redis_url, settings.fcm_quota / 60, max_wait)
        url = messaging._MessagingService.FCM_URL
        return FcmChannel(AccessTokens(load, timeout), url, timeout, rate_limit, clock=now)
    if settings.lab_url is not None:
        lab = settings.lab_url.rstrip("/")
        access_tokens = AccessTokens(partial(load_lab, lab, timeout / 2), timeout)
        rate_limit = AdaptiveRate(settings.redis_url, settings.fcm_quota / 60, max_wait)
        return FcmChannel(access_tokens, lab + "/v1/projects/{0}/messages:send", timeout, rate_limit, clock=now)
    return None


def _live_account(settings: Settings) -> Callable[[TokenRequest], Account] | None:
    path, project = settings.firebase_credentials, settings.firebase_project
    if path is not None:
        load = partial(load_file, str(path), project)
        try:
            load()
        except CredentialsRejected as error:
            raise SettingsError(f"FIREBASE_CREDENTIALS_PATH: {error}") from None
        return load
    # Not loaded yet: a metadata server may start after us.
    return None if project is None else partial(load_default, project)


class FcmChannel:
    """Sends all messages of a batch concurrently.

    Fetching an access token, if one is needed, and sending the messages each take at most `timeout` seconds. Messages
    over the rate limit are `Deferred`. `url` is FCM's endpoint with `{0}` in place of the project.
    """

    name = PUSH

    def __init__(
        self,
        access_tokens: AccessTokens,
        url: str,
        timeout: float,
        rate_limit: AdaptiveRate,
        *,
        ca_file: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._access_tokens = access_tokens
        self._url = url
        self._timeout = timeout
        self._http = Http(timeout, ca_file)
        self._rate_limit = rate_limit
        self._clock = clock

    def send(self, batch: Sequence[Message], deadline: float = math.inf) -> list[Outcome]:
        """See Channel."""
        if time.monotonic() + 2 * self._timeout > deadline:
            # Too late for an access token and the messages.
            return [Deferred(1.0)] * len(batch)
        templates: dict[tuple[int, Action], Template | Rejected] = {}
        now = self._clock()
        outcomes: dict[int, Outcome] = {}
        bodies: dict[int, bytes] = {}
        failures = FailureLog(self.name)
        for index, message in enumerate(batch):
            encoded = _encode(message, templates, now)
            if isinstance(encoded, bytes):
                bodies[index] = encoded
            else:
                outcomes[index] = encoded
                failures.add(message, "Unsendable", logging.WARNING)
        if bodies:
            outcomes |= self._send_within_limit(batch, bodies, failures, deadline)
        failures.log()
        return [outcomes[index] for index in range(len(batch))]

    def check(self) -> str | None:
        """See Channel. Fetches an access token and sends nothing."""
        token = self._access_tokens.get()
        return None if isinstance(token, AccessToken) else token.reason

    def close(self) -> None:
        """See Channel."""
        self._http.close()
        self._rate_limit.close()

    def _send_within_limit(
        self, batch: Sequence[Message], bodies: dict[int, bytes], failures: FailureLog, deadline: float
    ) -> dict[int, Outcome]:
        token = self._access_tokens.get()
        if not isinstance(token, AccessToken):
            return dict.fromkeys(bodies, token)
        granted, rate = self._rate_limit.take(token.project, len(bodies), deadline - time.monotonic() - self._timeout)
        # The rest becomes due in order, spaced by the rate.
        deferred: dict[int, Outcome] = {
            index: Deferred(number / rate) for number, index in enumerate(list(bodies)[granted:], start=1)
        }
        allowed = {index: bodies[index] for index in bodies if index not in deferred}
        return deferred | (self._post(token, batch, allowed, failures) if allowed else {})

    def _post(
        self, token: AccessToken, batch: Sequence[Message], bodies: dict[int, bytes], failures: FailureLog
    ) -> dict[int, Outcome]:
        headers = (f"Authorization: Bearer {token.token}", *_HEADERS)
        answers = self._http.post(self._url.format(token.project), headers, list(bodies.values()))
        outcomes: dict[int, Outcome] = {}
        key_replaced: bool | None = None
        for index, answer in zip(bodies, answers, strict=True):
            name = message_name(answer)
            if name is not None:
                outcomes[index] = Sent(name)
                continue
            error = parse_error(answer)
            if type(error) is fe.UnauthenticatedError:
                if key_replaced is None:
                    key_replaced = self._access_tokens.renew(token.token)
                if key_replaced:
                    outcomes[index] = Deferred(KEY_REPLACED_DELAY)
                    continue
            outcome = outcomes[index] = redact(classify(error), batch[index].address)
            # A 400 that is not about the token is a bug in Carillon, so log it as an error.
            is_bug = isinstance(outcome, Rejected)
            failures.add(batch[index], type(error).__name__, logging.ERROR if is_bug else log_level(outcome))
        self._rate_limit.learn(
            token.project,
            taken=sum(isinstance(outcome, Sent) for outcome in outcomes.values()),
            refused=sum(isinstance(o, RetryLater) and o.failure is Failure.QUOTA for o in outcomes.values()),
        )
        return outcomes


def _address_gone(error: fe.FirebaseError, _: float | None) -> Outcome:
    return AddressGone(str(error))


def _rejected(error: fe.FirebaseError, _: float | None) -> Outcome:
    return Rejected(str(error))


def _invalid_argument(error: fe.FirebaseError, after: float | None) -> Outcome:
    # FCM answers 400 INVALID_ARGUMENT both for a bad token and for a malformed message. A bug in our payloads must not
    # disable every device, so the address is gone only if FCM's own error is about the token and nothing else.
    answer = _error_object(error)
    if answer.get("status") != "INVALID_ARGUMENT":
        # Not FCM's answer. A proxy's page ends no delivery.
        return _provider_down(error, after)
    return _address_gone(error, after) if _is_about_token(answer) else _rejected(error, after)


def _sender_mismatch(error: fe.FirebaseError, _: float | None) -> Outcome:
    # With the wrong service account, every token mismatches. So keep the address.
    return Rejected(str(error), Failure.CREDENTIALS)


def _credentials(error: fe.FirebaseError, _: float | None) -> Outcome:
    return RetryLater(str(error), Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, for_all=True)


def _platform_credentials(error: fe.FirebaseError, _: float | None) -> Outcome:
    # The APNs key or the web push key is wrong. Other platforms still work, so this is not `for_all`.
    return RetryLater(str(error), Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER)


def _quota(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(str(error), Failure.QUOTA, max(after or 0.0, MIN_QUOTA_RETRY_AFTER))


def _provider_down(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(str(error), Failure.PROVIDER_DOWN, after)


def _unclassified(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(f"{type(error).__name__}: {error}", Failure.UNCLASSIFIED, after)


CLASSIFY: dict[type[fe.FirebaseError], Classifier] = {
    messaging.UnregisteredError: _address_gone,
    messaging.SenderIdMismatchError: _sender_mismatch,
    messaging.QuotaExceededError: _quota,
    messaging.ThirdPartyAuthError: _platform_credentials,
    fe.UnauthenticatedError: _credentials,
    fe.PermissionDeniedError: _credentials,
    # A 404 without an FcmError detail means that the project or the URL is wrong, not the token.
    fe.NotFoundError: _credentials,
    fe.InvalidArgumentError: _invalid_argument,
    fe.OutOfRangeError: _rejected,
    fe.ResourceExhaustedError: _quota,
    fe.FailedPreconditionError: _provider_down,
    fe.ConflictError: _provider_down,
    fe.AbortedError: _provider_down,
    fe.AlreadyExistsError: _provider_down,
    fe.CancelledError: _provider_down,
    fe.DataLossError: _provider_down,
    fe.UnknownError: _provider_down,
    fe.InternalError: _provider_down,
    fe.UnavailableError: _provider_down,
    # FCM may have accepted the message. The retry carries the same collapse id.
    fe.DeadlineExceededError: _provider_down,
    fe.FirebaseError: _unclassified,
}


def classify(error: fe.FirebaseError) -> Outcome:
    """Map an SDK error to the delivery's outcome."""
    response = error.http_response
    after = float(response.headers.get("Retry-After", 0)) if response is not None else 0.0
    return CLASSIFY.get(type(error), _unclassified)(error, after or None)


def message_name(answer: Answer) -> str | None:
    """Return FCM's name for the message. Only an accepted message has one."""
    if answer.status != 200:
        return None
    try:
        name = json.loads(answer.body.decode())["name"]
    except (ValueError, TypeError, KeyError):
        return None
    return name if isinstance(name, str) else None


def parse_error(answer: Answer) -> fe.FirebaseError:
    """Return the exception that the SDK would raise for an answer without a message name."""
    if answer.status == 0:
        return (fe.DeadlineExceededError if answer.timed_out else fe.UnavailableError)(answer.error)
    if answer.status == 200:
        return fe.UnknownError("a 200 without a message name")
    response = requests.Response()
    response.status_code = answer.status
    response.headers["Retry-After"] = str(answer.retry_after)
    response._content = answer.body.decode("utf-8", "replace").encode()
    failure = requests.HTTPError(f"HTTP {answer.status}", response=response)
    try:
        return _utils.handle_platform_error_from_requests(
            failure, messaging._MessagingService._build_fcm_error_requests
        )
    except (AttributeError, TypeError):
        # The SDK's parser fails on bodies of an unexpected shape. Those are not from FCM, so use the status alone.
        return _utils.handle_requests_error(failure)


def _encode(
    message: Message, templates: dict[tuple[int, Action], Template | Rejected], now: datetime
) -> bytes | Rejected:
    field = _TARGET_FIELDS.get(message.address_kind)
    if field is None:
        return Rejected(f"unknown kind of push address: {message.address_kind!r}")
    if not (message.address.isascii() and message.address.isprintable() and message.address.strip()):
        return Rejected("the address is not a device token")
    key = (id(message.content), message.action)
    if key not in templates:
        try:
            templates[key] = make_template(message.content, message.action, now)
        except Unsendable as error:
            templates[key] = Rejected(str(error))
    template = templates[key]
    return template if isinstance(template, Rejected) else template.fill(message, field)


def _error_object(error: fe.FirebaseError) -> dict[str, Any]:
    try:
        found = error.http_response.json()["error"]
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_about_token(answer: dict[str, Any]) -> bool:
    details = _objects(answer.get("details"))
    if not any(d.get("@type") == _FCM_ERROR and d.get("errorCode") == "INVALID_ARGUMENT" for d in details):
        return False
    violations = [v for d in details if d.get("@type") == _BAD_REQUEST for v in _objects(d.get("fieldViolations"))]
    if violations:
        return all(violation.get("field") in ("message.token", "message.fid") for violation in violations)
    reasons = [d.get("reason") for d in details if d.get("@type") == _APNS_ERROR]
    if reasons:
        return all(reason in _GONE_AT_APPLE for reason in reasons)
    return len(details) == 1 and answer.get("message") == _MALFORMED


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
