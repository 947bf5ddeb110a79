"""Push through Firebase Cloud Messaging, HTTP v1: what it answers, and what we make of it.

The SDK builds, validates, authenticates and parses; it does not send. Its `send_each` starts a thread for each message,
and repeats requests by itself, also such as FCM had taken.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import firebase_admin
import requests
from firebase_admin import _utils, messaging
from firebase_admin import exceptions as fe

from bus.adaptive_rate import AdaptiveRate
from channels.failures import CREDENTIALS_RETRY_AFTER, FailureLog, log_level, redact
from channels.fcm.credentials import AccessToken, AccessTokens, CredentialsRejected, load_file, load_lab
from channels.fcm.message import Template, Unsendable, template
from channels.http_batch import Answer, Http
from channels.registry import Mode
from config.settings import Settings, SettingsError
from models.channels import PUSH
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message

# "Quota exceeded: retry after at least one minute" (ErrorCode in the FCM v1 reference), whatever Retry-After says.
QUOTA_FLOOR = 60.0
# Seconds that a batch waits for its turn, where its lease allows for it: a stopping worker waits as long.
LONGEST_WAIT = 5.0
# As the SDK's own client sends; `Expect:` keeps libcurl from asking for leave before each body.
_HEADERS = (
    "Content-Type: application/json; charset=UTF-8",
    "X-GOOG-API-FORMAT-VERSION: 2",
    f"X-FIREBASE-CLIENT: fire-admin-python/{firebase_admin.__version__}",
    "Expect:",
)
_KINDS = {"": "token", "token": "token", "fid": "fid"}
_DETAIL = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_NAMES_THE_TOKEN = re.compile(r"registration[ _-]?token|installation[ _-]?id", re.IGNORECASE)

Verdict = Callable[[fe.FirebaseError, float | None], Outcome]


def build(settings: Settings, mode: Mode) -> FcmChannel | None:
    """FCM for live keys where there are credentials, else the lab where there is one, else None.

    Raises SettingsError where the credentials cannot be used.
    """
    timeout = settings.provider_timeout
    # A batch may wait for a token and for the answers, as long as the time-out each.
    patience = min(LONGEST_WAIT, settings.lease - 2 * timeout)
    path = settings.firebase_credentials
    if mode == "live" and path is not None:
        try:
            load_file(str(path))
        except CredentialsRejected as error:
            raise SettingsError(f"FIREBASE_CREDENTIALS_PATH: {error}") from None
        access = AccessTokens(lambda: load_file(str(path)), timeout)
        pace = AdaptiveRate(settings.redis_url, settings.fcm_quota / 60, patience)
        return FcmChannel(access, messaging._MessagingService.FCM_URL, timeout, pace)
    if settings.lab_url is not None:
        lab = settings.lab_url.rstrip("/")
        access = AccessTokens(lambda: load_lab(lab, timeout / 2), timeout)
        pace = AdaptiveRate(settings.redis_url, settings.fcm_quota / 60, patience)
        return FcmChannel(access, lab + "/v1/projects/{0}/messages:send", timeout, pace)
    return None


class FcmChannel:
    """Sends a batch in one flight: for a token, if need be, and then for the messages, at most the time-out each.

    What the pace does not let through is `Held`.
    """

    name = PUSH

    def __init__(
        self,
        access: AccessTokens,
        url: str,
        timeout: float,
        pace: AdaptiveRate,
        *,
        ca_file: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._access = access
        self._url = url
        self._http = Http(timeout, ca_file)
        self._pace = pace
        self._clock = clock

    def send(self, batch: Sequence[Message]) -> list[Outcome]:
        """See Channel."""
        templates: dict[tuple[int, Action], Template | Rejected] = {}
        now = self._clock()
        outcomes: dict[int, Outcome] = {}
        bodies: dict[int, bytes] = {}
        faults = FailureLog(self.name)
        for index, message in enumerate(batch):
            encoded = _encode(message, templates, now)
            if isinstance(encoded, bytes):
                bodies[index] = encoded
            else:
                outcomes[index] = encoded
                faults.add(message, "Unsendable", logging.WARNING)
        if bodies:
            outcomes |= self._post(batch, bodies, faults)
        faults.log()
        return [outcomes[index] for index in range(len(batch))]

    def check(self) -> str | None:
        """See Channel. Fetches an access token and sends nothing."""
        grant = self._access.grant()
        return None if isinstance(grant, AccessToken) else grant.reason

    def close(self) -> None:
        """See Channel."""
        self._http.close()
        self._pace.close()

    def _post(self, batch: Sequence[Message], bodies: dict[int, bytes], faults: FailureLog) -> dict[int, Outcome]:
        grant = self._access.grant()
        if not isinstance(grant, AccessToken):
            return dict.fromkeys(bodies, grant)
        granted, rate = self._pace.take(grant.project, len(bodies))
        # The others in their turn, as fast as the rate will let them.
        held: dict[int, Outcome] = {
            index: Deferred(number / rate) for number, index in enumerate(list(bodies)[granted:], start=1)
        }
        flying = {index: bodies[index] for index in bodies if index not in held}
        return held | (self._fly(grant, batch, flying, faults) if flying else {})

    def _fly(
        self, grant: AccessToken, batch: Sequence[Message], bodies: dict[int, bytes], faults: FailureLog
    ) -> dict[int, Outcome]:
        headers = (f"Authorization: Bearer {grant.token}", *_HEADERS)
        answers = self._http.post(self._url.format(grant.project), headers, list(bodies.values()))
        outcomes: dict[int, Outcome] = {}
        for index, answer in zip(bodies, answers, strict=True):
            name = name_in(answer)
            if name is not None:
                outcomes[index] = Sent(name)
                continue
            error = error_in(answer)
            outcome = outcomes[index] = redact(classify(error), batch[index].address)
            # A 400 that is not about the token is a bug of ours, for a person to mend.
            bug = isinstance(outcome, Rejected)
            faults.add(batch[index], type(error).__name__, logging.ERROR if bug else log_level(outcome))
            if type(error) is fe.UnauthenticatedError:
                self._access.forget(grant.token)
        self._pace.learn(
            grant.project,
            taken=sum(isinstance(outcome, Sent) for outcome in outcomes.values()),
            refused=sum(isinstance(o, RetryLater) and o.failure is Failure.QUOTA for o in outcomes.values()),
        )
        return outcomes


def _gone(error: fe.FirebaseError, _: float | None) -> Outcome:
    return AddressGone(str(error))


def _rejected(error: fe.FirebaseError, _: float | None) -> Outcome:
    return Rejected(str(error))


def _invalid(error: fe.FirebaseError, after: float | None) -> Outcome:
    # Both are 400 INVALID_ARGUMENT. One bug in our payloads must not cost every device, so that only FCM's own word
    # about the token counts, and none beside a complaint about a field.
    types = _detail_types(error)
    about_the_token = types == [_DETAIL] and _NAMES_THE_TOKEN.search(str(error))
    return _gone(error, after) if about_the_token else _rejected(error, after)


def _other_sender(error: fe.FirebaseError, _: float | None) -> Outcome:
    # With the wrong service account every token belongs to another sender: the addresses stay.
    return Rejected(str(error), Failure.CREDENTIALS)


def _credentials(error: fe.FirebaseError, _: float | None) -> Outcome:
    return RetryLater(str(error), Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, for_all=True)


def _third_party(error: fe.FirebaseError, _: float | None) -> Outcome:
    # Apple's key or the one for browsers: the other platforms are well.
    return RetryLater(str(error), Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER)


def _quota(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(str(error), Failure.QUOTA, max(after or 0.0, QUOTA_FLOOR))


def _down(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(str(error), Failure.PROVIDER_DOWN, after)


def _unclassified(error: fe.FirebaseError, after: float | None) -> Outcome:
    return RetryLater(f"{type(error).__name__}: {error}", Failure.UNCLASSIFIED, after)


CLASSIFY: dict[type[fe.FirebaseError], Verdict] = {
    messaging.UnregisteredError: _gone,
    messaging.SenderIdMismatchError: _other_sender,
    messaging.QuotaExceededError: _quota,
    messaging.ThirdPartyAuthError: _third_party,
    fe.UnauthenticatedError: _credentials,
    fe.PermissionDeniedError: _credentials,
    # Without FCM's own detail a 404 says that the project or the URL is wrong, not the token.
    fe.NotFoundError: _credentials,
    fe.InvalidArgumentError: _invalid,
    fe.OutOfRangeError: _rejected,
    fe.ResourceExhaustedError: _quota,
    fe.FailedPreconditionError: _down,
    fe.ConflictError: _down,
    fe.AbortedError: _down,
    fe.AlreadyExistsError: _down,
    fe.CancelledError: _down,
    fe.DataLossError: _down,
    fe.UnknownError: _down,
    fe.InternalError: _down,
    fe.UnavailableError: _down,
    # FCM may have taken the message: a copy carries the same collapse id.
    fe.DeadlineExceededError: _down,
    fe.FirebaseError: _unclassified,
}


def classify(error: fe.FirebaseError) -> Outcome:
    """What an error of the SDK means for the delivery."""
    response = error.http_response
    after = float(response.headers.get("Retry-After", 0)) if response is not None else 0.0
    return CLASSIFY.get(type(error), _unclassified)(error, after or None)


def name_in(answer: Answer) -> str | None:
    """FCM's name for the message, by which it says that it has taken it."""
    if answer.status != 200:
        return None
    try:
        name = json.loads(answer.body.decode())["name"]
    except (ValueError, TypeError, KeyError):
        return None
    return name if isinstance(name, str) else None


def error_in(answer: Answer) -> fe.FirebaseError:
    """The SDK's own exception for an answer without a name, by the SDK's own parser."""
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
        # The parser trusts the shape of the body. Whoever sent this is not FCM, and only the status says anything.
        return _utils.handle_requests_error(failure)


def _encode(
    message: Message, templates: dict[tuple[int, Action], Template | Rejected], now: datetime
) -> bytes | Rejected:
    kind = _KINDS.get(message.address_kind)
    if kind is None:
        return Rejected(f"no such kind of push address: {message.address_kind!r}")
    if not (message.address.isascii() and message.address.isprintable() and message.address.strip()):
        return Rejected("the address is no device token")
    key = (id(message.content), message.action)
    if key not in templates:
        try:
            templates[key] = template(message.content, message.action, now)
        except Unsendable as error:
            templates[key] = Rejected(str(error))
    shared = templates[key]
    return shared if isinstance(shared, Rejected) else shared.fill(message, kind)


def _detail_types(error: fe.FirebaseError) -> list[Any]:
    try:
        return [detail["@type"] for detail in error.http_response.json()["error"]["details"]]
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
