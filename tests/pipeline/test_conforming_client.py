"""The conforming client on real processes: killed, without sockets, back again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import factories
from tests.conforming.live import LiveClient
from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def page(system: System) -> Iterator[LiveClient]:
    system.start("redis", "web", "worker", "relay")
    page = LiveClient(system.url, factories.create_token(system.settings, subject="alice", tenant="acme"))
    eventually(lambda: page.connections and not page.core.stale and page.core.cursor)
    yield page
    page.close()


def test_a_page_is_told_everything_once_and_in_order_by_socket_and_by_polling(system: System, page: LiveClient):
    sent: list[str] = []

    def notify(number: int) -> None:
        for _ in range(number):
            answer = system.post(title=f"{len(sent)}", channels=["in_app"])
            assert answer.status_code == 202, answer.text
            sent.append(answer.json()["id"])

    def shown() -> list[str]:
        return [payload["id"] for _, _, name, payload in list(page.core.applied) if name == "notification:new"]

    notify(5)
    eventually(lambda: sorted(shown()) == sorted(sent))
    page.sockets = False
    eventually(lambda: page.polls)
    notify(5)
    eventually(lambda: sorted(shown()) == sorted(sent))
    page.sockets = True
    notify(5)
    eventually(lambda: page.connections == 2 and sorted(shown()) == sorted(sent))
    # What is published while nobody listens is in the log.
    system.kill("web")
    system.start("web")
    notify(5)
    eventually(lambda: page.connections == 3 and sorted(shown()) == sorted(sent), within=30)
    numbers = [seq for room, seq, _, _ in page.core.applied if room == "user:alice"]
    assert numbers == sorted(set(numbers))
    assert set(page.core.inbox.items) == set(sent)
    assert page.core.inbox.counts() == {"unread": 20, "unseen": 20, "total": 20}
    # Batched: one at a time they would have been twenty.
    eventually(lambda: not page.core.shown)
    eventually(lambda: [system.deliveries(id_)["in_app"]["state"] for id_ in sent] == ["acked"] * 20)
