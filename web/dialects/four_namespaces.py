"""Four namespaces (seed S2): /sns, /orders, /chat and /notifications, each with its own short names."""

from __future__ import annotations

from functools import partial

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, constant, escaped, member

_event = partial(EventMapping, times=("timestamp",))

_USER = {"user_id": member("user")}
_HERE = (_event("user_online", _USER),)
# These clients know two states: a user who is away or busy is online.
_PRESENCE = {
    "presence:online": _HERE,
    "presence:away": _HERE,
    "presence:busy": _HERE,
    "presence:offline": (_event("user_offline", _USER),),
}

# These clients put texts into HTML without escaping them.
_IN_HTML = {"title_html": escaped("title"), "message_html": escaped("message")}


def _typing(is_typing: bool) -> tuple[EventMapping, ...]:
    return (_event("user_typing", {"user_id": member("userKey"), "is_typing": constant(is_typing)}),)


NS4 = Dialect(
    "ns4",
    events={
        "/sns": {**_PRESENCE, "sns:*": (_event("*"),)},
        "/orders": {"orders:*": (_event("*"),)},
        "/chat": {
            **_PRESENCE,
            "chat:message": (
                _event(
                    "message_received",
                    {
                        "id": member("messageId"),
                        "message_id": member("messageId"),
                        "conversation_id": member("conversationId"),
                        "from_user_id": member("senderKey"),
                        "message": member("content"),
                        "timestamp": member("createdAt", "created_at"),
                    },
                ),
            ),
            "chat:typing:start": _typing(True),
            "chat:typing:stop": _typing(False),
            "chat:message:read": (
                _event(
                    "message_read",
                    {
                        "message_id": member("messageId"),
                        "conversation_id": member("conversationId"),
                        "user_id": member("readBy"),
                    },
                ),
            ),
        },
        "/notifications": {
            "notification:new": (_event("notification", _IN_HTML),),
            "notification:read": (_event("notification_read", {"timestamp": member("read_at", "created_at")}),),
            # They have no event for "all": clients that read `up_to` mark everything up to it, others get the count.
            "notification:read_all": (
                _event("notification_read", {"all": constant(True), "timestamp": member("read_at", "created_at")}),
            ),
            "notification:deleted": (_event("notification_deleted"),),
            "notification:count": (_event("notification:count"),),
        },
    },
    requests={
        "/sns": {"publish_start": RequestMapping("sns:publish_start")},
        "/chat": {
            "send_message": RequestMapping(
                "chat:send",
                {
                    "recipientId": member("recipientId", "recipient_id", "to_user_id"),
                    "conversationId": member("conversationId", "conversation_id"),
                    "content": member("message", "content", "text"),
                    "tempId": member("tempId"),
                },
            ),
            "typing": RequestMapping(
                "chat:typing",
                {
                    "recipientId": member("recipientId", "recipient_id", "to_user_id"),
                    "conversationId": member("conversationId", "conversation_id"),
                    "isTyping": member("is_typing", "isTyping"),
                },
            ),
        },
    },
)
