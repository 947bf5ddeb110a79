"""Users, kept by the caller's ids."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.sql.engine import read, write
from models.users import queries as user_queries
from models.users.queries import Person, find_user, upsert_users
from web.api.endpoint import Api
from web.api.fields import Email, Locale, Moment, Strict, UserPath, View
from web.auth import Principal
from web.context import context
from web.problems import Problem, not_found

api = Api("people", "Users and their mailboxes.")

# An id may hold a slash. Only one that ends in /devices or begins with a slash cannot be named in a path.
USER = "/users/<path:user>"


class UserBody(Strict):
    """What is known of a user. What is left out stays as it is."""

    email: Email | None = Field(None, description="null removes the mailbox.")
    locale: Locale | None = None


class UserView(View):
    """A user."""

    id: str
    email: str | None
    locale: str | None
    created_at: Moment
    updated_at: Moment


class Deleted(View):
    """It is gone."""

    deleted: Literal[True] = True


def live_only(caller: Principal) -> None:
    """Users are shared by both modes: a test key that could change a mailbox could redirect live mail."""
    if caller.mode == "test":
        raise Problem(403, "forbidden", "a test key cannot change users, devices or topics: use a live key")


def user_view(row: Any) -> UserView:
    """A row of people.find_user, as callers see it."""
    return UserView(
        id=row.external_id,
        email=row.email,
        locale=row.locale,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


@api.declare("PUT", USER, auth="service", answers={200: UserView})
def put_user(caller: Principal, path: UserPath, body: UserBody) -> UserView:
    """Create or update a user."""
    live_only(caller)
    email = (body.email or "") if "email" in body.model_fields_set else None
    with write(context().engine) as connection:
        person = Person(path.user, email, body.locale)
        upsert_users(connection, caller.tenant, [person], context().now())
        row = find_user(connection, caller.tenant, path.user)
    return user_view(row)


@api.declare("GET", USER, auth=["service", "operator"], answers={200: UserView}, problems=[404])
def get_user(caller: Principal, path: UserPath) -> UserView:
    """Look up a user."""
    with read(context().engine) as connection:
        row = find_user(connection, caller.tenant, path.user)
    if row is None:
        raise not_found("user")
    return user_view(row)


@api.declare("DELETE", USER, auth="service", answers={200: Deleted}, problems=[404])
def delete_user(caller: Principal, path: UserPath) -> Deleted:
    """Delete a user with everything addressed to them, sent or not."""
    live_only(caller)
    with write(context().engine) as connection:
        found = user_queries.delete_user(connection, caller.tenant, path.user)
    if not found:
        raise not_found("user")
    return Deleted()
