"""One call in, every channel out."""

from __future__ import annotations

import pytest

from tests.pipeline.stand import Stand, eventually

pytestmark = pytest.mark.slow


def test_one_call_reaches_the_screen_the_phone_and_the_mailbox(stand: Stand):
    stand.start("redis", "lab", "web", "worker", "relay")
    with stand.screen() as screen:
        first = stand.post("key-1")
        assert first.status_code == 202
        n = first.json()["id"]
        eventually(lambda: screen.titles() == ["Hello"])
        eventually(lambda: {m["channel"] for m in stand.received(notification_id=n)} == {"push", "email"})
        assert screen.acknowledge(n)["ok"]
        eventually(
            lambda: (
                {c: d["state"] for c, d in stand.deliveries(n).items()}
                == {"in_app": "acked", "push": "sent", "email": "sent"}
            )
        )
        again = stand.post("key-1")
        assert (again.status_code, again.json()["id"]) == (202, n)
        assert again.headers["Idempotent-Replayed"] == "true"
        other = stand.post("key-2", title="Second").json()["id"]
        eventually(lambda: len(stand.received(notification_id=other)) == 2)
        assert len(stand.received(notification_id=n)) == 2
        eventually(lambda: screen.titles() == ["Hello", "Second"])


def test_a_recall_withdraws_from_screen_and_phone(stand: Stand):
    stand.start("redis", "lab", "web", "worker", "relay")
    with stand.screen() as screen:
        n = stand.post().json()["id"]
        eventually(lambda: screen.titles() == ["Hello"] and len(stand.received(notification_id=n)) == 2)
        assert stand.delete(f"/v1/notifications/{n}").status_code == 202
        eventually(lambda: [d["id"] for e, d in screen.heard if e == "notification:deleted"] == [n])
        [withdrawal] = eventually(
            lambda: [m for m in stand.received(notification_id=n, channel="push") if m["action"] == "withdraw"]
        )
        assert withdrawal["address"] == "alice-phone"
        assert stand.get(f"/v1/notifications/{n}")["state"] == "recalled"
