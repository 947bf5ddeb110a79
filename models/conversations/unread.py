"""How many messages a member has not read: counted from positions, without a row for each message and reader."""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, or_, select, text

from models.conversations.tables import conversations, members
from models.messages.tables import hidden_messages, mentions, messages


def further(one: ColumnElement[int], other: ColumnElement[int]) -> ColumnElement[int]:
    """The greater of two numbers. Each database has its own function for it."""
    return case((one >= other, one), else_=other)


# The number of the message up to which a member has nothing left to read.
POSITION = further(further(members.c.read_no, members.c.seen_no), members.c.after_no)

_THEIRS = and_(messages.c.room_id == members.c.room_id, messages.c.no > POSITION)
# Said as the partial index ix_messages_exceptions says it: SQLAlchemy would write `mentions_all = 1` for SQLite.
_EXCEPTION = text("(messages.target_id IS NOT NULL OR messages.deleted_at IS NOT NULL OR messages.mentions_all)")


def unread() -> ColumnElement[int]:
    """The number of unread messages, for a statement over `members` and `conversations`."""
    not_theirs = (
        select(func.count())
        .select_from(messages)
        .where(_THEIRS, _EXCEPTION, or_(messages.c.deleted_at.is_not(None), messages.c.target_id != members.c.user_id))
    )
    same = and_(messages.c.room_id == hidden_messages.c.room_id, messages.c.no == hidden_messages.c.no)
    hidden = (
        select(func.count())
        .select_from(hidden_messages)
        .join(messages, same)
        .where(
            hidden_messages.c.user_id == members.c.user_id,
            hidden_messages.c.room_id == members.c.room_id,
            hidden_messages.c.no > POSITION,
            # Those are among the others already.
            messages.c.deleted_at.is_(None),
        )
    )
    counted = conversations.c.last_no - POSITION - _of_member(not_theirs) - _of_member(hidden)
    return case((members.c.role == "invited", 0), else_=counted)


def unread_mentions() -> ColumnElement[int]:
    """The number of unread messages that mention the member, for the same statement."""
    of_all = and_(_THEIRS, _EXCEPTION, messages.c.mentions_all, ~_hidden(messages))
    by_name = and_(
        mentions.c.user_id == members.c.user_id,
        mentions.c.room_id == members.c.room_id,
        mentions.c.no > POSITION,
        # Who is among all and named too is mentioned once.
        ~messages.c.mentions_all,
        ~_hidden(mentions),
    )
    its_message = and_(messages.c.room_id == mentions.c.room_id, messages.c.no == mentions.c.no)
    both = _of_member(select(func.count()).select_from(messages).where(of_all)) + _of_member(
        select(func.count()).select_from(mentions).join(messages, its_message).where(by_name)
    )
    return case((members.c.role == "invited", 0), else_=both)


def _hidden(which: FromClause) -> ColumnElement[bool]:
    here = (hidden_messages.c.room_id == which.c.room_id, hidden_messages.c.no == which.c.no)
    theirs = select(hidden_messages.c.no).where(hidden_messages.c.user_id == members.c.user_id, *here)
    return theirs.correlate(which, members).exists()


def _of_member(query: Select[int]) -> ColumnElement[int]:
    return query.correlate(members, conversations).scalar_subquery()
