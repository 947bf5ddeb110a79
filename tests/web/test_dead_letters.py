"""Dead letters: seen, filtered, sent again."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from actions.installation import utc_now
from models.addresses.tables import addresses
from models.deliveries.claim import claim
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.deliveries.tables import deliveries
from models.retry import RetryPolicy
from models.sql.engine import write
from tests.factories import create_users, expand_all, fail_to_publish
from tests.web.callers import Caller

POLICY = RetryPolicy(base=10, cap=100, max_attempts=3)


def kill(engine, channel: str, failure: Failure) -> None:
    now = utc_now()
    dead = Transition(State.DEAD, 1, failure=failure, reason="it is dead")
    with write(engine) as connection:
        batch = claim(connection, channel, POLICY, 1000, 60, now)
        record(connection, batch.lease, [(m.delivery_id, dead) for m in batch.messages], now)


@pytest.fixture
def dead(service, engine):
    """Three people's mails are dead of the provider, their pushes of bad requests."""
    create_users(engine, ["alice", "bob", "carol"], email=True, device=True, now=utc_now())
    notification = service.send(audience={"tenant": True}).json["id"]
    expand_all(engine, UUID(notification), utc_now())
    kill(engine, "email", Failure.PROVIDER_DOWN)
    kill(engine, "push", Failure.BAD_REQUEST)
    return notification


def told(answer) -> dict:
    """How many letters were redriven, and whether there are more."""
    return {name: answer.json[name] for name in ("redriven", "remaining")}


def letters(caller: Caller, query: str = "") -> list[dict]:
    return caller.get(f"/v1/dead-letters{query}").json["data"]


def test_dead_letters_are_listed_filtered_and_paged(service, dead):
    assert [(d["channel"], d["failure"]) for d in letters(service)].count(("email", "provider_down")) == 3
    assert len(letters(service, "?failure=bad_request")) == len(letters(service, "?channel=push")) == 3
    assert letters(service, "?channel=push&failure=provider_down") == []
    [one] = letters(service, "?limit=1")
    assert (one["notification_id"], one["reason"], one["state"]) == (dead, "it is dead", "dead")
    assert [a["reason"] for a in one["failed_attempts"]] == ["it is dead"]
    after, seen = "", []
    while True:
        page = service.get(f"/v1/dead-letters?limit=4{after}").json
        seen += [d["id"] for d in page["data"]]
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert len(set(seen)) == 6


@pytest.mark.parametrize(
    ("filters", "number"),
    [({}, 6), ({"failure": "provider_down"}, 3), ({"channel": "push"}, 3), ({"channel": "in_app"}, 0)],
)
def test_a_redrive_takes_what_meets_every_filter(service, dead, bells, filters, number):
    bells.clear()
    answer = service.post("/v1/dead-letters/redrive", filters)
    assert told(answer) == {"redriven": number, "remaining": False}
    assert answer.json["not_redriven"] == {}
    assert len(letters(service)) == 6 - number
    rung = [filters["channel"]] if "channel" in filters else ["in_app", "push", "email"]
    assert [task for task, _ in bells] == ([f"deliver {channel}" for channel in rung] if number else [])


def test_a_redrive_of_one_notification_or_of_single_letters(service, dead):
    first = letters(service)[0]["id"]
    assert service.post("/v1/dead-letters/redrive", {"ids": [first, 10**9]}).json["redriven"] == 1
    assert service.post("/v1/dead-letters/redrive", {"notification_id": dead}).json["redriven"] == 5
    assert service.post("/v1/dead-letters/redrive", {"notification_id": dead}).json["redriven"] == 0
    assert service.post("/v1/dead-letters/redrive", {"notification_id": "x"}).status_code == 404


def test_what_has_expired_stays_dead(service, engine, dead):
    with write(engine) as connection:
        connection.execute(update(deliveries).values(expires_at=utc_now() - timedelta(seconds=1)))
    answer = service.post("/v1/dead-letters/redrive", {})
    assert told(answer) == {"redriven": 0, "remaining": False}
    assert answer.json["not_redriven"] == {"expired": 6}


def test_what_sending_again_would_not_help_stays_dead_and_is_counted_by_why(service, operator, engine, dead):
    push, email = (deliveries.c.channel == channel for channel in ("push", "email"))
    with write(engine) as connection:
        of_push = connection.execute(select(deliveries.c.id, deliveries.c.address_id).where(push)).all()
        connection.execute(
            update(addresses).where(addresses.c.id == of_push[0].address_id).values(disabled_at=utc_now())
        )
        connection.execute(update(addresses).where(addresses.c.id == of_push[1].address_id).values(user_id=1))
        connection.execute(update(deliveries).where(email).values(expires_at=utc_now() - timedelta(seconds=1)))
    hopeless = {"address_gone": 2, "expired": 3}
    status = service.get(f"/v1/notifications/{dead}").json
    assert status["not_redrivable"] == hopeless
    groups = operator.get("/v1/operator/dead-letters/summary").json["data"]
    assert {g["channel"]: g["not_redrivable"] for g in groups} == {"push": {"address_gone": 2}, "email": {"expired": 3}}
    answer = service.post("/v1/dead-letters/redrive", {})
    assert told(answer) == {"redriven": 1, "remaining": False}
    assert answer.json["not_redriven"] == hopeless
    assert len(letters(service)) == 5


