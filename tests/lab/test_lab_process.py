"""The lab's process, its own HTTP API, and its page."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from lab_client import Lab, start_lab

from lab.__main__ import CannotStart, ports
from lab.faults import VOCABULARY


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_quickly_even_during_a_slow_answer(number: signal.Signals) -> None:
    process, ready = start_lab()
    lab = Lab(ready["http"], ready["smtp"])
    lab.authorization  # noqa: B018 - fetched before the clock starts

    def send() -> None:
        with pytest.raises(requests.ConnectionError):
            lab.push("slow30-a")

    sender = threading.Thread(target=send)
    sender.start()
    idle = lab.connect()
    idle.ehlo()
    other = Lab(ready["http"], ready["smtp"])
    while not other.messages():
        pass
    process.send_signal(number)
    # The answer to the push would take 30 seconds.
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    sender.join(5)
    idle.close()


def test_the_smtp_port_is_the_next_one_unless_it_is_set() -> None:
    assert ports({}) == (8025, 8026)
    assert ports({"LAB_PORT": "9000"}) == (9000, 9001)
    assert ports({"LAB_PORT": "0"}) == (0, 0)
    assert ports({"LAB_PORT": "9000", "LAB_SMTP_PORT": "25"}) == (9000, 25)
    assert ports({"LAB_PORT": "", "LAB_SMTP_PORT": ""}) == (8025, 8026)
    for wrong in ("nonsense", "-1", "65536", "²"):
        with pytest.raises(CannotStart):
            ports({"LAB_PORT": wrong})
    with pytest.raises(CannotStart):
        ports({"LAB_PORT": "65535"})


@pytest.mark.slow
def test_a_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for environ in ({"LAB_PORT": port, "LAB_SMTP_PORT": "0"}, {"LAB_PORT": "0", "LAB_SMTP_PORT": port}):
            result = subprocess.run(
                [sys.executable, "-m", "lab"], env=environ, capture_output=True, text=True, timeout=10, check=False
            )
            assert result.returncode == 1
            assert result.stdout == ""
            assert re.fullmatch(rf"lab: cannot listen on 127\.0\.0\.1 port {port}: .+\n", result.stderr)


@pytest.mark.slow
def test_slow_delays_the_answer_of_every_provider(lab: Lab) -> None:
    lab.authorization  # noqa: B018 - fetched before it is slow
    lab.post("/faults", {"oauth": "slow1"})
    began = lab.get("/messages")["next"]
    started = time.monotonic()
    with ThreadPoolExecutor(3) as pool:
        pushed = pool.submit(lab.push, "slow1-anna")
        mailed = pool.submit(lab.mail, "slow1-anna@example.org")
        token = pool.submit(Lab(lab.url, "").token, lab.assertion())
        while not Lab(lab.url, "").messages(after=began):
            pass
        assert time.monotonic() - started < 1, "a push is recorded before it is answered"
        for slow in (pushed, mailed, token):
            slow.result()
            assert time.monotonic() - started >= 1
    assert pushed.result().status_code == token.result().status_code == 200
    assert len(lab.messages()) == 2


def test_in_app_messages_are_recorded(lab: Lab) -> None:
    shown = {
        "user": "anna",
        "tenant": "acme",
        "notification_id": "n1",
        "title": "Disk full",
        "message": "97 %",
        "level": "critical",
        "data": {"x": [1]},
        "delivery_id": 7,
        "action": "show",
    }
    withdrawn = {"user": "anna", "notification_id": "n1", "action": "withdraw"}
    assert lab.post("/screens", {"messages": [shown, withdrawn]}).json() == {"accepted": 2}
    first, second = lab.messages(channel="in_app", notification_id="n1", address="anna")
    assert (first["title"], first["body"], first["action"], first["raw"]) == ("Disk full", "97 %", "show", shown)
    assert second["action"] == "withdraw"
    assert lab.post("/screens", {"messages": []}).json() == {"accepted": 0}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"messages": {}},
        {"messages": ["x"]},
        {"messages": [{}]},
        {"messages": [{"user": "a"}]},
        {"messages": [{"user": 1, "notification_id": "n"}]},
        {"messages": [{"user": "a", "notification_id": "n"}, {"user": "a", "notification_id": "n", "action": "x"}]},
    ],
)
def test_malformed_in_app_messages_record_nothing(lab: Lab, body: Any) -> None:
    assert_problem(lab.post("/screens", body))
    assert lab.messages() == []


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"fcm": "nonsense"},
        {"fcm": 1},
        {"smtp": "quota"},
        {"sms": "down"},
        {"fcm": "down", "for": 0},
        {"fcm": "down", "for": True},
        {"fcm": "down", "for": "30"},
        {"fcm": "down", "for": 1e9},
    ],
)
def test_malformed_faults_change_nothing(lab: Lab, body: Any) -> None:
    assert_problem(lab.post("/faults", body))
    assert lab.get("/faults")["active"] == {}


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"for": NaN}', b'{"for": 1e999}'])
def test_malformed_json_is_refused(lab: Lab, body: bytes) -> None:
    for path in ("/faults", "/screens"):
        assert_problem(lab.post(path, data=body))


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=10001",
        "limit=x",
        "limit=",
        "after=-1",
        "after=1.5",
        "after=" + "9" * 5000,
        "channel=sms",
        "outcome=maybe",
        "raw=2",
        "adress=typo",
    ],
)
def test_a_malformed_query_is_refused(lab: Lab, query: str) -> None:
    assert_problem(requests.get(f"{lab.url}/messages?{query}", timeout=5))


def assert_problem(response: requests.Response, status: int = 400) -> None:
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]


def test_an_unknown_path_method_or_size_is_a_problem_response(lab: Lab) -> None:
    assert_problem(requests.get(f"{lab.url}/nowhere", timeout=5), 404)
    response = requests.put(f"{lab.url}/messages", timeout=5)
    assert_problem(response, 405)
    assert response.headers["Allow"] == "DELETE,GET,HEAD"
    assert_problem(lab.post("/screens", data=b" " * (33 * 1024 * 1024)), 413)


def test_the_journal_is_read_in_pages(lab: Lab) -> None:
    start = lab.get("/messages")["next"]
    for number in range(5):
        lab.push(f"device{number}")
    lab.mail("anna@example.org")
    newest = lab.get("/messages", limit=2)
    assert [one["address"] for one in newest["messages"]] == ["device4", "anna@example.org"]
    assert newest["next"] == start + 6
    page = lab.get("/messages", after=start, limit=4)
    assert ([one["n"] for one in page["messages"]], page["next"]) == ([start + n for n in range(1, 5)], start + 4)
    rest = lab.get("/messages", after=page["next"])
    assert ([one["n"] for one in rest["messages"]], rest["next"]) == ([start + 5, start + 6], start + 6)
    assert rest["oldest"] == start + 1
    assert lab.get("/messages", after=10**12)["messages"] == []
    assert lab.get("/messages", channel="email", after=start)["messages"][0]["n"] == start + 6
    assert "raw" not in lab.get("/messages", raw=0)["messages"][0]


def test_messages_are_counted_by_channel_and_outcome(lab: Lab) -> None:
    lab.push("anna")
    lab.push("gone-bob")
    none = {"accepted": 0, "refused": 0}
    push = {"accepted": 1, "refused": 1}
    assert lab.get("/messages/count") == {"total": 2, "channels": {"push": push, "email": none, "in_app": none}}
    assert lab.get("/messages/count", outcome="refused")["total"] == 1
    assert lab.get("/messages/count", address="nobody")["total"] == 0
    assert lab.get("/messages/count", after=lab.get("/messages")["next"])["total"] == 0


def test_emptying_the_journal_keeps_the_numbering(lab: Lab) -> None:
    lab.push("anna")
    last = lab.get("/messages")["next"]
    assert lab.session.delete(f"{lab.url}/messages", timeout=5).status_code == 204
    assert lab.get("/messages") == {"messages": [], "next": last, "oldest": last + 1}


def test_the_vocabulary_is_served(lab: Lab) -> None:
    words = lab.get("/faults")["vocabulary"]
    assert [word["word"] for word in words] == list(VOCABULARY)
    by_name = {word["word"]: word for word in words}
    assert by_name["gone"]["fcm"] == "404 UNREGISTERED"
    assert by_name["gone"]["smtp"] == "550 5.1.1"
    assert by_name["grey"]["attempts"] == 1
    assert by_name["slow"]["number"] == "seconds"


def test_the_page_loads_only_its_own_files_and_uses_no_inner_html(lab: Lab) -> None:
    page = requests.get(f"{lab.url}/", timeout=5)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|style=|https?://", page.text)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        part = requests.get(lab.url + path, timeout=5)
        assert part.status_code == 200
        assert part.headers["X-Content-Type-Options"] == "nosniff"
    script = requests.get(f"{lab.url}/page.js", timeout=5).text
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_only_its_own_page_can_use_it_from_a_browser(lab: Lab) -> None:
    port = lab.url.rpartition(":")[2]

    def status(host: str, **headers: str) -> int:
        return requests.get(f"{lab.url}/messages", headers={"Host": host, **headers}, timeout=5).status_code

    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"lab:{port}", f"[::1]:{port}"):
        assert status(host) == status(host, Origin=f"http://{host}") == 200
        assert status(host, Origin="https://evil.example") == status(host, Origin="null") == 403
    # A name that its owner has pointed at this machine.
    rebound = f"evil.example:{port}"
    assert status(rebound) == status(rebound, Origin=f"http://{rebound}") == 403
