"""What people have reported of other notification systems, and what is right here. The inputs are in cases.json."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine
from wcwidth import iter_graphemes

from actions.installation import utc_now
from channels.email.channel import parse_sender
from channels.email.message import MailBuilder
from channels.fcm.message import MAX_PAYLOAD, make_template
from models.channels import CHANNELS
from models.deliveries.claim import claim
from models.deliveries.message import Action, Message
from models.sql.engine import write
from tests.factories import create_users, expand_all
from tests.web.callers import Caller, fields

REPORTS: dict[str, dict[str, Any]] = {
    report["id"]: report for report in json.loads(Path(__file__).with_name("cases.json").read_text())
}
# Those without a check, with the reason.
WITHOUT_CHECK = {
    "R03": "not written yet",
    "R04": "not written yet",
    "R09": "not written yet",
    "R10": "not written yet",
    "R11": "not written yet",
    "R12": "one-click unsubscribing is a feature that does not exist yet",
    "R13": "not written yet",
    "R14": "not written yet",
}
_checked: set[str] = set()


def report(name: str) -> Callable[[Any], Any]:
    """Mark the check of a report. It gets the report's input as the argument `given`."""
    _checked.add(name)
    return pytest.mark.parametrize("given", [pytest.param(REPORTS[name]["input"], id=name)])


def test_every_report_has_a_check_or_a_reason_to_have_none() -> None:
    assert _checked | set(WITHOUT_CHECK) == set(REPORTS)
    assert not _checked & set(WITHOUT_CHECK)


def send(service: Caller, engine: Engine, channel: str, **body: Any) -> list[Message]:
    """Send a notification, and return what the workers of the channel get."""
    given = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World", "channels": [channel]} | body
    accepted = service.post("/v1/notifications", given)
    assert accepted.status_code == 202, accepted.json
    expand_all(engine, UUID(accepted.json["id"]), utc_now())
    with write(engine) as connection:
        soon = utc_now() + timedelta(seconds=1)
        return claim(connection, channel, CHANNELS[channel].policy, 100, 60, soon).messages


def mail(message: Message) -> bytes:
    return MailBuilder(parse_sender("Shop <shop@shop.example>"), utc_now()).build(message).content


def push(message: Message) -> dict[str, Any]:
    """The message for one device as FCM gets it."""
    raw = make_template(message.content, Action.SHOW, utc_now()).fill(message, "token")
    filled: dict[str, Any] = json.loads(raw)["message"]
    shown = {"notification": filled["notification"], "data": filled["data"]}
    assert len(json.dumps(shown, ensure_ascii=False, separators=(",", ":")).encode()) <= MAX_PAYLOAD
    return filled


@report("R01")
def test_a_subject_keeps_its_blanks(given: dict[str, Any], service: Caller, engine: Engine) -> None:
    create_users(engine, ["alice"], email=True)
    [message] = send(service, engine, *given["channels"], title=given["title"])
    raw = mail(message)
    subject = message_from_bytes(raw)["Subject"]
    # RFC 2047 §6.2: white space between adjacent encoded words is dropped.
    without = re.sub(r"(\?=)\s+(=\?)", r"\1\2", subject)
    assert str(make_header(decode_header(without))) == str(make_header(decode_header(subject))) == given["title"]
    assert max(len(word) for word in subject.split()) <= 75


@report("R02")
def test_the_same_recipient_twice_gets_one_mail(given: dict[str, Any], service: Caller, engine: Engine) -> None:
    [message] = send(service, engine, *given["channels"], audience=given["audience"])
    assert message.address == "n@example.org"
    # Every later member, and the last value that is given.
    twice = [{"id": "x", "email": "a@example.org", "locale": "de"}, {"id": "x", "email": "b@example.org"}, {"id": "x"}]
    [message] = send(service, engine, "email", audience={"users": twice})
    assert (message.address, message.locale) == ("b@example.org", "de")


@report("R05")
def test_a_title_has_one_rule_for_all_channels(given: dict[str, Any], service: Caller) -> None:
    for channel in CHANNELS:
        refused = service.send(title=given["title"], channels=[channel])
        assert refused.status_code == 422
        assert fields(refused) == ["title"]
    assert fields(service.post("/v1/alerts", {"title": given["title"], "message": "World"})) == ["title"]


@report("R06")
def test_an_address_that_no_mail_server_takes_is_refused(given: dict[str, Any], service: Caller) -> None:
    refused = service.put("/v1/users/alice", {"email": given["email"]})
    assert (refused.status_code, fields(refused)) == (422, ["email"])
    assert "too long before the @-sign" in refused.json["detail"]
    refused = service.send(audience={"users": [{"id": "alice", "email": given["email"]}]})
    assert (refused.status_code, fields(refused)) == (422, ["audience.users.0.email"])
    assert service.put("/v1/users/alice", {"email": given["email"][1:]}).status_code == 200


@report("R07")
def test_data_that_no_push_can_carry_is_left_out(
    given: dict[str, Any], service: Caller, engine: Engine, user_token: Callable[[str], str]
) -> None:
    create_users(engine, ["alice"], device=True, now=utc_now())
    data = {f"k{number}": given["each"] for number in range(given["data_pairs"])}
    [message] = send(service, engine, "push", data=data)
    sent = push(message)["data"]
    assert "data" not in sent
    assert sent["omitted"] == "data"
    alice = Caller(service.client, user_token("alice"))
    fetched = alice.get(sent["fetch"])
    assert fetched.json["id"] == sent["notification_id"]
    assert fetched.json["data"] == data


@report("R08")
def test_a_long_text_is_cut_between_characters(given: dict[str, Any], service: Caller, engine: Engine) -> None:
    assert given["message"] == "x followed by 2,000 flags of two regional indicators"
    create_users(engine, ["alice"], device=True, now=utc_now())
    for letter in ("🇩🇪", "1\ufe0f\u20e3", "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f", "क्षि"):
        whole = "x" + letter * (4000 // len(letter))
        [message] = send(service, engine, "push", message=whole)
        body = push(message)["notification"]["body"]
        assert body.endswith("…")
        assert set(iter_graphemes(body)) == {"x", letter, "…"}
        assert len(body.encode()) > 2000
