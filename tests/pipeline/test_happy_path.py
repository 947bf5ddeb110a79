"""One call in, every channel out."""

from __future__ import annotations

import pytest
import requests

from config.audiences import EVERY_TENANT, OPERATOR
from tests.factories import create_token
from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_one_call_reaches_the_screen_the_phone_and_the_mailbox(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with system.screen() as screen:
        first = system.post("key-1")
        assert first.status_code == 202
        n = first.json()["id"]
        eventually(lambda: screen.titles() == ["Hello"])
        eventually(lambda: {m["channel"] for m in system.received(notification_id=n)} == {"push", "email"})
        assert screen.acknowledge(n)["ok"]
        eventually(
            lambda: (
                {c: d["state"] for c, d in system.deliveries(n).items()}
                == {"in_app": "acked", "push": "sent", "email": "sent"}
            )
        )
        again = system.post("key-1")
        assert (again.status_code, again.json()["id"]) == (202, n)
        assert again.headers["Idempotent-Replayed"] == "true"
        other = system.post("key-2", title="Second").json()["id"]
        eventually(lambda: len(system.received(notification_id=other)) == 2)
        assert len(system.received(notification_id=n)) == 2
        eventually(lambda: screen.titles() == ["Hello", "Second"])


def test_a_recall_withdraws_from_screen_and_phone(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with system.screen() as screen:
        n = system.post().json()["id"]
        eventually(lambda: screen.titles() == ["Hello"] and len(system.received(notification_id=n)) == 2)
        assert system.delete(f"/v1/notifications/{n}").status_code == 202
        eventually(lambda: [d["id"] for e, d in screen.heard if e == "notification:deleted"] == [n])
        [withdrawal] = eventually(
            lambda: [m for m in system.received(notification_id=n, channel="push") if m["action"] == "withdraw"]
        )
        assert withdrawal["address"] == "alice-phone"
        assert system.get(f"/v1/notifications/{n}")["state"] == "recalled"


def test_every_process_adds_to_what_the_operator_sees(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    operator = create_token(system.settings, subject="ops", tenant=EVERY_TENANT, audience=OPERATOR)
    with system.screen() as screen:
        n = system.post().json()["id"]
        eventually(lambda: screen.titles() == ["Hello"] and len(system.received(notification_id=n)) == 2)
        assert screen.acknowledge(n)["ok"]

        def seen() -> bool:
            headers = {"Authorization": f"Bearer {operator}"}
            overview = requests.get(f"{system.url}/v1/operator/overview?minutes=1", headers=headers, timeout=10).json()
            series = overview["series"]
            sums = {name: sum(numbers) for name, numbers in series["sent"].items()}
            # One from the web process for each, one from the worker for each channel; the relay measures.
            return (
                (sum(series["accepted"]), sum(series["acked"]["in_app"]), overview["latency"]["count"]) == (1, 1, 1)
                and sums == {"in_app": 1, "push": 1, "email": 1}
                and any(value is not None for value in series["oldest"]["push"])
                and (overview["web_processes"], overview["connections"]) == (1, 1)
            )

        # A step is shown once it is over.
        eventually(seen, within=30)
