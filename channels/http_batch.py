"""HTTP for batches: sends all requests of a batch concurrently over a few connections, each once, in bounded time.

Each sending thread takes its own libcurl multi handle from a pool. One handle behind a lock would make a slow
batch hold up all others; a handle per thread would keep connections for threads that only sent once.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import certifi
import pycurl

# Google's front end allows 100 streams on a connection, so a batch of 500 needs five. HTTP/1.1, which the lab uses,
# sends one request at a time on each; more connections than this did not make it faster.
MAX_CONNECTIONS = 32
# An answer of FCM has some hundred bytes.
MAX_ANSWER = 64 * 1024

_TO_EPOLL = {
    pycurl.POLL_IN: select.EPOLLIN,
    pycurl.POLL_OUT: select.EPOLLOUT,
    pycurl.POLL_INOUT: select.EPOLLIN | select.EPOLLOUT,
}


def trusted_certificates() -> str:
    """Return the file of the certificate authorities that are trusted.

    OpenSSL's own variable replaces certifi's, as it does for everything that uses Python's `ssl`: mail servers, and the
    keys of identity providers.
    """
    return os.environ.get("SSL_CERT_FILE") or certifi.where()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one request. `status` is 0 if there was none; then `error` says why."""

    status: int
    body: bytes = b""
    retry_after: int = 0
    error: str = ""
    timed_out: bool = False
    # By name in lower case. Only `fetch` keeps them.
    headers: Mapping[str, str] = field(default_factory=dict)


