"""Users, kept by the caller's ids."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import Field

from actions import users as actions
from actions.principal import Principal
from actions.problems import not_found
from actions.tokens import LONGEST, USUAL, mint_for_user
from carillon.fields import Email, Locale, Strict
from models.sql.engine import read
from models.users.queries import find_user
from web.api.endpoint import Answer, Api
from web.api.fields import Deleted, Moment, UserPath, View
from web.context import context

api = Api("people", "Users and their mailboxes.")

USER = "/users/<user>"


class UserBody(Strict):
    """A user's data. Members that are left out stay as they are."""

    email: Email | None = Field(None, description="null removes the address.")
    locale: Locale | None = None


class UserView(View):
    """A user."""

    id: str
    email: str | None
    email_disabled_at: Moment | None = Field(
        description="Since when nothing is sent to the address, because the mail server said that it does not exist. "
        "null: it is used."
    )
    email_disabled_reason: str | None = Field(description="What the mail server said.")
    locale: str | None
    created_at: Moment
    updated_at: Moment


def user_view(row: Any) -> UserView:
    """Return a user as callers receive it."""
    return UserView(
        id=row.external_id,
        email=row.email,
        email_disabled_at=row.email_disabled_at,
        email_disabled_reason=row.email_disabled_reason,
        locale=row.locale,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


@api.declare("PUT", USER, auth="service", answers={200: UserView}, problems=[409])
def put_user(caller: Principal, path: UserPath, body: UserBody) -> UserView:
    """Create or update a user.

    An address that is disabled stays so if it is sent again. Another address is not disabled.
    """
    email = (body.email or "") if "email" in body.model_fields_set else None
    return user_view(actions.put_user(context(), caller, path.user, email=email, locale=body.locale))


@api.declare("GET", USER, auth=["service", "operator"], answers={200: UserView}, problems=[404])
def get_user(caller: Principal, path: UserPath) -> UserView:
    """Look up a user."""
    with read(context().engine) as connection:
        row = find_user(connection, caller.tenant, path.user)
    if row is None:
        raise not_found("user")
    return user_view(row)


@api.declare("POST", f"{USER}/email/enable", auth=["service", "operator"], answers={200: UserView}, problems=[404])
def enable_email(caller: Principal, path: UserPath) -> UserView:
    """Send to a user's e-mail address again, after the mail server said that it does not exist.

    If it says so again, the address is disabled again. Dead deliveries stay dead; redrive them.
    """
    return user_view(actions.enable_email(context(), caller, path.user))


class TokenBody(Strict):
    """What the token is to be like."""

    lifetime: int = Field(
        int(USUAL.total_seconds()), ge=1, le=int(LONGEST.total_seconds()), description="Seconds until it expires."
    )


class TokenView(View):
    """A token for the user's clients."""

    token: str
    expires_at: Moment


@api.declare("POST", f"{USER}/tokens", auth="service", answers={201: TokenView}, problems=[409])
def create_token(caller: Principal, path: UserPath, body: TokenBody) -> Answer:
    """Mint a token for a user's page or app, signed with the installation's key.

    The user need not exist. Call it from your server, for the user who is signed in there.
    """
    here = context()
    minted = mint_for_user(here.keys.own(), here.claims, caller, path.user, timedelta(seconds=body.lifetime))
    return Answer(TokenView(token=minted.token, expires_at=minted.expires_at), 201)


@api.declare("DELETE", USER, auth="service", answers={200: Deleted}, problems=[404])
def delete_user(caller: Principal, path: UserPath) -> Deleted:
    """Delete a user with all their notifications, deliveries and devices."""
    actions.delete_user(context(), caller, path.user)
    return Deleted()
