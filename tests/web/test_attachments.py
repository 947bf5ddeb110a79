"""Attachments from the ticket to the download, in both storages, and who gets nothing."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, delete, insert, select

from actions import conversations, messages
from actions.attachments import MAX_UNSENT, sweep
from actions.installation import utc_now
from actions.users import delete_user
from carillon.chat import ChangedConversation, NewMessage
from models.attachments.queries import set_preview
from models.attachments.tables import attachments
from models.messages.message import message_event
from models.rooms.tables import rooms
from models.sql.engine import read, write
from models.tenants.quotas import Quota, set_quota
from models.tenants.tables import tenants
from storage.base import StorageUnavailable, content_disposition
from tests.chat import SERVICE, edit, group, refusal, say, system, user
from tests.factories import create_settings, create_tenant, create_token, create_users
from tests.storage.s3_stand_in import KEY_ID, SECRET, S3StandIn, s3_stand_in
from tests.web.callers import Caller, fields
from tests.web.contract import ContractClient
from web import files
from web.app import create_app
from web.gevent_worker import _FILES
from web.turns import FILES

TALK = "/v1/conversations/talk/attachments"
CONTENT = b"<html><script>alert(1)</script>" * 20
FILE = {
    "name": "page.html",
    "size": len(CONTENT),
    "type": "text/html",
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
}


@dataclass
class Shop:
    """An application with one of the storages, and the people of a conversation."""

    app: Any
    client: Any
    engine: Engine
    settings: Any
    s3: S3StandIn | None = None

    def caller(self, name: str, tenant: str = "acme") -> Caller:
        return Caller(self.client, create_token(self.settings, subject=name, tenant=tenant))

    def request(self, method: str, url: str, content: bytes | None = None, headers: Any = None) -> Any:
        """What a browser does with a signed URL."""
        if self.s3 is None:
            return self.client.open(url, method=method, data=content, headers=headers)
        return httpx.request(method, url, content=content, headers=headers)

    def uploaded(self, user: str = "alice", **other: Any) -> str:
        """A file that is complete, by its id."""
        caller = self.caller(user)
        ticket = caller.post(TALK, FILE | other).json
        sent = self.request("PUT", ticket["upload"]["url"], CONTENT, ticket["upload"]["headers"])
        assert sent.status_code in (200, 204)
        assert caller.post(f"{TALK}/{ticket['id']}/complete", None).status_code == 200
        return str(ticket["id"])

    def sent(self, user: str = "alice", target: str | None = None) -> str:
        """A file that was sent with a message, by its id."""
        attachment = self.uploaded(user)
        say(self.installation(), "talk", user, "Look", attachments=[attachment], private_to=target)
        return attachment

    def begin(self, *names: str, key: str = "talk") -> None:
        """Begin a conversation of these users."""
        create_users(self.engine, names)
        group(self.installation(), *names, id=key)

    def installation(self, **other: Any) -> Any:
        return replace(self.app.extensions["carillon"], **other)

    def stored(self) -> list[str]:
        """The keys of all files."""
        if self.s3 is not None:
            return sorted(self.s3.objects)
        root = self.settings.var / "attachments"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


@pytest.fixture(params=["file", "s3"])
def shop(request: pytest.FixtureRequest, settings: Any, engine: Engine, tenant: str, recorder: Any) -> Iterator[Shop]:
    if request.param == "file":
        yield from _shop(settings, engine, recorder, None)
        return
    with s3_stand_in() as server:
        environ = {"CARILLON_ATTACHMENTS_URL": server.url}
        environ |= {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
        same = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
        yield from _shop(create_settings(settings.var, **same, **environ), engine, recorder, server)


def _shop(settings: Any, engine: Engine, recorder: Any, server: S3StandIn | None) -> Iterator[Shop]:
    app = create_app(settings, recorder)
    app.test_client_class = ContractClient
    shop = Shop(app, app.test_client(), engine, settings, server)
    shop.begin("alice", "bob", "carol")
    yield shop
    carillon = app.extensions["carillon"]
    carillon.storage.close()
    carillon.counters.close()
    carillon.meter.usage.close()
    carillon.engine.dispose()


@pytest.fixture
def disk(app: Any, client: Any, engine: Engine, settings: Any, tenant: str) -> Shop:
    """A directory only: what the web process does itself."""
    shop = Shop(app, client, engine, settings)
    shop.begin("alice", "bob", "carol")
    return shop


# From the ticket to the download


def test_a_file_goes_from_one_member_to_another_byte_by_byte(shop):
    alice, bob = shop.caller("alice"), shop.caller("bob")
    ticket = alice.post(TALK, FILE)
    assert ticket.status_code == 201
    assert (ticket.json["state"], ticket.json["message_no"]) == ("pending", None)
    upload = ticket.json["upload"]
    early = alice.post(f"{TALK}/{ticket.json['id']}/complete", None)
    assert (early.status_code, early.json["code"]) == (409, "not_uploaded")
    assert shop.request(upload["method"], upload["url"], CONTENT, upload["headers"]).status_code in (200, 204)
    for _ in range(2):
        done = alice.post(f"{TALK}/{ticket.json['id']}/complete", None)
        assert (done.status_code, done.json["state"]) == (200, "ready")
    message = say(shop.installation(), "talk", "alice", attachments=[ticket.json["id"]])
    described = {"id": ticket.json["id"], "name": "page.html", "size": len(CONTENT), "type": "text/html"}
    assert message_event(message)["attachments"] == [described]
    found = bob.get(f"{TALK}/{ticket.json['id']}").json
    assert (found["name"], found["size"], found["message_no"]) == ("page.html", len(CONTENT), message.no)
    got = shop.request("GET", found["download"]["url"])
    assert (got.status_code, got.content if shop.s3 else got.data) == (200, CONTENT)
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Disposition"] == content_disposition("page.html")
    if shop.s3 is None:
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert got.headers["Content-Security-Policy"].startswith("sandbox;")
        assert "no-store" in got.headers["Cache-Control"]


def test_a_url_is_good_for_five_minutes(shop):
    found = shop.caller("alice").get(f"{TALK}/{shop.sent()}").json
    assert (
        timedelta(minutes=4)
        < datetime.fromisoformat(found["download"]["expires_at"]) - utc_now()
        <= timedelta(minutes=5)
    )


def test_other_bytes_than_announced_are_not_stored(shop):
    alice = shop.caller("alice")
    ticket = alice.post(TALK, FILE).json
    for wrong in (CONTENT[:-1], CONTENT + b"!", CONTENT[:-1] + b"!"):
        refused = shop.request("PUT", ticket["upload"]["url"], wrong, ticket["upload"]["headers"])
        assert 400 <= refused.status_code < 500
    assert shop.stored() == []
    early = alice.post(f"{TALK}/{ticket['id']}/complete", None)
    assert (early.status_code, early.json["code"]) == (409, "not_uploaded")


# Who gets nothing


def sees(caller: Caller, attachment: str) -> bool:
    return caller.get(f"{TALK}/{attachment}").status_code == 200


def nothing(caller: Caller, attachment: str) -> bool:
    answers = [caller.get(f"{TALK}/{attachment}"), caller.post(f"{TALK}/{attachment}/complete", None)]
    assert all("page.html" not in answer.text for answer in answers)
    return {answer.status_code for answer in answers} == {404}


def test_who_is_no_member_gets_nothing(shop):
    attachment = shop.sent()
    create_users(shop.engine, ["dave", "eve"])
    conversations.add_members(shop.installation(), SERVICE, "talk", ["dave"], "invited")
    create_tenant(shop.engine, "umbra")
    assert sees(shop.caller("bob"), attachment)
    for stranger in (shop.caller("dave"), shop.caller("eve"), shop.caller("nobody"), shop.caller("alice", "umbra")):
        assert nothing(stranger, attachment)
        assert stranger.post(TALK, FILE).status_code == 404
    # In another conversation it is not found either.
    shop.begin("bob", key="other")
    assert shop.caller("bob").get(f"/v1/conversations/other/attachments/{attachment}").status_code == 404
    conversations.remove_member(shop.installation(), SERVICE, "talk", "bob")
    assert nothing(shop.caller("bob"), attachment)


def test_what_was_not_sent_is_for_its_sender(shop):
    attachment = shop.uploaded("alice")
    assert nothing(shop.caller("bob"), attachment)
    assert shop.caller("alice").get(f"{TALK}/{attachment}").json["download"] is not None


def test_a_private_file_is_for_two(shop):
    attachment = shop.sent("alice", "bob")
    assert sees(shop.caller("alice"), attachment)
    assert sees(shop.caller("bob"), attachment)
    assert nothing(shop.caller("carol"), attachment)


def test_files_go_with_what_a_member_does_not_see(shop):
    chat = shop.installation()
    conversations.update_conversation(chat, SERVICE, "talk", ChangedConversation(history="joined"))
    attachment = shop.sent("alice")
    create_users(shop.engine, ["late"])
    conversations.add_members(chat, SERVICE, "talk", ["late"])
    assert nothing(shop.caller("late"), attachment)
    [message] = messages.list_messages(chat, SERVICE, "talk", after=0, limit=9)
    messages.delete_message(chat, user("bob"), "talk", str(message.id), for_everyone=False)
    assert nothing(shop.caller("bob"), attachment)
    assert sees(shop.caller("carol"), attachment)
    messages.delete_message(chat, user("alice"), "talk", str(message.id), for_everyone=True)
    assert nothing(shop.caller("alice"), attachment)
    assert sweep(chat) == 1
    assert shop.stored() == []


def test_a_url_of_a_removed_member_is_refused_at_once_from_a_directory(disk):
    attachment = disk.sent("alice")
    url = disk.caller("bob").get(f"{TALK}/{attachment}").json["download"]["url"]
    assert disk.request("GET", url).status_code == 200
    conversations.remove_member(disk.installation(), SERVICE, "talk", "bob")
    gone = disk.request("GET", url)
    assert (gone.status_code, gone.json["code"]) == (404, "not_found")


# What is refused before there is a ticket


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"size": 0}, "size"),
        ({"size": -1}, "size"),
        ({"size": 26_214_401}, "size"),
        ({"sha256": "x" * 64}, "sha256"),
        ({"sha256": FILE["sha256"].upper()}, "sha256"),
        ({"type": "text/html; charset=x"}, "type"),
        ({"type": "text/html\r\nSet-Cookie: a"}, "type"),
        ({"name": ""}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "../../etc/passwd"}, "name"),
        ({"name": "a\\b"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "photo\u202egpj.exe"}, "name"),
        ({"name": "a" * 256}, "name"),
    ],
)
def test_what_could_never_be_accepted_gets_no_ticket(disk, wrong, field):
    refused = disk.caller("alice").post(TALK, FILE | wrong)
    assert (refused.status_code, fields(refused)) == (422, [field])


def test_names_of_every_script_are_kept(disk):
    for name in ("Rechnung für José.pdf", "東京.png", "👩‍👩‍👧.jpg", ".profile", 'a "quoted" name', "100%.txt"):
        made = disk.caller("alice").post(TALK, FILE | {"name": name})
        assert (made.status_code, made.json["name"]) == (201, name)


def test_a_tenant_can_store_as_much_as_its_quota(disk):
    with write(disk.engine) as connection:
        set_quota(connection, "acme", Quota.ATTACHMENTS, len(CONTENT) * 2 - 1)
    # Believed for ten seconds.
    disk.installation().quotas._known.clear()
    assert disk.caller("alice").post(TALK, FILE).status_code == 201
    full = disk.caller("bob").post(TALK, FILE)
    assert (full.status_code, full.json["code"]) == (409, "quota_reached")
    [used] = [one.used for one in disk.installation().quotas.used("acme") if one.quota == Quota.ATTACHMENTS]
    assert used == len(CONTENT)


def test_a_user_cannot_reserve_everything(disk):
    alice = disk.caller("alice")
    made = alice.post(TALK, FILE).json["id"]
    with write(disk.engine) as connection:
        [row] = connection.execute(select(attachments).where(attachments.c.id == UUID(made))).mappings()
        copies = [dict(row) | {"id": uuid4()} for _ in range(MAX_UNSENT - 1)]
        connection.execute(insert(attachments), copies)
    full = alice.post(TALK, FILE)
    assert (full.status_code, full.json["code"]) == (409, "too_many_unsent_attachments")
    assert disk.caller("bob").post(TALK, FILE).status_code == 201


def test_without_a_storage_attachments_are_refused_with_what_to_do(settings, tenant, tmp_path):
    same = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    client = create_app(create_settings(tmp_path, CARILLON_ATTACHMENTS_URL="", **same)).test_client()
    alice = Caller(client, create_token(settings))
    for answer in (
        alice.post(TALK, FILE),
        alice.get(f"{TALK}/{uuid4()}"),
        alice.post(f"{TALK}/{uuid4()}/complete", {}),
    ):
        assert (answer.status_code, answer.json["code"]) == (409, "attachments_off")
        assert "CARILLON_ATTACHMENTS_URL" in answer.json["detail"]
    assert client.get(f"{FILES}x").status_code == 404


# Signed URLs of the web process


def test_a_url_is_for_one_thing(disk):
    alice = disk.caller("alice")
    first, second = (alice.post(TALK, FILE).json["upload"]["url"] for _ in range(2))
    changed = [first[:-3] + "AAA", first.replace("/attachments/", "/attachments/x"), first[:-1], f"{FILES}nothing"]
    for url in changed:
        refused = disk.request("PUT", url, CONTENT)
        assert (refused.status_code, refused.json["code"]) == (403, "invalid_url")
    assert disk.request("GET", first).status_code == 403
    assert disk.request("PUT", first, CONTENT).status_code == 204
    # An upload that is not completed can be repeated.
    assert disk.request("PUT", first, CONTENT).status_code == 204
    assert len(disk.stored()) == 1
    attachment = disk.uploaded()
    url = alice.get(f"{TALK}/{attachment}").json["download"]["url"]
    assert disk.request("PUT", url, CONTENT).status_code == 403
    assert second != first


def test_a_complete_file_cannot_be_changed(disk):
    alice = disk.caller("alice")
    ticket = alice.post(TALK, FILE).json
    assert disk.request("PUT", ticket["upload"]["url"], CONTENT).status_code == 204
    alice.post(f"{TALK}/{ticket['id']}/complete", None)
    late = disk.request("PUT", ticket["upload"]["url"], CONTENT)
    assert (late.status_code, late.json["code"]) == (409, "already_uploaded")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (CONTENT + b"!", 413, "request_entity_too_large"),
        (CONTENT[:-1], 400, "incomplete_body"),
        (CONTENT[:-1] + b"!", 422, "wrong_hash"),
    ],
)
def test_a_wrong_body_is_told_what_is_wrong(disk, content, status, code):
    url = disk.caller("alice").post(TALK, FILE).json["upload"]["url"]
    refused = disk.request("PUT", url, content)
    assert (refused.status_code, refused.json["code"]) == (status, code)
    assert disk.stored() == []


def test_a_file_larger_than_any_json_is_stored_and_given_out_in_parts(disk):
    content = bytes(range(256)) * 8192
    alice = disk.caller("alice")
    ticket = alice.post(TALK, FILE | {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}).json
    assert disk.request("PUT", ticket["upload"]["url"], content).status_code == 204
    alice.post(f"{TALK}/{ticket['id']}/complete", None)
    url = alice.get(f"{TALK}/{ticket['id']}").json["download"]["url"]
    part = disk.request("GET", url, headers={"Range": "bytes=100-355"})
    assert (part.status_code, part.data) == (206, content[100:356])


def test_a_body_that_does_not_come_is_given_up(disk, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE", -1.0)
    url = disk.caller("alice").post(TALK, FILE).json["upload"]["url"]
    refused = disk.request("PUT", url, CONTENT)
    assert (refused.status_code, refused.json["code"]) == (408, "request_timeout")
    assert disk.stored() == []


def test_a_body_without_its_length_is_refused(disk):
    url = disk.caller("alice").post(TALK, FILE).json["upload"]["url"]
    refused = disk.client.put(url, input_stream=io.BytesIO(CONTENT), headers={"Transfer-Encoding": "chunked"})
    assert (refused.status_code, refused.json["code"]) == (411, "length_required")


def test_pages_of_other_origins_can_upload_and_show(disk):
    url = disk.caller("alice").post(TALK, FILE).json["upload"]["url"]
    asked = {"Origin": "http://shop.example.test", "Access-Control-Request-Method": "PUT"}
    answer = disk.client.options(url, headers=asked)
    assert answer.status_code == 204
    assert disk.request("PUT", url, CONTENT).vary
    assert FILES == _FILES


def test_a_storage_that_is_away_is_503_and_says_so(shop, monkeypatch):
    def away(*_: Any) -> Any:
        raise StorageUnavailable("the storage does not answer: ConnectError")

    alice = shop.caller("alice")
    ticket = alice.post(TALK, FILE).json["id"]
    monkeypatch.setattr(type(shop.installation().storage), "holds", away)
    answer = alice.post(f"{TALK}/{ticket}/complete", None)
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "storage_unavailable", "5")


# Sending


def test_a_message_gets_only_what_its_sender_has_uploaded_here_and_not_sent(shop):
    chat = shop.installation()
    own, of_bob = shop.uploaded("alice"), shop.uploaded("bob")
    pending = shop.caller("alice").post(TALK, FILE).json["id"]
    shop.begin("alice", key="other")
    for key, ids in [("talk", [of_bob]), ("talk", [own, pending]), ("talk", [str(uuid4())]), ("other", [own])]:
        assert refusal(say, chat, key, "alice", attachments=ids) == (422, "validation")
    assert refusal(system, chat, "talk", attachments=[own]) == (422, "validation")
    assert messages.list_messages(chat, SERVICE, "talk", after=0, limit=9) == []
    sent = say(chat, "talk", "alice", "", type="file", attachments=[own, own], temp_id="t")
    assert [one["id"] for one in sent.data["attachments"]] == [own]
    # The same request is the same message; another one cannot have the file.
    assert say(chat, "talk", "alice", "", type="file", attachments=[own, own], temp_id="t").id == sent.id
    assert refusal(say, chat, "talk", "alice", attachments=[own]) == (422, "validation")
    # The text can go, as there is still something to see.
    assert edit(chat, sent, "alice", "").data["attachments"] == sent.data["attachments"]


@pytest.mark.parametrize("wrong", [["x"], ["../../x"], [str(uuid4())] * 11])
def test_what_is_no_id_of_an_attachment_is_refused(wrong):
    with pytest.raises(ValidationError):
        NewMessage(content="Hello", attachments=wrong)


# Housekeeping


def test_what_was_not_sent_is_deleted_after_a_day_and_what_was_sent_stays(shop):
    shop.uploaded("alice")
    sent = shop.sent("alice")
    pending = shop.caller("alice").post(TALK, FILE).json
    shop.request("PUT", pending["upload"]["url"], CONTENT, pending["upload"]["headers"])
    assert len(shop.stored()) == 3
    assert sweep(shop.installation()) == 0
    late = shop.installation(now=lambda: utc_now() + timedelta(hours=24, minutes=1))
    assert sweep(late) == 2
    assert shop.stored() == [f"acme/{sent}"]
    assert rows_of(shop) == [sent]


def rows_of(shop: Shop) -> list[str]:
    with read(shop.engine) as connection:
        return [str(one) for one in connection.execute(select(attachments.c.id)).scalars()]


@pytest.mark.parametrize("gone", ["conversation", "tenant", "target", "sender"])
def test_files_go_with_what_they_belong_to(shop, gone):
    sent = shop.sent("alice", "bob")
    unsent = shop.uploaded("alice")
    if gone in ("target", "sender"):
        delete_user(shop.installation(), SERVICE, {"target": "bob", "sender": "alice"}[gone])
    else:
        with write(shop.engine) as connection:
            row = tenants.c.id == "acme" if gone == "tenant" else rooms.c.key == "talk"
            connection.execute(delete(row.left.table).where(row))
    sweep(shop.installation())
    # What a deleted user has sent stays, as their messages do.
    stays = {"target": [unsent], "sender": [sent]}.get(gone, [])
    assert shop.stored() == [f"acme/{one}" for one in stays]
    assert rows_of(shop) == stays


def test_a_sweep_that_fails_is_finished_by_the_next_and_nobody_gets_the_file_meanwhile(shop, monkeypatch):
    attachment = shop.uploaded("alice")
    late = shop.installation(now=lambda: utc_now() + timedelta(days=2))

    def away(*_: Any) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(type(late.storage), "delete", away)
        with pytest.raises(StorageUnavailable):
            sweep(late)
    assert nothing(shop.caller("alice"), attachment)
    assert refusal(say, shop.installation(), "talk", "alice", attachments=[attachment]) == (422, "validation")
    assert sweep(late) == 1
    assert (shop.stored(), rows_of(shop)) == ([], [])


# Previews


def test_a_preview_is_shown_to_those_who_see_the_message(shop):
    attachment = shop.sent("alice", "bob")
    picture = b"RIFF....WEBP of a worker"
    with write(shop.engine) as connection:
        connection.execute(attachments.update().values(preview="due"))
        set_preview(connection, UUID(attachment), made=True)
    shop.installation().storage.write(f"acme/{attachment}.preview", picture)
    shown = shop.request("GET", shop.caller("bob").get(f"{TALK}/{attachment}").json["preview"]["url"])
    assert (shown.status_code, shown.content if shop.s3 else shown.data) == (200, picture)
    assert shown.headers["Content-Type"] == "image/webp"
    assert shown.headers["Content-Disposition"] == "inline"
    if shop.s3 is None:
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert shown.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert nothing(shop.caller("carol"), attachment)


def test_only_pictures_are_given_to_the_worker(disk, bells):
    bells.clear()
    disk.uploaded(type="image/svg+xml", name="a.svg")
    disk.uploaded()
    assert bells == []
    attachment = disk.uploaded(type="image/png", name="a.png")
    assert bells == [("make previews", [])]
    assert disk.caller("alice").get(f"{TALK}/{attachment}").json["preview"] is None
