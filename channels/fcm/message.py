"""Builds FCM messages from notifications. The SDK validates a message; it is encoded once for all devices."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from firebase_admin import messaging

from carillon.text import cut
from models.deliveries.message import Action, Message
from models.notifications.content import Content
from models.timestamps import iso

# "Maximum payload for both message types is 4096 bytes" (firebase.google.com/docs/cloud-messaging/customize-messages).
MAX_PAYLOAD = 4096
# Four weeks: FCM keeps a message for an offline device no longer than this.
MAX_TTL = 2_419_200
# Apple's limit for apns-collapse-id.
MAX_COLLAPSE_ID = 64
ELLIPSIS = "…"
# What is left out, one after the other, until the text has room: the app can fetch all of it, but people read the text
# only. `link` is the page that a click on a browser's notification opens. Without all three, the largest title and
# type that the API accepts leave the text some 2,700 bytes.
OMISSIONS: tuple[frozenset[str], ...] = (
    frozenset(),
    frozenset({"data"}),
    frozenset({"data", "link"}),
    frozenset({"data", "link", "url"}),
)
# Bytes of the text that are worth more than what else could be sent. Phones show four lines.
MIN_TEXT = 400

# Priorities that may wait until the phone wakes up for another reason. The others are delivered immediately, which is
# the default of FCM and APNs for visible notifications.
DEFERRABLE = frozenset({"low", "bulk"})
# Priorities that play a sound on Apple devices.
AUDIBLE = frozenset({"critical", "high"})
# The Urgency header of web push (RFC 8030 §5.3).
_URGENCY = {"critical": "high", "high": "high", "normal": "normal", "low": "low", "bulk": "very-low"}
# Bytes that `seq` adds to a message's data: its name, punctuation, and the 19 digits of the largest bigint.
_MAX_SEQ_BYTES = len(',"seq":""') + 19


class Unsendable(ValueError):
    """This content can never be an FCM message. The text says why, without quoting the content."""


@dataclass(frozen=True, slots=True)
class Template:
    """An encoded message without the two parts that differ between devices: the address and the seq."""

    shared: str

    def fill(self, message: Message, field: str) -> bytes:
        """Return the request body for one device. `field` is the FCM field for its address: `token` or `fid`."""
        seq = "" if message.seq is None else f',"seq":"{message.seq}"'
        return f'{{"message":{{"{field}":{json.dumps(message.address)},{self.shared}{seq}}}}}}}'.encode()


def make_template(content: Content, action: Action, now: datetime) -> Template:
    """Encode `content` for any device. Raises Unsendable."""
    try:
        message = fit(content, action, now)
        encoded: dict[str, Any] = messaging._MessagingService.encode_message(message)
        del encoded["fid"]
        data = encoded.pop("data")
        # `data` comes last and stays open, so that `fill` can append the seq.
        return Template(f'{_json(encoded)[1:-1]},"data":{_json(data)[:-1]}')
    except (TypeError, RecursionError):
        raise Unsendable("the notification cannot be encoded as JSON") from None
    except UnicodeEncodeError:
        raise Unsendable("the notification contains an unpaired surrogate") from None
    except Unsendable:
        raise
    except ValueError as error:
        raise Unsendable(f"the notification is not a valid FCM message: {type(error).__name__}") from None


def make_data(content: Content, action: Action, omitted: frozenset[str]) -> dict[str, str]:
    """Return the message's `data` for the app. FCM accepts strings only, so the caller's object is sent as JSON."""
    left_out = sorted(omitted & {"data", "url"})
    data = {
        "action": action.value,
        "notification_id": content.notification_id,
        "type": content.type,
        "level": content.level,
        "priority": content.priority,
        "category": content.category,
        "url": None if "url" in omitted else content.url,
        "created_at": iso(content.created_at),
        # The tag of the notification in the tray. Without a collapse key, the tag is the notification_id.
        "collapse_id": collapse_id(content) if content.collapse_key else None,
        "data": None if "data" in omitted else _json(content.data),
        "omitted": ",".join(left_out) or None,
        "fetch": f"/v1/notifications/{content.notification_id}/content" if left_out else None,
    }
    return {name: value for name, value in data.items() if value is not None}


def collapse_id(content: Content) -> str:
    """Return the id by which a later message replaces an earlier one: the caller's collapse key or the notification id.

    A key that is too long for Apple, or not valid in a header, is replaced by its SHA-256. Truncating it could make two
    keys equal.
    """
    key = content.collapse_key or content.notification_id
    valid = len(key) <= MAX_COLLAPSE_ID and key.isascii() and key.isprintable() and key == key.strip()
    return key if valid else hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def fit(content: Content, action: Action, now: datetime) -> messaging.Message:
    """Return the SDK's message with as much of the content as FCM accepts. The text is cut with an ellipsis.

    Raises Unsendable, which content that the API accepts never does.
    """
    text = content.message if action is Action.SHOW else ""
    for omitted in OMISSIONS:
        data = make_data(content, action, omitted)
        link = None if "link" in omitted else link_of(content, action)
        # Measured as JSON, the form in which a phone receives it. This is more than the keys and values alone.
        shown = {"title": content.title, "body": ""} if action is Action.SHOW else {}
        room = MAX_PAYLOAD - _MAX_SEQ_BYTES - _size({"notification": shown, "data": data, "link": link})
        if room >= min(_size_inside(text), MIN_TEXT):
            body = cut(text, room, end=ELLIPSIS, size=_size_inside) if action is Action.SHOW else None
            return build(content, action, data, body, link, now)
    raise Unsendable(f"the payload exceeds FCM's {MAX_PAYLOAD} bytes by {min(_size_inside(text), MIN_TEXT) - room}")


def link_of(content: Content, action: Action) -> str | None:
    """Return the page that a click on a browser's notification opens. The SDK accepts https only."""
    return content.url if action is Action.SHOW and content.url and content.url.startswith("https://") else None


