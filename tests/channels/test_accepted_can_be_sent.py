"""Whatever the API accepts, every channel can send: nothing that was answered with 202 fails because of its content."""

from __future__ import annotations

import json
import smtplib
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import pydantic
import pytest
from firebase_admin import messaging
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from carillon.fields import MAX_LABEL, Email
from carillon.requests import Notification
from channels.email.channel import parse_sender
from channels.email.message import MailBuilder, parse_address
from channels.fcm.message import MAX_PAYLOAD, make_template
from models.deliveries.message import Action
from models.events.vocabulary import notification_new
from models.notifications.content import Content
from tests.channels.support import NOTIFICATION, message

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_email: TypeAdapter[str] = TypeAdapter(Email)

# Any character at all, and those that have a meaning for one of the channels more often.
_SPECIAL = [
    *"\0\t\n\r\x0b\x0c\x1b\x1c\x7f\x85\x92\xa0\xad\u200b\u200d\u2028\u2029\u202e\ufeff\ufffd\uffff",
    *'"\\<>&=?_.@(),:; ',
]
_CLUSTERS = [
    "🇩🇪",
    "👩\u200d🚀",
    "क्षि",
    "e\u0301",
    "1\ufe0f\u20e3",
    "=?utf-8?q?=0A?=",
    "\r\nBcc: eve@example.com",
    "漢",
    "я ",
]
_pieces = st.characters(codec="utf-8") | st.sampled_from(_SPECIAL) | st.sampled_from(_CLUSTERS)


def _texts(longest: int, pieces: st.SearchStrategy[str] = _pieces) -> st.SearchStrategy[str]:
    """Texts around the limit too, which the pieces alone would seldom reach."""
    return st.builds(
        lambda pieces, times: ("".join(pieces) * times)[:longest],
        st.lists(pieces, min_size=1, max_size=12),
        st.sampled_from([1, 1, 3, 40, 4000]),
    )


_lines = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]) | st.sampled_from(_CLUSTERS[:6])
_names = st.from_regex(r"\A[A-Za-z0-9_.:\-]{1,64}\Z")
_data = st.dictionaries(_texts(40), _texts(400) | st.integers(-(2**53), 2**53) | st.none(), max_size=60)
_requests = st.fixed_dictionaries(
    {
        "audience": st.just({"tenant": True}),
        "title": _texts(200, _lines) | _texts(200),
        "message": _texts(4096, _lines | st.just("\n")) | _texts(4096),
    },
    optional={
        "data": _data,
        "type": _names,
        "category": _names,
        "level": st.sampled_from(["info", "critical"]),
        "priority": st.sampled_from(["critical", "normal", "bulk"]),
        "collapse_key": _texts(64),
        "url": _texts(2000).map("https://example.com/".__add__),
        "action_label": _texts(MAX_LABEL, _lines),
    },
)


def content_of(request: Notification) -> Content:
    data = request.data | ({"action_label": request.action_label} if request.action_label else {})
    return Content(
        notification_id=NOTIFICATION,
        tenant="acme",
        title=request.title,
        message=request.message,
        data=data,
        level=request.level,
        priority=request.priority,
        category=request.category,
        type=request.type,
        collapse_key=request.collapse_key,
        reference=None,
        url=request.url,
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
    )


def accepted(fields: dict[str, Any]) -> Notification | None:
    """The request without the fields that are refused; None if one of them is required."""
    try:
        return Notification.model_validate(fields)
    except pydantic.ValidationError as error:
        refused = {str(e["loc"][0]) for e in error.errors()}
        if refused & {"title", "message"}:
            return None
        return accepted({name: value for name, value in fields.items() if name not in refused})


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(_requests)
def test_what_is_accepted_can_be_sent_on_every_channel(fields: dict[str, Any]) -> None:
    request = accepted(fields)
    if request is None:
        return
    content = content_of(request)
    check_mail(content)
    check_push(content)
    # In the app everything is sent as it is.
    assert json.loads(json.dumps(notification_new(content)))["title"] == request.title


