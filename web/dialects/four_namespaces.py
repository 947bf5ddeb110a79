"""Four namespaces (seed S2): /sns, /orders, /chat and /notifications, each with its own short names."""

from __future__ import annotations

from functools import partial

from web.dialects.dialect import Dialect, EventMapping, RequestMapping, always, escaped, of

_told = partial(EventMapping, times=("timestamp",))

_USER = {"user_id": of("user")}
_HERE = (_told("user_online", _USER),)
# These clients know two states: somebody who is away or busy is there.
_PRESENCE = {
    "presence:online": _HERE,
    "presence:away": _HERE,
    "presence:busy": _HERE,
    "presence:offline": (_told("user_offline", _USER),),
}

# Pages of this kind put texts into HTML: these may be.
_IN_HTML = {"title_html": escaped("title"), "message_html": escaped("message")}


def _typing(is_typing: bool) -> tuple[EventMapping, ...]:
    return (_told("user_typing", {"user_id": of("userKey"), "is_typing": always(is_typing)}),)


NS4 = Dialect(
    "ns4",
    events={
        "/sns": {**_PRESENCE, "sns:*": (_told("*"),)},
        "/orders": {"orders:*": (_told("*"),)},
        "/chat": {
            **_PRESENCE,
            "chat:message": (
                _told(
                    "message_received",
                    {
                        "id": of("messageId"),
                        "message_id": of("messageId"),
                        "conversation_id": of("conversationId"),
                        "from_user_id": of("senderKey"),
                        "message": of("content"),
                        "timestamp": of("createdAt", "created_at"),
                    },
                ),
            ),
            "chat:typing:start": _typing(True),
            "chat:typing:stop": _typing(False),
            "chat:message:read": (
                _told(
                    "message_read",
                    {
                        "message_id": of("messageId"),
                        "conversation_id": of("conversationId"),
                        "user_id": of("readBy"),
                    },
                ),
            ),
        },
        "/notifications": {
            "notification:new": (_told("notification", _IN_HTML),),
            "notification:read": (_told("notification_read", {"timestamp": of("read_at", "created_at")}),),
            # They know of no "all": whoever reads `up_to` marks everything up to it, others hear the count.
            "notification:read_all": (
                _told("notification_read", {"all": always(True), "timestamp": of("read_at", "created_at")}),
            ),
            "notification:deleted": (_told("notification_deleted"),),
            "notification:count": (_told("notification:count"),),
        },
    },
    requests={"/sns": {"publish_start": RequestMapping("sns:publish_start")}},
)
