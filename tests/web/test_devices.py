"""Devices for push: those of a user, and those a service names."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from actions.installation import utc_now
from models.addresses.devices import EXPIRED, MAX_DEVICES, STALE
from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.audit.queries import list_records
from models.sql.engine import read, write
from tests.web.callers import Caller
from tests.web.test_people import TOKEN, number


@pytest.fixture
def bob(client, user_token) -> Caller:
    return Caller(client, user_token("bob"))


def audited(engine) -> list:
    with read(engine) as connection:
        return list_records(connection, None, action="device.move")


def test_a_user_registers_lists_and_forgets_devices(alice):
    assert alice.get("/v1/devices").json == {"data": []}
    phone = alice.put("/v1/devices", {"token": TOKEN, "platform": "android"}).json
    page = alice.put("/v1/devices", {"fid": "c" * 22, "platform": "web"}).json
    assert alice.get("/v1/devices").json["data"] == [phone, page]
    assert (phone["state"], page["kind"]) == ("active", "fid")
    assert alice.delete(f"/v1/devices/{phone['id']}").json == {"deleted": True}
    assert alice.delete(f"/v1/devices/{phone['id']}").status_code == 404
    assert alice.delete("/v1/devices").json == {"deleted": 1}
    assert alice.delete("/v1/devices").json == {"deleted": 0}


def test_the_same_device_by_the_names_of_the_four_namespaces(alice, service):
    told = {"device_token": TOKEN, "device_type": "iOS", "app_version": "1.2"}
    made = alice.post("/api/fcm/register-device", told)
    assert (made.status_code, made.json["platform"]) == (200, "ios")
    assert alice.get("/api/fcm/device-list").json == {"devices": [made.json]}
    assert alice.get("/v1/devices").json == service.get("/v1/users/alice/devices").json == {"data": [made.json]}
    assert TOKEN not in made.text
    assert alice.post("/api/fcm/unregister-device", {"token": "another"}).status_code == 404
    assert alice.post("/api/fcm/unregister-device", {"token": TOKEN, "platform": "ios"}).json == {"deleted": True}
    for token in ("one", "two"):
        alice.post("/api/fcm/register-device", {"token": token})
    assert alice.post("/api/fcm/unregister-all", {}).json == {"count": 2}
    assert alice.get("/api/fcm/device-list").json == {"devices": []}


def test_nobody_forgets_the_device_of_somebody_else(alice, bob):
    phone = alice.put("/v1/devices", {"token": TOKEN}).json
    assert bob.delete(f"/v1/devices/{phone['id']}").status_code == 404
    assert bob.post("/api/fcm/unregister-device", {"token": TOKEN}).status_code == 404
    assert bob.post("/api/fcm/unregister-all", None).json == {"count": 0}
    assert alice.get("/v1/devices").json["data"] == [phone]


def test_a_device_goes_with_whoever_signs_in_on_it_and_the_audit_log_says_so(alice, bob, engine):
    phone = alice.put("/v1/devices", {"token": TOKEN}).json["id"]
    alice.put("/v1/devices", {"token": TOKEN})
    assert audited(engine) == []
    bob.post("/api/fcm/register-device", {"token": TOKEN})
    assert alice.get("/v1/devices").json["data"] == []
    assert len(bob.get("/v1/devices").json["data"]) == 1
    [moved] = audited(engine)
    assert (moved.tenant_id, moved.actor_kind, moved.actor, moved.subject) == ("acme", "user", "bob", "alice")
    assert moved.details == {"device": phone, "to": "bob"}


def test_a_device_of_one_tenant_stays_when_another_tenant_registers_it(alice, service, stranger, engine):
    service.put("/v1/users/alice/devices", {"token": TOKEN})
    refused = stranger.put("/v1/users/carol/devices", {"token": TOKEN})
    assert (refused.status_code, refused.json["code"]) == (409, "device_in_another_tenant")
    assert "DELETE /v1/devices" in refused.json["detail"]
    assert "acme" not in refused.text
    # Nothing was written, not even the user.
    assert stranger.get("/v1/users/carol").status_code == 404
    service.send(audience={"users": ["alice"]}, channels=["push"])
    assert len(alice.get("/v1/devices").json["data"]) == 1
    # Deleted there, it is free.
    assert alice.delete("/v1/devices").json == {"deleted": 1}
    assert stranger.put("/v1/users/carol/devices", {"token": TOKEN}).status_code == 200
    assert alice.put("/v1/devices", {"token": TOKEN}).status_code == 409
    # And so it is when its user is deleted.
    assert stranger.delete("/v1/users/carol").status_code == 200
    assert alice.put("/v1/devices", {"token": TOKEN}).status_code == 200
    assert number(engine, addresses) == 1


def test_a_device_not_seen_for_long_is_said_to_be_stale_and_then_expired(alice, engine):
    def unseen_for(time: timedelta) -> str:
        with write(engine) as connection:
            connection.execute(update(addresses).values(last_seen_at=utc_now() - time))
        [device] = alice.get("/v1/devices").json["data"]
        return device["state"]

    alice.put("/v1/devices", {"token": TOKEN})
    minute = timedelta(minutes=1)
    times = (STALE - minute, STALE, EXPIRED - minute, EXPIRED)
    assert [unseen_for(time) for time in times] == ["active", "stale", "stale", "expired"]
    assert alice.put("/v1/devices", {"token": TOKEN}).json["state"] == "active"


def test_why_a_device_is_not_used_is_said_until_the_app_registers_it_again(alice, service, engine):
    phone = alice.put("/v1/devices", {"token": TOKEN}).json
    with write(engine) as connection:
        [address] = connection.execute(select(addresses.c.id)).scalars()
        disable_addresses(connection, {address: "Requested entity was not found."}, utc_now(), utc_now())
    for [device] in (alice.get("/v1/devices").json["data"], service.get("/v1/users/alice/devices").json["data"]):
        assert (device["state"], device["disabled_reason"]) == ("disabled", "Requested entity was not found.")
        assert device["disabled_at"] >= phone["last_seen_at"]
    again = alice.put("/v1/devices", {"token": TOKEN}).json
    assert (again["state"], again["disabled_at"], again["disabled_reason"]) == ("active", None, None)
    assert again["id"] == phone["id"]


def test_a_user_has_the_devices_that_were_seen_last(alice):
    for n in range(MAX_DEVICES):
        alice.put("/v1/devices", {"token": f"phone-{n}"})
    [first, second, *_] = alice.get("/v1/devices").json["data"]
    alice.put("/v1/devices", {"token": "phone-0"})
    newest = alice.put("/v1/devices", {"token": "the-newest"}).json
    kept = [device["id"] for device in alice.get("/v1/devices").json["data"]]
    assert len(kept) == MAX_DEVICES
    assert {first["id"], newest["id"]} <= set(kept)
    assert second["id"] not in kept


def test_a_token_as_long_as_any_is_kept(alice):
    # Not compressible, as PostgreSQL would compress what it puts into an index.
    token = "".join(chr(33 + (n * n * 7919 + n // 7) % 94) for n in range(1024))
    assert alice.put("/v1/devices", {"token": token}).status_code == 200


@pytest.mark.parametrize(
    "document",
    [{}, {"token": ""}, {"token": "a" * 1025}, {"token": "a b"}, {"token": 7}, {"token": "t", "platform": "pager"}, []]
)  # fmt: skip
def test_a_bad_registration_is_refused(alice, engine, document):
    assert alice.post("/api/fcm/register-device", document).status_code == 422
    assert number(engine, addresses) == 0


# By services


def test_a_device_is_known_by_a_name_and_never_by_its_token(service):
    made = service.put("/v1/users/alice/devices", {"token": TOKEN, "platform": "android"})
    listed = service.get("/v1/users/alice/devices")
    assert listed.json["data"] == [made.json]
    assert (made.json["kind"], made.json["platform"], made.json["disabled_at"]) == ("token", "android", None)
    # Nor by a part of it.
    assert TOKEN[:8] not in made.text + listed.text
    again = service.put("/v1/users/alice/devices", {"token": TOKEN})
    assert again.json["id"] == made.json["id"]
    assert service.put("/v1/users/alice/devices", {"fid": "c" * 22}).json["kind"] == "fid"
    assert len(service.get("/v1/users/alice/devices").json["data"]) == 2
    assert service.delete(f"/v1/users/alice/devices/{made.json['id']}").json == {"deleted": True}
    assert service.delete(f"/v1/users/alice/devices/{made.json['id']}").status_code == 404
    assert len(service.get("/v1/users/alice/devices").json["data"]) == 1


def test_a_device_belongs_to_whoever_used_it_last(service):
    service.put("/v1/users/alice/devices", {"token": TOKEN})
    service.put("/v1/users/bob/devices", {"token": TOKEN})
    assert service.get("/v1/users/alice/devices").json["data"] == []
    assert len(service.get("/v1/users/bob/devices").json["data"]) == 1


def test_a_device_of_nobody_is_not_listed(service):
    assert service.get("/v1/users/nobody/devices").status_code == 404
    assert service.delete("/v1/users/nobody/devices/x").status_code == 404


@pytest.mark.parametrize(
    "document",
    [{}, {"token": TOKEN, "fid": "a"}, {"token": ""}, {"token": "a" * 1025}, {"token": "a b"}, {"token": "ä"},
     {"fid": "a/b"}, {"token": TOKEN, "platform": "pager"}, {"token": None}]
)  # fmt: skip
def test_a_bad_device_is_refused(service, engine, document):
    assert service.put("/v1/users/alice/devices", document).status_code == 422
    assert number(engine, addresses) == 0