def build(
    content: Content, action: Action, data: dict[str, str], body: str | None, link: str | None, now: datetime
) -> messaging.Message:
    """Return the SDK's message, without a recipient.

    A withdrawal has no text: it is a data message that wakes the app silently.
    """
    show = action is Action.SHOW
    immediate = show and content.priority not in DEFERRABLE
    tag = collapse_id(content)
    ttl = min(max(math.floor((content.expires_at - now).total_seconds()), 0), MAX_TTL)
    aps = messaging.Aps(
        sound="default" if show and content.priority in AUDIBLE else None, content_available=None if show else True
    )
    return messaging.Message(
        # A placeholder: the SDK's validation requires a target.
        fid="-",
        data=data,
        notification=messaging.Notification(title=content.title, body=body) if show else None,
        android=messaging.AndroidConfig(
            # Set only for the caller's own key. For an offline device, FCM keeps messages of at most four collapse keys
            # (firebase.google.com/docs/cloud-messaging/customize-messages/collapsible-message-types). With one key per
            # notification, it would drop the fifth. The tag below replaces duplicates anyway.
            collapse_key=tag if content.collapse_key else None,
            priority="high" if immediate else "normal",
            ttl=timedelta(seconds=ttl),
            notification=messaging.AndroidNotification(tag=tag) if show else None,
        ),
        apns=messaging.APNSConfig(
            headers={
                "apns-collapse-id": tag,
                "apns-expiration": str(math.floor(now.timestamp()) + ttl) if ttl else "0",
                "apns-priority": "10" if immediate else "5",
                "apns-push-type": "alert" if show else "background",
            },
            payload=messaging.APNSPayload(aps=aps),
        ),
        webpush=messaging.WebpushConfig(
            headers={"TTL": str(ttl), "Urgency": _URGENCY.get(content.priority, "normal") if show else "low"},
            notification=messaging.WebpushNotification(tag=tag) if show else None,
            fcm_options=messaging.WebpushFCMOptions(link=link) if link else None,
        ),
    )


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text.encode()  # raises UnicodeEncodeError for an unpaired surrogate
    return text


def _size(value: Any) -> int:
    return len(_json(value).encode())


def _size_inside(text: str) -> int:
    """The bytes of a text within a JSON string."""
    return _size(text) - len('""')