@pytest.mark.parametrize("how", ["recalled", "handled"])
def test_a_letter_that_the_recipient_should_not_see_any_more_stays_dead(service, alice, dead, how):
    if how == "recalled":
        service.delete(f"/v1/notifications/{dead}")
    else:
        alice.post(f"/v1/inbox/{dead}/read", None)
    number = 6 if how == "recalled" else 2
    answer = service.post("/v1/dead-letters/redrive", {})
    assert (answer.json["redriven"], answer.json["not_redriven"]) == (6 - number, {how: number})


def test_a_redrive_in_steps_says_what_became_of_every_letter(service, trial, stranger, engine, dead):
    first = service.post("/v1/dead-letters/redrive", {"limit": 4}).json
    second = service.post("/v1/dead-letters/redrive", {"limit": 4, "redrive": first["id"]}).json
    assert second["id"] == first["id"]
    kill(engine, "email", Failure.QUOTA)
    outcomes = service.get(f"/v1/redrives/{first['id']}").json["outcomes"]
    assert {(o["channel"], o["state"], o["failure"], o["reason"], o["number"]) for o in outcomes} == {
        ("email", "dead", "quota", "it is dead", 3),
        ("push", "pending", None, None, 3),
    }
    third = service.post("/v1/dead-letters/redrive", {"redrive": first["id"]}).json
    assert (third["redriven"], third["remaining"]) == (0, False), "what died again is not taken again"
    for other in (trial, stranger):
        assert other.get(f"/v1/redrives/{first['id']}").status_code == 404
    assert service.post("/v1/dead-letters/redrive", {"redrive": "x"}).status_code == 404


def test_a_recalled_notification_says_what_was_cancelled_and_what_was_withdrawn(service, engine):
    create_users(engine, ["alice", "bob"], email=True, now=utc_now())
    sent = service.send(audience={"tenant": True}).json["id"]
    expand_all(engine, UUID(sent), utc_now())
    service.delete(f"/v1/notifications/{sent}")
    expand_all(engine, UUID(sent), utc_now())
    status = service.get(f"/v1/notifications/{sent}").json
    assert (status["state"], status["deliveries"]["email"]) == ("recalled", {"cancelled": 2})
    assert sum(status["withdrawals"]["in_app"].values()) == 2
    reason = {"channel": "email", "state": "cancelled", "failure": "policy", "reason": "recalled", "number": 2}
    assert status["reasons"] == [reason]


def test_a_redrive_of_more_than_a_thousand_says_so(service, engine):
    notification = service.send(audience={"users": [f"u{n}" for n in range(1000)]}, channels=["in_app"]).json["id"]
    fail_to_publish(engine, expand_all(engine, UUID(notification), utc_now()), utc_now())
    one_more = service.send(audience={"users": ["u1"]}, channels=["in_app"]).json["id"]
    fail_to_publish(engine, expand_all(engine, UUID(one_more), utc_now()), utc_now())
    kill(engine, "in_app", Failure.BAD_REQUEST)
    kill(engine, "in_app", Failure.BAD_REQUEST)
    assert told(service.post("/v1/dead-letters/redrive", {})) == {"redriven": 1000, "remaining": True}
    assert told(service.post("/v1/dead-letters/redrive", {})) == {"redriven": 1, "remaining": False}


def test_a_redrive_can_be_done_in_smaller_steps(service, dead):
    steps = [told(service.post("/v1/dead-letters/redrive", {"limit": 4})) for _ in range(2)]
    assert steps == [{"redriven": 4, "remaining": True}, {"redriven": 2, "remaining": False}]


def test_nobody_sees_or_moves_the_dead_of_others(service, trial, stranger, alice, dead):
    ids = [d["id"] for d in letters(service)]
    for caller in (trial, stranger):
        assert letters(caller) == []
        for filters in ({}, {"ids": ids}, {"notification_id": dead}):
            assert caller.post("/v1/dead-letters/redrive", filters).json["redriven"] == 0
    assert alice.get("/v1/dead-letters").status_code == 403
    assert alice.post("/v1/dead-letters/redrive", {}).status_code == 403
    assert len(letters(service)) == 6


@pytest.mark.parametrize("bad", [{"failure": "bad luck"}, {"ids": []}, {"ids": ["1"]}, {"ids": [0]}, {"ids": [2**63]},
                                 {"ids": [1] * 1001}, {"ids": [True]}, {"limit": 0}, {"limit": 1001},
                                 {"tenant": "umbra"}])  # fmt: skip
def test_a_bad_filter_is_refused(service, bad):
    assert service.post("/v1/dead-letters/redrive", bad).status_code == 422
