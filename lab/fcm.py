"""The stand-in for Firebase Cloud Messaging (HTTP v1): messages:send."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from itertools import count
from typing import Any

from aiohttp import web

from lab.faults import Cut, FcmError, Slow
from lab.faults import Fcm as Effect
from lab.journal import Arrival, Journal
from lab.oauth import Oauth
from lab.script import Script
from lab.wire import Malformed, hang_up, json_object

MAX_PAYLOAD = 4096
MAX_TTL = 2_419_200  # four weeks
MAX_COLLAPSE_ID = 64

TARGETS = ("token", "fid", "topic", "condition")
_FIELDS = {*TARGETS, "name", "data", "notification", "android", "webpush", "apns", "fcm_options", "fcmOptions"}
_OBJECTS = ("data", "notification", "android", "webpush", "apns", "fcm_options", "fcmOptions")
_TTL = re.compile(r"([0-9]{1,12})(\.[0-9]{1,9})?s")
_RESERVED = re.compile(r"from|message_type|(google|gcm)\..*")

_TYPE = "type.googleapis.com/"
_EXPECTED_CREDENTIALS = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. "
    "See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
_NO_CREDENTIALS, _BAD_CREDENTIALS = (
    FcmError(401, "UNAUTHENTICATED", f"{text} {_EXPECTED_CREDENTIALS}")
    for text in (
        "Request is missing required authentication credential.",
        "Request had invalid authentication credentials.",
    )
)


class Fcm:
    """Accepts and refuses messages as FCM does, and records them."""

    def __init__(self, journal: Journal, script: Script, oauth: Oauth) -> None:
        self._journal = journal
        self._script = script
        self._oauth = oauth
        self._ids = map(f"0:{secrets.token_hex(4)}%{{:x}}".format, count(1))

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [web.post("/v1/projects/{project}/messages:send", self.send)]

    async def send(self, request: web.Request) -> web.Response:
        """Handle one message. With `validate_only` it is checked, but neither delivered nor recorded."""
        authorization = request.headers.get("Authorization")
        if not self._oauth.accepts(authorization):
            return _error_response(_BAD_CREDENTIALS if authorization else _NO_CREDENTIALS)
        content = await request.read()
        try:
            body = json_object(content)
            message = _message(body)
        except Malformed as error:
            self._journal.record(Arrival("push", "", "refused", 400))
            return _error_response(_invalid(str(error), ""))
        arrival = _arrival(message, len(content))
        effect = _validation_error(body, message, len(content)) or self._effect(message, arrival.address)
        validate_only = body.get("validate_only") or body.get("validateOnly")
        id_ = "fake_message_id" if validate_only else next(self._ids)
        name = f"projects/{request.match_info['project']}/messages/{id_}"
        _set_outcome(arrival, effect, name)
        if not validate_only:
            self._journal.record(arrival)
        if isinstance(effect, FcmError):
            return _error_response(effect)
        if isinstance(effect, Cut):
            return hang_up(request)
        if isinstance(effect, Slow):
            await asyncio.sleep(effect.seconds)
        return web.Response(body=json.dumps({"name": name}).encode(), content_type="application/json")

    def _effect(self, message: dict[str, Any], address: str) -> Effect | None:
        # Topics have no faults, whatever their name begins with.
        return self._script.fcm(address if "token" in message or "fid" in message else "")


def _set_outcome(arrival: Arrival, effect: Effect | None, name: str) -> None:
    if isinstance(effect, FcmError):
        arrival.outcome, arrival.status = "refused", effect.status
    elif effect is Cut.REFUSED:
        arrival.outcome, arrival.status = "refused", 0
    else:
        arrival.outcome, arrival.status, arrival.message_id = "accepted", 200, name


def _error_response(error: FcmError) -> web.Response:
    headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    return web.Response(
        body=json.dumps(error_body(error)).encode(),
        status=error.status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def error_body(error: FcmError) -> dict[str, Any]:
    """Return the body of FCM's error response."""
    details: list[dict[str, Any]] = []
    if error.error_code:
        details.append({"@type": _TYPE + "google.firebase.fcm.v1.FcmError", "errorCode": error.error_code})
    if error.field is not None:
        violation = {"field": error.field, "description": error.message}
        details.append({"@type": _TYPE + "google.rpc.BadRequest", "fieldViolations": [violation]})
    fields = {"code": error.status, "message": error.message, "status": error.code}
    return {"error": {**fields, "details": details} if details else fields}


def _invalid(description: str, field: str) -> FcmError:
    return FcmError(400, "INVALID_ARGUMENT", description, field=field)


def _message(body: dict[str, Any]) -> dict[str, Any]:
    message = body.get("message")
    if not isinstance(message, dict):
        raise Malformed("Invalid value at 'message' (type.googleapis.com/google.firebase.fcm.v1.Message)")
    # In protobuf's JSON format, null means "not set".
    return {name: value for name, value in message.items() if value is not None}


def _validation_error(body: dict[str, Any], message: dict[str, Any], size: int) -> FcmError | None:
    return (
        _unknown_field(body, message)
        or _target_error(message)
        or _object_error(message)
        or _data_error(message.get("data", {}))
        or _ttl_or_collapse_id_error(message)
        # If the whole body is within the limit, so is the payload.
        or (_size_error(message) if size > MAX_PAYLOAD else None)
    )


