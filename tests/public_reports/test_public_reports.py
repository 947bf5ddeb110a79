"""What people have reported of other notification systems, and what is right here. The inputs are in cases.json."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from pathlib import Path
from typing import Any
from urllib.parse import quote
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
from models.events.emit import emit
from models.sql.engine import write
from tests.factories import create_users, expand_all
from tests.web.callers import Caller, body, fields

REPORTS: dict[str, dict[str, Any]] = {
    report["id"]: report for report in json.loads(Path(__file__).with_name("cases.json").read_text())
}
# Those that need servers of their own: the test that checks them, with the report's input.
CHECKED_ELSEWHERE = {
    "R03": "protocol/test_bounds.py::test_each_packet_of_one_request_is_answered",
    "R04": "protocol/test_bounds.py::test_a_stranger_leaves_nothing_behind",
    "R14": "web/realtime/test_bookmarks.py::test_a_process_that_ends_after_a_client_connected_costs_it_nothing",
}
# Those without a check, with the reason.
WITHOUT_CHECK = {"R12": "one-click unsubscribing is a feature that does not exist yet"}
_checked: set[str] = set()


def report(name: str) -> Callable[[Any], Any]:
    """Mark the check of a report. It gets the report's input as the argument `given`."""
    _checked.add(name)
    return pytest.mark.parametrize("given", [pytest.param(REPORTS[name]["input"], id=name)])


def test_every_report_has_a_check_or_a_reason_to_have_none() -> None:
    assert sorted([*_checked, *CHECKED_ELSEWHERE, *WITHOUT_CHECK]) == sorted(REPORTS)
    for name, where in CHECKED_ELSEWHERE.items():
        path, _, function = where.partition("::")
        text = (Path(__file__).parents[1] / path).read_text()
        assert f"def {function}(" in text
        assert f'REPORTS["{name}"]' in text


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


@report("R09")
def test_an_id_is_named_by_its_url_and_nothing_else_is(service: Caller, given: dict[str, Any]) -> None:
    owner, _, _ = given["user"].partition("/")
    device = service.put(f"/v1/users/{owner}/devices", {"token": "T"}).json["id"]
    for user in (given["user"], f"{owner}/devices/{device}"):
        url = f"/v1/users/{quote(user, safe='')}"
        assert service.put(url, {}).json["id"] == service.get(url).json["id"] == user
        assert service.delete(url).status_code == 200
    assert [found["id"] for found in service.get(f"/v1/users/{owner}/devices").json["data"]] == [device]


@report("R10")
def test_a_compressed_request_is_unpacked(service: Caller, given: dict[str, Any]) -> None:
    name, _, encoding = given["header"].partition(": ")
    raw = gzip.compress(json.dumps(body()).encode())
    assert service.post("/v1/notifications", raw, **{name: encoding}).status_code == 202
    refused = service.post("/v1/notifications", raw, **{name: "br"})
    assert (refused.status_code, refused.headers["Accept-Encoding"]) == (415, encoding)


@report("R11")
def test_a_byte_order_mark_is_passed_over(service: Caller, given: dict[str, Any]) -> None:
    assert service.put("/v1/users/alice", given["body"].encode()).status_code == 200


@report("R13")
def test_two_pages_of_a_user_that_poll_both_get_each_event(
    app: Any, service: Caller, alice: Caller, engine: Engine, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    moment = [utc_now()]
    monkeypatch.setattr(type(app.extensions["carillon"]), "now", lambda _: moment[0], raising=False)
    url = given["poll"].format(tenant="acme")
    since = ["1970-01-01T00:00:00.000Z"] * given["pages"]
    heard: list[list[str]] = [[] for _ in since]
    for turn in range(4):
        with write(engine) as connection:
            emit(connection, "acme", "tenant:acme", "expense:created", {"n": turn}, moment[0])
        for page in range(given["pages"]):
            moment[0] += timedelta(seconds=3)
            answer = alice.get(url + since[page])
            assert answer.status_code == 200
            heard[page] += [event["id"] for event in answer.json["data"]]
            alice.post("/api/polling/acme/events/acknowledge", {"eventIds": heard[page]})
            since[page] = (moment[0] + timedelta(seconds=0.1)).isoformat().replace("+00:00", "Z")
        moment[0] += timedelta(seconds=given["every_s"] - 3 * given["pages"])
    # The second page was opened when the first event had been acknowledged.
    assert heard == [[f"tenant:acme:{n}" for n in range(1, 5)], [f"tenant:acme:{n}" for n in range(2, 5)]]