class Http:
    """POSTs batches from any number of threads."""

    def __init__(self, timeout: float, ca_file: str | None = None) -> None:
        self._timeout = timeout
        self._ca_file = ca_file or trusted_certificates()
        self._lock = threading.Lock()
        self._idle: list[_Transport] = []
        self._closed = False

    def post(self, url: str, headers: Sequence[str], bodies: Sequence[bytes]) -> list[Answer]:
        """Post all bodies concurrently, each once. Returns the answers in the same order, within the timeout."""
        with self._lock:
            transport = self._idle.pop() if self._idle else None
        transport = transport or _Transport(self._timeout, self._ca_file)
        whole = False
        try:
            answers, whole = transport.post(url, list(headers), bodies)
        finally:
            with self._lock:
                keep = whole and not self._closed
                if keep:
                    self._idle.append(transport)
            if not keep:
                transport.close()
        return answers

    def close(self) -> None:
        """Close the idle connections now, and those in use when their batch ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for transport in idle:
            transport.close()


class _Transport:
    """One multi handle with its easy handles and connections, for one thread at a time."""

    def __init__(self, timeout: float, ca_file: str) -> None:
        self._timeout = timeout
        self._ca_file = ca_file
        self._idle: list[Any] = []
        self._watched: set[int] = set()
        self._due: float | None = None
        # Not curl_multi_fdset: select() cannot watch descriptors above 1,023, and a worker may have them.
        self._epoll = select.epoll()
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, MAX_CONNECTIONS)
        self._multi.setopt(pycurl.M_MAXCONNECTS, MAX_CONNECTIONS)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._schedule)

    def post(self, url: str, headers: list[str], bodies: Sequence[bytes]) -> tuple[list[Answer], bool]:
        """Return the answers, and whether all requests ended before the timeout.

        If one did not, its connection may be dead without having been closed, and every later batch would wait for it
        again. The caller must then close this transport.
        """
        deadline = time.monotonic() + self._timeout
        late = Answer(0, error=f"no answer within {self._timeout:g} s", timed_out=True)
        answers = [late] * len(bodies)
        flying: dict[Any, tuple[int, BytesIO]] = {}
        for index, body in enumerate(bodies):
            handle = self._idle.pop() if self._idle else self._handle()
            received = BytesIO()
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.HTTPHEADER, headers)
            handle.setopt(pycurl.POSTFIELDSIZE, len(body))
            # libcurl silently repeats a request if a reused connection closes before the answer, but FCM may have
            # accepted the first one. It cannot repeat a body that comes from a read function, as it cannot rewind it.
            handle.setopt(pycurl.READFUNCTION, BytesIO(body).read)
            handle.setopt(pycurl.WRITEFUNCTION, received.write)
            self._multi.add_handle(handle)
            flying[handle] = (index, received)
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        # Our own deadline: libcurl's timeouts ignore requests that wait for a connection (curl #13227, #22942).
        while True:
            # Before waiting, because a fast server may have answered already.
            for handle, code, error in self._ended():
                index, received = flying.pop(handle)
                answers[index] = _answer(handle, code, error, received)
                self._idle.append(handle)
            left = deadline - time.monotonic()
            if not flying or left <= 0:
                break
            self._step(left)
        for handle in flying:
            self._multi.remove_handle(handle)
            handle.close()
        return answers, not flying

    def close(self) -> None:
        """Close every connection."""
        for handle in self._idle:
            handle.close()
        self._multi.close()
        self._epoll.close()

    def _handle(self) -> Any:
        handle = pycurl.Curl()
        _prepare(handle, self._timeout, self._ca_file)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        # Wait until it is known whether the first connection can be shared, instead of opening another 31.
        handle.setopt(pycurl.PIPEWAIT, 1)
        return handle

    def _step(self, left: float) -> None:
        wait = left if self._due is None else max(0.0, min(left, self._due - time.monotonic()))
        for fd, events in self._epoll.poll(wait):
            flags = (pycurl.CSELECT_IN if events & ~select.EPOLLOUT else 0) | (
                pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
            )
            self._multi.socket_action(fd, flags)
        if self._due is not None and time.monotonic() >= self._due:
            # If libcurl considers this a little early, it does not set its timer again.
            self._due += 0.001
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)

    def _ended(self) -> list[tuple[Any, int, str]]:
        ended: list[tuple[Any, int, str]] = []
        more = 1
        while more:
            more, good, bad = self._multi.info_read()
            ended += [(handle, 0, "") for handle in good]
            ended += bad
        for handle, _, _ in ended:
            self._multi.remove_handle(handle)
        return ended

    def _watch(self, what: int, fd: int, *_: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            self._watched.discard(fd)
            # libcurl may have closed it already, which also removes it from the set.
            with suppress(OSError):
                self._epoll.unregister(fd)
        elif fd in self._watched:
            self._epoll.modify(fd, _TO_EPOLL[what])
        else:
            self._watched.add(fd)
            self._epoll.register(fd, _TO_EPOLL[what])

    def _schedule(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000


def fetch(
    url: str, *, timeout: float, headers: Sequence[str] = (), body: bytes | None = None, method: str | None = None
) -> Answer:
    """GET `url`, or POST `body` to it, or use another method, once. Returns the answer within `timeout` seconds."""
    received = BytesIO()
    found: dict[str, str] = {}

    def keep(line: bytes) -> None:
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            found[name.lower()] = value.strip()

    handle = pycurl.Curl()
    try:
        _prepare(handle, timeout, trusted_certificates())
        handle.setopt(pycurl.TIMEOUT_MS, int(timeout * 1000))
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, list(headers))
        handle.setopt(pycurl.WRITEFUNCTION, received.write)
        handle.setopt(pycurl.HEADERFUNCTION, keep)
        if body is not None:
            handle.setopt(pycurl.POSTFIELDS, body)
        if method is not None:
            handle.setopt(pycurl.CUSTOMREQUEST, method)
        code, error = 0, ""
        try:
            handle.perform()
        except pycurl.error as failure:
            code, error = failure.args
        return replace(_answer(handle, code, error, received), headers=found)
    finally:
        handle.close()


def _prepare(handle: Any, timeout: float, ca_file: str) -> None:
    handle.setopt(pycurl.NOSIGNAL, 1)  # signals and threads do not mix
    handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    # Without it, the second address of a host is tried only after minutes.
    handle.setopt(pycurl.CONNECTTIMEOUT_MS, int(timeout * 1000))
    handle.setopt(pycurl.MAXFILESIZE, MAX_ANSWER)
    handle.setopt(pycurl.CAINFO, ca_file)


def _answer(handle: Any, code: int, error: str, received: BytesIO) -> Answer:
    if code == pycurl.E_SEND_FAIL_REWIND:
        # libcurl tried to repeat the request, which we prevent.
        return Answer(0, error="the connection ended before the answer")
    if code:
        return Answer(0, error=error or f"libcurl error {code}", timed_out=code == pycurl.E_OPERATION_TIMEDOUT)
    return Answer(handle.getinfo(pycurl.RESPONSE_CODE), received.getvalue(), handle.getinfo(pycurl.RETRY_AFTER) or 0)