def _unknown_field(body: dict[str, Any], message: dict[str, Any]) -> FcmError | None:
    for name in body.keys() - {"message", "validate_only", "validateOnly"}:
        return _invalid(f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.', "")
    for name in message.keys() - _FIELDS:
        description = f"Invalid JSON payload received. Unknown name \"{name}\" at 'message': Cannot find field."
        return _invalid(description, "message")
    return None


def _target_error(message: dict[str, Any]) -> FcmError | None:
    given = [target for target in TARGETS if target in message]
    if not given:
        return _invalid("Recipient of the message is not set.", "message")
    if len(given) > 1:
        description = (
            f"Invalid value at 'message' (oneof), oneof field 'target' is already set. Cannot set '{given[1]}'"
        )
        return _invalid(description, "message")
    value = message[given[0]]
    if not isinstance(value, str):
        return _invalid(f"Invalid value at 'message.{given[0]}' (TYPE_STRING), {value}", f"message.{given[0]}")
    return None if value else _invalid("Recipient of the message is not set.", "message")


def _object_error(message: dict[str, Any]) -> FcmError | None:
    for name in _OBJECTS:
        if not isinstance(message.get(name, {}), dict):
            return _invalid(f"Invalid value at 'message.{name}'", f"message.{name}")
    for name, value in message.get("notification", {}).items():
        if not isinstance(value, str | None):
            field = f"message.notification.{name}"
            return _invalid(f"Invalid value at '{field}' (TYPE_STRING), {value}", field)
    return None


def _data_error(data: dict[str, Any]) -> FcmError | None:
    for index, (key, value) in enumerate(data.items()):
        if not isinstance(value, str):
            field = f"message.data[{index}].value"
            return _invalid(f"Invalid value at '{field}' (TYPE_STRING), {value}", field)
        if _RESERVED.fullmatch(key):
            return _invalid(f"Invalid data payload key: {key}", "message.data")
    return None


def _ttl_or_collapse_id_error(message: dict[str, Any]) -> FcmError | None:
    ttl = message.get("android", {}).get("ttl")
    if ttl is not None:
        match = _TTL.fullmatch(ttl) if isinstance(ttl, str) else None
        if not match or int(match[1]) > MAX_TTL:
            return _invalid(f"Invalid value at 'message.android.ttl' (0s to {MAX_TTL}s)", "message.android.ttl")
    collapse = _text_at(message, "apns", "headers", "apns-collapse-id")
    if collapse is not None and len(_utf8(collapse)) > MAX_COLLAPSE_ID:
        field = "message.apns.headers.apns-collapse-id"
        return _invalid(f"Invalid value at '{field}': longer than {MAX_COLLAPSE_ID} bytes", field)
    return None


def _size_error(message: dict[str, Any]) -> FcmError | None:
    texts = (*message.get("data", {}).items(), *message.get("notification", {}).items())
    apple = _object_at(message, "apns", "payload") or {}
    if (
        sum(len(_utf8(f"{key}{value or ''}")) for key, value in texts) > MAX_PAYLOAD
        or len(_utf8(json.dumps(apple, ensure_ascii=False, separators=(",", ":")))) > MAX_PAYLOAD
    ):
        return _invalid(f"Message is too big: the payload may have at most {MAX_PAYLOAD} bytes", "message")
    return None


def _utf8(text: str) -> bytes:
    # JSON escapes can contain unpaired surrogates.
    return text.encode("utf-8", "surrogatepass")


def _object_at(value: Any, *path: str) -> dict[str, Any] | None:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


def _text_at(value: Any, *path: str) -> str | None:
    holder = _object_at(value, *path[:-1])
    text = holder.get(path[-1]) if holder else None
    return text if isinstance(text, str) and text else None


# The paths of the title and the body in a message. A phone shows the first that is set.
_TITLE_PATHS, _BODY_PATHS = (
    (
        ("notification", name),
        ("android", "notification", name),
        ("apns", "payload", "aps", "alert", name),
        ("webpush", "notification", name),
        ("data", name),
        ("data", synonym),
    )
    for name, synonym in (("title", "subject"), ("body", "message"))
)
_COLLAPSE_PATHS = (
    ("android", "collapse_key"),
    ("android", "collapseKey"),
    ("apns", "headers", "apns-collapse-id"),
    ("webpush", "headers", "Topic"),
)


def _first(message: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> str | None:
    for path in paths:
        text = _text_at(message, *path)
        if text:
            return text
    return None


def _arrival(message: dict[str, Any], size: int) -> Arrival:
    target = next((message[name] for name in TARGETS if name in message), "")
    return Arrival(
        "push",
        target if isinstance(target, str) else "",
        "refused",
        0,
        notification_id=_text_at(message, "data", "notification_id"),
        title=_first(message, _TITLE_PATHS),
        body=_first(message, _BODY_PATHS),
        collapse=_first(message, _COLLAPSE_PATHS),
        action="withdraw" if _text_at(message, "data", "action") == "withdraw" else "show",
        raw=message,
        size=size,
    )
