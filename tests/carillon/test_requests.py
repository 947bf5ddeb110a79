"""Request models: what is accepted, what is refused, and hashes that stay as they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pydantic
import pytest
from hypothesis import given

from carillon.requests import Alert, Audience, Bulk, BulkItem, Event, Notification, Recall
from tests.carillon import strategies

HELLO: dict[str, Any] = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}


@given(strategies.notifications)
def test_the_idempotency_key_of_an_item_is_not_part_of_its_hash(fields):
    keyed = BulkItem.model_validate({**fields, "idempotency_key": "k"})
    assert keyed.sha256() == Notification.model_validate(fields).sha256()


# From version 0.1.0. A stored hash must stay comparable: a change here answers repeated requests with 422.
@pytest.mark.parametrize(
    ("request_", "sha256"),
    [
        (Notification.model_validate(HELLO), "f6d7d57aa1006503445e8239f4175ab18fbfdf214ad84b717888da3e3e102cd1"),
        (Alert(title="Hello", message="World"), "cb288d13bf46f98293dfa04c11945d6bdeac0f9625e1a5e2f3976e9868a9b14e"),
    ],
)
def test_hashes_do_not_change_between_versions(request_, sha256):
    assert request_.sha256() == sha256


@given(strategies.notifications)
def test_a_document_means_what_its_request_means(fields):
    notification = Notification.model_validate(fields)
    assert Notification.model_validate(notification.document()) == notification
    assert Notification.model_validate(notification.document()).sha256() == notification.sha256()


def test_severity_is_another_name_of_level():
    assert Notification.model_validate({**HELLO, "severity": "error"}).level == "error"
    assert Alert(title="T", message="M").level == "warning"
    with pytest.raises(pydantic.ValidationError, match="level and severity differ"):
        Alert(title="T", message="M", level="info", severity="error")


def test_expiry_is_a_week_or_the_retention_or_what_is_asked_for():
    month, day = timedelta(days=30), timedelta(days=1)
    assert Notification.model_validate(HELLO).lifetime(month) == timedelta(days=7)
    assert Notification.model_validate(HELLO).lifetime(day) == day
    hour = Alert(title="T", message="M", expires_in=3600)
    assert hour.lifetime(day) == timedelta(hours=1)
    with pytest.raises(ValueError, match="must not exceed 1800"):
        hour.lifetime(timedelta(minutes=30))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "   "),
        ("title", "x" * 201),
        ("title", "a\nb"),
        ("title", "half \ud800"),
        ("message", "x" * 4097),
        ("message", "\x00"),
        ("message", "\udfff"),
        ("level", "loud"),
        ("priority", "now"),
        ("data", {"a": "x" * 3100}),
        ("data", {"a": float("nan")}),
        ("data", {"a": "\x00"}),
        ("data", []),
        ("type", "x" * 65),
        ("category", "a b"),
        ("channels", []),
        ("channels", ["in_app", "in_app"]),
        ("channels", ["In app"]),
        ("channels", ["x" * 17]),
        ("expires_in", 59),
        ("expires_in", "3600"),
        ("url", "javascript:alert(1)"),
        ("url", "https://user@example.test/"),
        ("collapse_key", "x" * 65),
        ("reference", ""),
        ("audience", {}),
        ("audience", {"users": []}),
        ("audience", {"users": ["a"], "tenant": True}),
        ("audience", {"users": ["a"] * 1001}),
        ("audience", {"tenant": False}),
        ("audience", {"users": [{"id": "a", "phone": "1"}]}),
        ("colour", "red"),
    ],
)
def test_fields_out_of_their_limits_are_refused(field, value):
    with pytest.raises(pydantic.ValidationError) as refused:
        Notification.model_validate({**HELLO, field: value})
    assert refused.value.errors()[0]["loc"][0] == field


def test_the_names_of_channels_are_for_the_server_to_know():
    assert Notification.model_validate({**HELLO, "channels": ["carrier_pigeon"]}).channels == ["carrier_pigeon"]


def test_an_event_has_one_audience_and_a_payload_that_every_client_reads():
    event = Event.model_validate({"audience": {"tenant": True}, "type": "invoice:paid", "data": {"id": 7}})
    assert event.document() == {"audience": {"tenant": True}, "type": "invoice:paid", "data": {"id": 7}}
    for change in (
        {"audience": {}},
        {"audience": {"tenant": True, "users": ["a"]}},
        {"data": {"a": float("inf")}},
        {"data": {"a": "x" * 8200}},
        {"type": "a b"},
    ):
        with pytest.raises(pydantic.ValidationError):
            Event.model_validate(event.document() | change)


def test_the_items_of_a_bulk_are_left_for_later():
    assert Bulk.model_validate({"items": [{"title": 17}]}).items == [{"title": 17}]
    for items in ([], [{}] * 101):
        with pytest.raises(pydantic.ValidationError):
            Bulk.model_validate({"items": items})


def test_a_recall_names_a_notification():
    Recall(id="0193ec00-0000-7000-8000-000000000000")
    for wrong in ("", "17", "0193ec00-0000-7000-8000-000000000000\n", "0193ec00000070008000000000000000"):
        with pytest.raises(pydantic.ValidationError):
            Recall(id=wrong)


def test_users_may_be_named_by_their_ids_alone():
    [alice, bob] = Audience.model_validate({"users": ["alice", {"id": "bob", "email": "b@EXAMPLE.org"}]}).users or []
    assert (alice.id, alice.email, bob.email) == ("alice", None, "b@example.org")