def check_mail(content: Content) -> None:
    builder = MailBuilder(parse_sender('"Käse, Brot & Co" <shop@shop.example>'), NOW)
    raw = builder.build(message("ann@mail.example", about=content, locale="de")).content
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.replace(b"\r\n", b"").count(b"\n") == raw.replace(b"\r\n", b"").count(b"\r") == 0
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert len(parsed.keys()) == 10
    assert str(make_header(decode_header(message_from_bytes(raw)["Subject"]))) == content.title
    text, html = (part.get_content().replace("\r\n", "\n") for part in parsed.iter_parts())
    plain = content.message.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    assert text.startswith(f"{content.title}\n\n" + (f"{plain}\n\n" if plain else ""))
    assert html.startswith("<!doctype html>")


def check_push(content: Content) -> None:
    for action in Action:
        raw = make_template(content, action, NOW).fill(message("token", about=content, seq=2**63 - 1), "token")
        filled = json.loads(raw)["message"]
        data = filled["data"]
        shown = {"notification": filled.get("notification", {}), "data": data}
        assert len(json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_PAYLOAD
        # FCM: strings only, and no reserved names
        # (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).
        assert all(isinstance(value, str) for value in data.values())
        assert not any(name in ("from", "message_type") or name.startswith(("google", "gcm")) for name in data)
        assert data["notification_id"] == NOTIFICATION
        assert ("fetch" in data) == ("data" not in data)
        if action is Action.SHOW:
            assert filled["notification"]["title"] == content.title
            body = filled["notification"]["body"]
            assert body == content.message or content.message.startswith(body.removesuffix("…"))
            assert body
        # Nothing that Apple or a browser gets as a header breaks the line.
        headers = [*filled["apns"]["headers"].values(), *filled["webpush"]["headers"].values()]
        assert all(value.isascii() and value.isprintable() for value in headers)
        assert messaging.Message(fid="-", data=data)


_boxes = st.text(
    st.sampled_from("ab1._-+!#$%&'*/=?^`{|}~\"\\ @()<>[],:;üжß\u0301\u200d漢") | st.characters(), max_size=70
)
_domains = st.lists(
    st.text(st.sampled_from("ab1-_üßאब漢。.") | st.characters(), min_size=1, max_size=64), min_size=1, max_size=4
).map(".".join)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.builds("{}@{}".format, _boxes, _domains))
def test_an_address_that_is_accepted_can_be_sent_to(address: str) -> None:
    try:
        given_ = _email.validate_python(address)
    except pydantic.ValidationError:
        return
    check_address(given_)


@pytest.mark.parametrize("local", ["a" * 64, "ü" * 32, "!#$%&'*+-/=?^_`{|}~", "a.b"])
@pytest.mark.parametrize(
    "domain",
    ["x.org", "x" * 63 + ".org", "ü" * 50 + ".org", "faß.de", "host.local", "localhost", "xn--tda.org", "字.jp"],
)
def test_an_address_at_a_limit_can_be_sent_to(local: str, domain: str) -> None:
    check_address(_email.validate_python(f"{local}@{domain}"))


def check_address(address: str) -> None:
    mailbox = parse_address(address)
    assert smtplib.quoteaddr(mailbox.addr_spec) == f"<{mailbox.addr_spec}>"
    assert mailbox.domain.isascii()
    assert len(mailbox.username.encode()) <= 64
    assert max(map(len, mailbox.domain.split("."))) <= 63
    assert len(mailbox.addr_spec.encode()) <= 254
    # What is stored is accepted again as it is.
    assert _email.validate_python(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "a" * 65 + "@x.org",
        "ü" * 33 + "@x.org",
        "a@" + "x" * 64 + ".org",
        "a@" + "ü" * 60 + ".org",
        "a@" + ".".join(["x" * 60] * 5),
        ".a@x.org",
        "a.@x.org",
        "a..b@x.org",
        '"a b"@x.org',
        '"a"@x.org',
        "a@[192.0.2.1]",
        "a@[IPv6:2001:db8::1]",
        "Ann <a@x.org>",
        "a@x.org, b@x.org",
        "a(c)@x.org",
        "a@x..org",
        "a@-x.org",
        "a@x_y.org",
        "a\u2028@x.org",
        "a\x85@x.org",
        "a@x.org\n",
        "a@x.org\r\nBcc: b@x.org",
    ],
)
def test_an_address_that_no_mail_server_takes_is_refused(address: str) -> None:
    with pytest.raises(pydantic.ValidationError):
        _email.validate_python(address)
