"""What a notification looks like as an FCM message: built and validated by the SDK, encoded once for all devices."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from unicodedata import combining

from firebase_admin import messaging

from models.deliveries.message import Action, Message
from models.notifications.content import Content
from models.timestamps import iso

# "Maximum payload for both message types is 4096 bytes" (firebase.google.com/docs/cloud-messaging/customize-messages).
LARGEST_PAYLOAD = 4096
# Four weeks, the most that FCM keeps a message for an absent device.
LONGEST_TTL = 2_419_200
# Apple's bound for apns-collapse-id.
LONGEST_COLLAPSE_ID = 64
ELLIPSIS = "…"
# Zero-width joiner, variation selectors for text and emoji, skin tones.
JOINERS = "\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"

# What a person is to see goes out at once, as FCM and Apple do by default; these may wait until the phone wakes anyway.
UNHURRIED = frozenset({"low", "bulk"})
LOUD = frozenset({"critical", "high"})
# RFC 8030 §5.3, for browsers.
_URGENCY = {"critical": "high", "high": "high", "normal": "normal", "low": "low", "bulk": "very-low"}
# What `seq` adds to the data of a message: the name, punctuation, and the 19 digits of the largest bigint.
_SEQ_ROOM = len(',"seq":""') + 19


class Unsendable(ValueError):
    """This content can never be an FCM message; the text says why, without quoting it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A message encoded up to the two things that differ from device to device: the address and the seq."""

    shared: str

    def fill(self, message: Message, kind: str) -> bytes:
        """The request body for one device."""
        seq = "" if message.seq is None else f',"seq":"{message.seq}"'
        return f'{{"message":{{"{kind}":{json.dumps(message.address)},{self.shared}{seq}}}}}}}'.encode()


def template(content: Content, action: Action, now: datetime) -> Template:
    """`content` for any device. Raises Unsendable."""
    try:
        data = data_of(content, action)
        message = build(content, action, data, fitting_body(content, action, data), now)
        encoded: dict[str, Any] = messaging._MessagingService.encode_message(message)
        del encoded["fid"]
        data = encoded.pop("data")
        # `data` last and left open, where the seq goes.
        return Template(f'{_json(encoded)[1:-1]},"data":{_json(data)[:-1]}')
    except (TypeError, RecursionError):
        raise Unsendable("the notification cannot be written as JSON") from None
    except UnicodeEncodeError:
        raise Unsendable("the notification contains half a surrogate pair") from None
    except Unsendable:
        raise
    except ValueError as error:
        raise Unsendable(f"the notification is no FCM message: {type(error).__name__}") from None


def data_of(content: Content, action: Action) -> dict[str, str]:
    """What the app receives beside the text. FCM takes strings only, so the caller's object travels as JSON."""
    data = {
        "action": action.value,
        "notification_id": content.notification_id,
        "type": content.type,
        "level": content.level,
        "priority": content.priority,
        "category": content.category,
        "url": content.url,
        "created_at": iso(content.created_at),
        # The tag under which a replaced notification stands in the tray; otherwise that is the notification_id.
        "collapse_id": collapse_id(content) if content.collapse_key else None,
        "data": _json(content.data),
    }
    return {name: value for name, value in data.items() if value is not None}


def collapse_id(content: Content) -> str:
    """What makes a later copy replace an earlier one: the caller's key, else the notification itself.

    A key that is too long for Apple or not fit for a header becomes its SHA-256, which is never cut.
    """
    key = content.collapse_key or content.notification_id
    fits = len(key) <= LONGEST_COLLAPSE_ID and key.isascii() and key.isprintable() and key == key.strip()
    return key if fits else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fitting_body(content: Content, action: Action, data: dict[str, str]) -> str | None:
    """The text, ending in an ellipsis where all of it would be too much; None for a withdrawal. Raises Unsendable."""
    notification = {"title": content.title, "body": content.message} if action is Action.SHOW else {}
    # As JSON, which is how a phone receives it and more than the keys and values alone.
    size = len(_json({"notification": notification, "data": data}).encode()) + _SEQ_ROOM
    excess = size - LARGEST_PAYLOAD
    if excess <= 0:
        return notification.get("body")
    end = len(content.message) if notification else 0
    excess += len(ELLIPSIS.encode())
    while end and excess > 0:
        end -= 1
        excess -= len(_json(content.message[end]).encode()) - len('""')
    while end and _joins(content.message, end):
        end -= 1
    kept = content.message[:end]
    if excess > 0 or not kept:
        raise Unsendable(f"the payload has {size} bytes, FCM takes {LARGEST_PAYLOAD}")
    return kept + ELLIPSIS


def _joins(text: str, at: int) -> bool:
    """Whether a cut before `at` would part an accent or a modifier from its letter, or an emoji from its other half."""
    return bool(combining(text[at])) or text[at] in JOINERS or text[at - 1] == JOINERS[0]


def build(content: Content, action: Action, data: dict[str, str], body: str | None, now: datetime) -> messaging.Message:
    """The SDK's message to nobody in particular. A withdrawal is silent: data that wakes the app, and no text."""
    show = action is Action.SHOW
    prompt = show and content.priority not in UNHURRIED
    tag = collapse_id(content)
    ttl = min(max(math.floor((content.expires_at - now).total_seconds()), 0), LONGEST_TTL)
    aps = messaging.Aps(
        sound="default" if show and content.priority in LOUD else None, content_available=None if show else True
    )
    return messaging.Message(
        # Validation wants a target.
        fid="-",
        data=data,
        notification=messaging.Notification(title=content.title, body=body) if show else None,
        android=messaging.AndroidConfig(
            # Only the caller's own key. FCM keeps messages of four keys for an absent device and drops the others
            # (firebase.google.com/docs/cloud-messaging/customize-messages/collapsible-message-types), so with a key
            # for each notification the fifth would be lost; copies are collapsed by the tag.
            collapse_key=tag if content.collapse_key else None,
            priority="high" if prompt else "normal",
            ttl=timedelta(seconds=ttl),
            notification=messaging.AndroidNotification(tag=tag) if show else None,
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-collapse-id": tag,
                "apns-expiration": str(math.floor(now.timestamp()) + ttl) if ttl else "0",
                "apns-priority": "10" if prompt else "5",
                "apns-push-type": "alert" if show else "background",
            },
            payload=messaging.APNSPayload(aps=aps),
        ),
        webpush=messaging.WebpushConfig(
            headers={"TTL": str(ttl), "Urgency": _URGENCY.get(content.priority, "normal") if show else "low"},
            notification=messaging.WebpushNotification(tag=tag) if show else None,
            fcm_options=messaging.WebpushFCMOptions(link=content.url)
            if show and content.url and content.url.startswith("https://")
            else None,
        ),
    )


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()  # raises for half a surrogate pair
    return text
