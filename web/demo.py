"""The demo of `make run`: sign in as one of its users with a click, and see what arrived at their phones and mailboxes.

Registered in development only. The tokens are like those of `flask token`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Blueprint, Flask, Response, jsonify, request

from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from actions.tokens import mint
from config.audiences import CLIENT, EVERY_TENANT, OPERATOR, SERVICE
from models.addresses.devices import list_devices
from models.sql.engine import read
from models.tenants.queries import tenant_exists
from models.users.queries import find_user
from web.api.body import SINGLE, read_json
from web.context import context
from web.hints import create_jwks

TENANT = "demo"
PEOPLE = ("alice", "bob", "carol")

_LIFETIME = timedelta(hours=1)
_LAB_TIMEOUT = 3.0
# Messages returned for each address. The page shows fewer.
_MAX_MESSAGES = 20
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

# A service on this machine that has no key.
_KEYLESS = Principal("service", TENANT, "demo", "live")

_routes = Blueprint("demo", __name__, url_prefix="/demo")


def register(app: Flask) -> None:
    """Add the routes."""
    app.register_blueprint(_routes)


def keyless_service() -> Principal | None:
    """Return who a service without a key is: in development and on this machine, the demo's. Else None."""
    if context().settings.env != "development" or not _is_loopback():
        return None
    with read(context().engine) as connection:
        return _KEYLESS if tenant_exists(connection, TENANT) else None


def _is_loopback() -> bool:
    # Prevents DNS rebinding: another site could point its own host name to this machine and read the responses.
    return urlsplit(f"//{request.host}").hostname in _LOOPBACK


@_routes.before_request
def _require_loopback_host() -> None:
    if not _is_loopback():
        raise Problem(403, "forbidden", "the demo works on this machine only: use http://127.0.0.1 or localhost")


@_routes.get("")
def about() -> Response:
    """Return the demo's tenant and users, and the address of the lab."""
    with read(context().engine) as connection:
        if not tenant_exists(connection, TENANT):
            raise not_found("demo")
    return jsonify(tenant=TENANT, people=PEOPLE, lab=context().settings.lab_url)


@_routes.post("/sign-in")
def sign_in() -> Response:
    """Return tokens: for a user and for a service that can notify them, or for an operator."""
    body = read_json(SINGLE)
    if isinstance(body, dict) and body.get("operator") is True:
        return jsonify(operator_token=_token(OPERATOR, "demo", EVERY_TENANT))
    user = body.get("user") if isinstance(body, dict) else None
    if user not in PEOPLE:
        raise invalid("user", "unknown", f"must be one of {', '.join(PEOPLE)}")
    return jsonify(
        token=_token(CLIENT, user, TENANT),
        service_token=_token(SERVICE, "demo page", TENANT),
        expires_in=int(_LIFETIME.total_seconds()),
    )


@_routes.get("/arrivals/<user>")
def arrivals(user: str) -> Response:
    """Return what the lab received for the user: pushes by phone and mails by mailbox, newest last."""
    if user not in PEOPLE:
        raise not_found("user")
    with read(context().engine) as connection:
        person = find_user(connection, TENANT, user)
        phones = [device.value for device in list_devices(connection, TENANT, user)]
    mailboxes = [person.email] if person is not None and person.email else []
    return jsonify(
        phones={phone: _messages("push", phone) for phone in phones},
        mailboxes={mailbox: _messages("email", mailbox) for mailbox in mailboxes},
    )


def _messages(channel: str, address: str) -> list[Any]:
    query: dict[str, str | int] = {"channel": channel, "address": address, "limit": _MAX_MESSAGES, "raw": 0}
    lab = context().settings.lab_url
    try:
        answer = requests.get(f"{lab}/messages", params=query, timeout=_LAB_TIMEOUT)
        answer.raise_for_status()
        messages: list[Any] = answer.json()["messages"]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise Problem(503, "unavailable", "the lab does not answer", headers={"Retry-After": "2"}) from error
    return messages


def _token(audience: str, subject: str, tenant: str) -> str:
    keys, claims = context().keys.own(), context().claims
    try:
        return mint(keys, claims, audience=audience, subject=subject, tenant=tenant, lifetime=_LIFETIME).token
    except LookupError as error:
        raise Problem(409, "no_signing_key", f"{error}; create one with {create_jwks(audience)}") from error
