"""FCM messages: what a notification becomes, and what is rejected because FCM would not accept it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.fcm import channel as fcm
from channels.fcm.channel import FcmChannel
from channels.fcm.message import MAX_PAYLOAD, MAX_TTL, MIN_TEXT, make_template
from models.deliveries.lifecycle import Rejected, Sent
from models.deliveries.message import Action
from tests.channels.support import NOTIFICATION, Lab, content, message


@pytest.fixture(scope="module")
def channel(_lab: Lab) -> Iterator[FcmChannel]:
    channel = fcm.build(_lab.settings(), "test")
    assert channel is not None
    yield channel
    channel.close()


def sent(lab: Lab, channel: FcmChannel, **other: Any) -> dict[str, Any]:
    """Send a notification with these fields and return the FCM message that the lab received."""
    lab.reset()
    action = other.pop("action", Action.SHOW)
    [outcome] = channel.send([message("device", about=content(**other), action=action, seq=None)])
    assert isinstance(outcome, Sent), outcome
    raw: dict[str, Any] = lab.only()["raw"]
    return raw


def test_every_field_of_a_notification_has_its_place_in_the_message(lab: Lab, channel: FcmChannel) -> None:
    about = content(
        priority="high",
        category="storage",
        url="https://example.com/backup?id=1&x=ü",
        data={"volumes": 3, "names": ["a", "ü"]},
        collapse_key="backup",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    [outcome] = channel.send([message("device", about=about, seq=41)])
    arrival = lab.only()
    raw = arrival["raw"]
    assert outcome == Sent(arrival["message_id"])
    assert raw["token"] == "device"
    assert raw["notification"] == {"title": about.title, "body": about.message}
    data = raw["data"]
    assert json.loads(data.pop("data")) == about.data
    assert data.pop("created_at").endswith("Z")
    assert data == {
        "action": "show",
        "notification_id": NOTIFICATION,
        "type": "backup.finished",
        "level": "info",
        "priority": "high",
        "category": "storage",
        "url": about.url,
        "collapse_id": "backup",
        "seq": "41",
    }
    android = raw["android"]
    assert 3590 <= int(android.pop("ttl")[:-1]) <= 3600
    assert android == {"collapse_key": "backup", "priority": "high", "notification": {"tag": "backup"}}
    headers = raw["apns"]["headers"]
    assert int(headers.pop("apns-expiration")) == pytest.approx(about.expires_at.timestamp(), abs=2)
    assert headers == {"apns-collapse-id": "backup", "apns-priority": "10", "apns-push-type": "alert"}
    assert raw["apns"]["payload"] == {"aps": {"sound": "default"}}
    assert raw["webpush"]["notification"] == {"tag": "backup"}
    assert raw["webpush"]["headers"]["Urgency"] == "high"
    assert raw["webpush"]["fcm_options"] == {"link": about.url}


def test_fields_that_are_not_set_are_left_out(lab: Lab, channel: FcmChannel) -> None:
    raw = sent(lab, channel, url="http://example.com/")
    assert set(raw["data"]) == {
        "action", "notification_id", "type", "level", "priority", "url", "created_at", "data"
    }  # fmt: skip
    assert raw["android"]["notification"]["tag"] == raw["apns"]["headers"]["apns-collapse-id"] == NOTIFICATION
    # FCM keeps messages of at most four collapse keys: with one key per notification, the fifth would be lost.
    assert "collapse_key" not in raw["android"]
    # The SDK accepts https links only.
    assert "fcm_options" not in raw["webpush"]


def test_an_installation_id_is_sent_as_fid(lab: Lab, channel: FcmChannel) -> None:
    [outcome] = channel.send([message("fid-1", address_kind="fid")])
    assert isinstance(outcome, Sent)
    assert lab.only()["raw"]["fid"] == "fid-1"
    assert "token" not in lab.only()["raw"]


@pytest.mark.parametrize(
    ("address", "kind"), [("", "token"), (" ", "token"), ("a\nb", "fid"), ("ü", "token"), ("x", "web")]
)
def test_an_address_that_is_not_a_device_is_rejected(lab: Lab, channel: FcmChannel, address: str, kind: str) -> None:
    [outcome] = channel.send([message(address, address_kind=kind)])
    assert isinstance(outcome, Rejected)
    assert lab.arrivals() == []


@pytest.mark.parametrize(
    ("priority", "android", "apns", "urgency"),
    [
        ("critical", "high", "10", "high"),
        ("high", "high", "10", "high"),
        ("normal", "high", "10", "normal"),
        ("low", "normal", "5", "low"),
        ("bulk", "normal", "5", "very-low"),
    ],
)
def test_each_platform_has_its_own_priority(
    lab: Lab, channel: FcmChannel, priority: str, android: str, apns: str, urgency: str
) -> None:
    raw = sent(lab, channel, priority=priority)
    found = raw["android"]["priority"], raw["apns"]["headers"]["apns-priority"], raw["webpush"]["headers"]["Urgency"]
    assert found == (android, apns, urgency)


@pytest.mark.parametrize(("seconds", "ttl"), [(-5, 0), (0, 0), (90.9, 90), (MAX_TTL + 1000, MAX_TTL)])
def test_the_ttl_stays_within_fcms_limits(lab: Lab, seconds: float, ttl: int) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    built = fcm.build(lab.settings(), "test")
    assert built is not None
    built._clock = lambda: now
    raw = sent(lab, built, created_at=now, expires_at=now + timedelta(seconds=seconds))
    built.close()
    assert raw["android"]["ttl"] == f"{ttl}s"
    assert raw["webpush"]["headers"]["TTL"] == str(ttl)
    expiration = int(raw["apns"]["headers"]["apns-expiration"])
    assert expiration == (now.timestamp() + ttl if ttl else 0)


@pytest.mark.parametrize("key", ["k" * 65, "schlüssel", "two\nlines", " padded "])
def test_a_collapse_key_that_is_not_a_valid_header_is_hashed(lab: Lab, channel: FcmChannel, key: str) -> None:
    raw = sent(lab, channel, collapse_key=key)
    collapse_id = raw["apns"]["headers"]["apns-collapse-id"]
    assert len(collapse_id) == 64
    assert int(collapse_id, 16)
    assert raw["android"]["collapse_key"] == raw["android"]["notification"]["tag"] == collapse_id
    assert raw["data"]["collapse_id"] == collapse_id


@pytest.mark.parametrize("key", [None, "backup"])
def test_a_withdrawal_is_silent_and_names_what_it_withdraws(lab: Lab, channel: FcmChannel, key: str | None) -> None:
    shown = sent(lab, channel, collapse_key=key, priority="critical")
    raw = sent(lab, channel, collapse_key=key, priority="critical", action=Action.WITHDRAW)
    assert "notification" not in raw
    assert raw["data"]["action"] == "withdraw"
    assert raw["data"]["notification_id"] == NOTIFICATION
    assert raw["apns"]["payload"] == {"aps": {"content-available": 1}}
    assert raw["apns"]["headers"]["apns-priority"] == "5"
    assert raw["apns"]["headers"]["apns-push-type"] == "background"
    assert raw["apns"]["headers"]["apns-collapse-id"] == shown["apns"]["headers"]["apns-collapse-id"]
    assert raw["android"].get("collapse_key") == key
    assert raw["android"]["priority"] == "normal"
    assert "notification" not in raw["android"]
    assert "notification" not in raw["webpush"]


@pytest.mark.parametrize("letter", ["a", "ü", "😀", '"', "\n", "\x01"])
def test_a_long_text_is_truncated_to_fit(lab: Lab, channel: FcmChannel, letter: str) -> None:
    raw = sent(lab, channel, message=letter * 4000 + "b")
    text = raw["notification"]["body"]
    assert text.endswith("…")
    assert set(text[:-1]) <= {letter}
    payload = {"notification": raw["notification"], "data": raw["data"]}
    size = len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode())
    # As full as possible: short of the limit by less than one letter and the bytes reserved for the seq and the link.
    assert MAX_PAYLOAD - 60 < size <= MAX_PAYLOAD
    assert raw["data"]["notification_id"] == NOTIFICATION


def test_the_largest_seq_still_fits(lab: Lab, channel: FcmChannel) -> None:
    [outcome] = channel.send([message("device", about=content(message="x" * 5000), seq=2**63 - 1)])
    assert isinstance(outcome, Sent)
    assert lab.only()["raw"]["data"]["seq"] == str(2**63 - 1)


@pytest.mark.parametrize(
    ("fields", "omitted"),
    [
        ({"data": {"blob": "x" * 2000}, "message": "x" * 4000}, None),
        # What is left of the text must be worth reading.
        ({"data": {"quotes": '"' * 900}, "message": "x" * 4000}, "data"),
        ({"data": {f"k{n}": "y" for n in range(270)}, "message": "short"}, "data"),
        ({"data": {"quotes": '"' * 1500}, "url": "https://example.com/"}, "data"),
        ({"url": "https://example.com/?" + "x" * 1900}, "data"),
        ({"url": "https://example.com/?" + "é" * 2000}, "data,url"),
    ],
)
@pytest.mark.parametrize("action", Action)
def test_what_does_not_fit_is_left_out_and_can_be_fetched(
    lab: Lab, channel: FcmChannel, action: Action, fields: dict[str, Any], omitted: str | None
) -> None:
    raw = sent(lab, channel, action=action, **fields)
    assert len(json.dumps(raw["data"], ensure_ascii=False).encode()) < MAX_PAYLOAD
    if action is Action.WITHDRAW:
        # Without a text there is more room.
        return
    assert raw["data"].get("omitted") == omitted
    assert raw["data"]["notification_id"] == NOTIFICATION
    assert ("data" in raw["data"]) == (omitted is None)
    if omitted is None:
        assert "fetch" not in raw["data"]
    else:
        assert raw["data"]["fetch"] == f"/v1/notifications/{NOTIFICATION}/content"
    body = raw["notification"]["body"]
    given = content(**fields).message
    assert body == given or len(body.encode()) >= MIN_TEXT


def test_the_largest_notification_that_the_api_accepts_keeps_most_of_its_text() -> None:
    longest = content(
        title="𝕏" * 200,
        message="😀" * 4096,
        type="t" * 64,
        category="c" * 64,
        priority="critical",
        level="critical",
        collapse_key="😀" * 64,
        url="https://example.com/" + "😀" * 2000,
        data={"blob": '"' * 1500},
    )
    for action in Action:
        filled = json.loads(
            make_template(longest, action, datetime.now(UTC)).fill(message("device", about=longest), "token")
        )["message"]
        payload = {"notification": filled.get("notification", {}), "data": filled["data"]}
        assert len(json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_PAYLOAD
        if action is Action.SHOW:
            assert len(filled["notification"]["body"].encode()) > 2200


@pytest.mark.parametrize(
    "fields", [{"title": "\ud800"}, {"data": {"x": "\ud800"}}, {"data": {"x": float("nan")}}, {"data": {"x": {1}}}]
)
def test_only_the_message_that_cannot_be_encoded_is_rejected(
    lab: Lab, channel: FcmChannel, fields: dict[str, Any]
) -> None:
    outcomes = channel.send([message("one"), message("two", about=content(**fields)), message("three")])
    assert [type(outcome) for outcome in outcomes] == [Sent, Rejected, Sent]
    assert [arrival["address"] for arrival in lab.arrivals()] == ["one", "three"]


@pytest.mark.parametrize(
    "letter",
    ["e\u0301", "👩\u200d🚀", "👍\U0001f3fd", "❤\ufe0f", "🇩🇪", "1\ufe0f\u20e3", "क्षि", "각",
     "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"],
)  # fmt: skip
def test_a_text_is_not_truncated_within_a_character(letter: str) -> None:
    for padding in range(len(letter.encode())):
        about = content(message="x" * padding + letter * 2000)
        filled = make_template(about, Action.SHOW, datetime.now(UTC)).fill(message("device", about=about), "token")
        text = json.loads(filled)["message"]["notification"]["body"]
        assert text.endswith("…")
        assert text.removesuffix("…").lstrip("x").replace(letter, "") == ""
