"""Create, update and delete users."""

from __future__ import annotations

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import invalid, not_found
from models.addresses.mailboxes import enable_mailbox
from models.conversations.members import leave_all
from models.messages.changes import forget_user
from models.sql.engine import write
from models.users import queries
from models.users.queries import Person, find_user, upsert_users

# Both modes share users: a test key that could change a mailbox could redirect live mail.
CHANGE = "change users, devices or topics"


def put_user(
    installation: Installation, caller: Principal, user: str, *, email: str | None = None, locale: str | None = None
) -> queries.User:
    """Create or update a user. `email` None leaves the mailbox as it is; "" removes it.

    Raises Problem (403, 409, 422).
    """
    require_live(caller, CHANGE)
    require_mailbox(installation, "email", email)
    with write(installation.engine) as connection:
        installation.quotas.require_users(connection, caller.tenant, [user])
        upsert_users(connection, caller.tenant, [Person(user, email, locale)], installation.now())
        found = find_user(connection, caller.tenant, user)
    if found is None:
        # Deleted by someone else between the two statements.
        raise not_found("user")
    return found


def require_mailbox(installation: Installation, field: str, email: str | None) -> None:
    """Raise Problem (422) that names `field` if the mail server cannot send to an address that is otherwise valid."""
    if email and not installation.mail_takes_utf8 and not email.rpartition("@")[0].isascii():
        reason = "must be ASCII before the @: the mail server takes no other addresses, as SMTP_UTF8 is not set"
        raise invalid(field, "email", reason)


def enable_email(installation: Installation, caller: Principal, user: str) -> queries.User:
    """Send to the user's mailbox again after the provider said that it is gone. Raises Problem (403, 404)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        found = find_user(connection, caller.tenant, user)
        if found is None:
            raise not_found("user")
        if found.email is None:
            raise not_found("mailbox")
        if enable_mailbox(connection, found.id, installation.now()):
            record(connection, installation, caller, "email.enable", user, reason=found.email_disabled_reason)
    return found._replace(email_disabled_at=None, email_disabled_reason=None)


def delete_user(installation: Installation, caller: Principal, user: str) -> None:
    """Delete a user with everything addressed to them. Raises Problem (403, 404).

    They leave their conversations, where their messages stay without a name. Messages that were private to them go.
    """
    require_live(caller, CHANGE)
    now = installation.now()
    with write(installation.engine) as connection:
        user_id = queries.lock_to_delete(connection, caller.tenant, user)
        if user_id is None:
            raise not_found("user")
        forget_user(connection, user_id, now)
        leave_all(connection, user_id, user, now)
        queries.delete_user(connection, user_id)
        record(connection, installation, caller, "user.delete", user)
    installation.bells.publish()


def admit_user(installation: Installation, caller: Principal) -> None:
    """Create the user of a client that connects for the first time, so that whole-tenant notifications include them.

    Raises Problem (409).
    """
    with write(installation.engine) as connection:
        installation.quotas.require_users(connection, caller.tenant, [caller.id])
        upsert_users(connection, caller.tenant, [Person(caller.id)], installation.now())
