"""The client against the application itself: every operation that the API has is understood in both directions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, update

import carillon
from actions.installation import utc_now
from carillon import results
from carillon.client import Client
from models.deliveries.tables import deliveries
from models.sql.engine import write
from tests.factories import create_api_key, expand_all
from tests.raw_path import WSGITransport


@pytest.fixture
def client(app: Any, api_key: str) -> Client:
    return Client("http://carillon.test", api_key, retries=0, transport=WSGITransport(app))


HELLO: dict[str, Any] = {"audience": {"users": [{"id": "alice", "email": "alice@host.local"}]}, "title": "Hello"}


def test_notifications(client: Client, engine: Engine):
    accepted = client.send(
        **HELLO, message="World", idempotency_key="k", url="https://example.test/", channels=["email"]
    )
    replay = client.send(**HELLO, message="World", idempotency_key="k", url="https://example.test/", channels=["email"])
    assert (accepted.replayed, replay.replayed, replay.id) == (False, True, accepted.id)
    with pytest.raises(carillon.Invalid) as reused:
        client.send(**HELLO, message="Other", idempotency_key="k")
    assert (reused.value.status, reused.value.code) == (422, "idempotency_key_reused")
    expand_all(engine, UUID(accepted.id), utc_now())
    status = client.get_notification(accepted.id)
    assert (status.title, status.created_at, status.recipients) == ("Hello", accepted.created_at, 1)
    assert status.deliveries["email"] == {"pending": 1}
    [found] = client.notifications(q="hell", since=accepted.created_at)
    assert found.id == accepted.id
    assert [delivery.channel for delivery in client.deliveries(accepted.id, page_size=1)] != []
    assert client.recall(accepted.id).status in ("recalling", "recalled")
    with pytest.raises(carillon.NotFound):
        client.get_notification("17")


def test_a_channel_that_the_server_does_not_know_is_refused_by_it(client: Client):
    with pytest.raises(carillon.Invalid) as refused:
        client.send(**HELLO, message="M", channels=["fax"])
    assert [error.field for error in refused.value.errors] == ["channels.0"]


def test_bulk(client: Client):
    one = {**HELLO, "message": "M"}
    first, second = client.send_many([one, {**one, "channels": ["fax"]}], idempotency_key="bulk")
    assert (first.status, second.status, second.id) == (202, 422, None)
    assert second.problem is not None
    again, _ = client.send_many([one, one], idempotency_key="bulk")
    assert (again.id, again.replayed) == (first.id, True)


def test_alerts(client: Client):
    alert = client.raise_alert(title="Low Oxygen", message="M", severity="critical", idempotency_key="k")
    assert client.raise_alert(title="Low Oxygen", message="M", level="critical", idempotency_key="k").replayed
    assert (alert.level, alert.state, client.count_alerts()) == ("critical", "new", 1)
    assert client.get_alert(alert.id) == alert
    assert [a.id for a in client.alerts(state="new", page_size=1)] == [alert.id]
    client.delete_alert(alert.id)
    assert list(client.alerts()) == []
    with pytest.raises(carillon.NotFound):
        client.delete_alert(str(uuid4()))


def test_events(client: Client):
    with pytest.raises(carillon.Invalid) as refused:
        client.publish_event(audience={"tenant": True}, type="invoice:paid", data={})
    assert refused.value.code == "unknown_event_type"
    declared = client.declare_event_type("invoice:paid", title="Invoice paid", coalesce={"window_ms": 100})
    assert (declared.declared_by, declared.ttl) == ("tenant", 3600)
    assert client.publish_event(audience={"users": ["a", "b"]}, type="invoice:paid", data={"id": 7}, key="k") == 2
    assert client.get_event_type("invoice:paid") == declared
    assert declared in client.event_types()
    client.withdraw_event_type("invoice:paid")
    with pytest.raises(carillon.NotFound):
        client.get_event_type("invoice:paid")


@pytest.mark.parametrize("user", ["alice", "a/b", " c?d#e%"])
def test_users_devices_and_topics(app: Any, client: Client, user: str):
    assert client.put_user(user, email="a@example.test", locale="de").email == "a@example.test"
    assert client.put_user(user, locale="de-AT").email == "a@example.test"
    assert client.enable_email(user).email_disabled_at is None
    assert client.put_user(user, email=None).email is None
    assert client.get_user(user).id == user
    minted = client.create_token(user, lifetime=60)
    signed_in = Client("http://carillon.test", minted.token, transport=WSGITransport(app))
    assert signed_in._http.get("/v1/inbox").json()["data"] == []
    assert timedelta(seconds=50) < minted.expires_at - utc_now() <= timedelta(seconds=60)
    device = client.put_device(user, token="t", platform="web")
    assert client.devices(user) == [device]
    client.delete_device(user, device.id)
    assert client.devices(user) == []
    assert client.add_to_topic("news", [user, "bob"]) == 2
    assert client.remove_from_topic("news", [user, "carol"]) == 1
    client.open_topic("news")
    client.close_topic("news")
    client.delete_user(user)
    with pytest.raises(carillon.NotFound):
        client.get_user(user)


def test_dead_letters(client: Client, engine: Engine):
    sent = client.send(**HELLO, message="World", channels=["email"])
    expand_all(engine, UUID(sent.id), utc_now())
    with write(engine) as connection:
        dead = {"state": "dead", "failure": "bad_request", "reason": "r", "due_at": None}
        connection.execute(update(deliveries).where(deliveries.c.channel == "email").values(dead))
    [letter] = client.dead_letters(channel="email")
    assert (letter.notification_id, letter.failure, letter.state) == (sent.id, "bad_request", "dead")
    assert client.get_notification(sent.id).reasons[0].reason == "r"
    done = client.redrive(ids=[letter.id])
    assert (done.redriven, done.remaining, done.not_redriven) == (1, False, {})
    assert client.redrive(ids=[letter.id], redrive_id=done.id).id == done.id
    [outcome] = client.get_redrive(done.id).outcomes
    assert (outcome.channel, outcome.state, outcome.number) == ("email", "pending", 1)
    assert list(client.dead_letters()) == []


def test_a_key_that_is_not_known(app: Any, client: Client, engine: Engine):
    stranger = Client("http://carillon.test", "ck_live_nobody", transport=WSGITransport(app))
    with pytest.raises(carillon.Unauthorized):
        stranger.count_alerts()
    test_key = create_api_key(engine, "acme", "test")
    with pytest.raises(carillon.Forbidden):
        Client("http://carillon.test", test_key, transport=WSGITransport(app)).put_user("alice")


def test_usage(app: Any, client: Client):
    client.send(**HELLO, message="World")
    app.extensions["carillon"].meter.usage.flush()
    today = utc_now().date()
    [day] = client.usage(since=today - timedelta(days=1), until=today + timedelta(days=1))
    assert (day.notifications, day.recipients, day.deliveries) == (1, 0, {})


# The results of the package that the API calls otherwise.
NAMES = {
    "Accepted": "AcceptedView",
    "ConnectionCounts": "ConnectionCount",
    "Delivery": "DeliveryView",
    "Device": "DeviceView",
    "EventType": "EventTypeView",
    "FailedAttempt": "AttemptView",
    "InboxItem": "ItemView",
    "Outcome": "OutcomeView",
    "PageInfo": "Page",
    "RaisedAlert": "AlertView",
    "Recalled": "RecallView",
    "Redrive": "RedriveView",
    "User": "UserView",
    "UserToken": "TokenView",
}
# What other members say, for clients of earlier systems; and what always says the same.
LEFT_OUT = {"severity", "timestamp", "notification_id", "alert_id", "links", "status"}
# From a header.
ADDED = {"replayed"}


def test_the_package_knows_every_member_of_what_the_api_answers(app: Any, subtests: Any):
    schemas = app.api_doc["components"]["schemas"]
    own = [one for one in vars(results).values() if isinstance(one, type) and one.__module__ == results.__name__]
    generic = (results.Result, results.Page, results.Items)
    for result in own:
        if result in generic:
            continue
        with subtests.test(result=result.__name__):
            answered = set(schemas[NAMES.get(result.__name__, result.__name__)]["properties"])
            known = set(result.model_fields)
            assert known - answered <= ADDED
            assert answered - known <= LEFT_OUT
