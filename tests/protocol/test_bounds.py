"""What a client that does not follow the protocol can do to us: nothing that lasts."""

from __future__ import annotations

import json
import time

import pytest
import requests

from tests.protocol.conftest import Server
from tests.protocol.wire import SEPARATOR, Polling, Session, open_websocket
from tests.public_reports.test_public_reports import REPORTS
from tests.waiting import eventually
from web.realtime.limits import PER_CONNECTION

pytestmark = pytest.mark.slow


def answers(polling: Polling, number: int) -> list[dict]:
    """So many answers to events, in the order of their numbers."""
    found = [packet[2:].partition("[") for packet in polling.until(number, "43")]
    return [json.loads(f"[{text}")[0] for _, _, text in sorted(found, key=lambda one: int(one[0]))]


def test_each_packet_of_one_request_is_answered(ours: Server):
    for number in (REPORTS["R03"]["input"]["packets_in_one_post"], 1000):
        polling = Polling(ours)
        polling.connect()
        body = SEPARATOR.join(f'42{n}["test",{n}]' for n in range(number))
        assert polling.post(body).status_code == 200
        found = answers(polling, number)
        assert len(found) == number
        refused = [one["error"]["code"] for one in found if not one["ok"]]
        assert set(refused) == {"rate_limited"}
        assert number - len(refused) >= PER_CONNECTION.burst
        # In another test's time the user's bucket fills again.
        polling.post("1")
        time.sleep(2)


def test_a_request_whose_packets_are_not_all_handled_is_not_answered_with_ok(ours: Server):
    polling = Polling(ours)
    polling.connect()
    assert polling.post(SEPARATOR.join(['421["test",1]', "42{}", '422["test",2]'])).status_code == 400


def test_a_page_of_another_site_is_told_so(ours: Server):
    polling = Polling(ours)
    refused = requests.post(polling.url, data="40", headers={"Origin": "https://evil.example"}, timeout=ours.patience)
    assert (refused.status_code, refused.json()) == (400, "Not an accepted origin.")


def test_a_stranger_leaves_nothing_behind(ours: Server):
    before = ours.descriptors()
    logged = len(ours.log.read_text().splitlines())
    for body in (REPORTS["R04"]["input"]["post"], "2probe", "4" + "x" * 65_536, '42["test"]', "") * 10:
        with requests.Session() as http:
            polling = Polling(ours)
            began = time.monotonic()
            answer = http.post(polling.url, data=body, timeout=ours.patience)
            assert answer.status_code in (400, 413)
            # The library waited for ever.
            assert time.monotonic() - began < 5
    for _ in range(10):
        Session(ours, greet=False).send("4abc")
        open_websocket(ours).send(b"\x00")
    # But for a connection that the test itself keeps alive.
    eventually(lambda: ours.descriptors() <= before + 3)
    lines = [json.loads(line) for line in ours.log.read_text().splitlines()[logged:] if line.startswith("{")]
    assert [line for line in lines if line["level"] not in ("DEBUG", "INFO")] == []
    assert "Traceback" not in ours.log.read_text()
