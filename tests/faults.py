"""Faults of what processes talk to: a server that stands still, and a network that drops packets."""

from __future__ import annotations

import selectors
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process and its children: the kernel still takes connections and data, and nobody answers."""
    process = psutil.Process(pid)
    all_of_it = [process, *process.children(recursive=True)]
    for one in all_of_it:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in all_of_it:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGCONT)


class Proxy:
    """A TCP proxy on a free port of the loopback, between clients and the server at `target` (host, port).

    `dropping` makes it a network that drops packets: connections stay open, and nothing passes. Those that were open
    then stay dead afterwards, which neither side is told. New ones work.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        # Each open socket with its other side. None: what comes is dropped.
        self._other: dict[socket.socket, socket.socket | None] = {self._listener: None}
        self._dropping = False
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @contextmanager
    def dropping(self) -> Iterator[None]:
        """Drop everything until the end of the block."""
        with self._lock:
            self._dropping = True
            self._other = dict.fromkeys(self._other)
        try:
            yield
        finally:
            with self._lock:
                self._dropping = False

    def close(self) -> None:
        """Close all connections."""
        self._ended.set()
        self._thread.join(10)
        for one in self._other:
            one.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ended.is_set():
            for key, _ in self._selector.select(0.1):
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                with self._lock:
                    if ready is self._listener:
                        self._accept()
                    elif ready in self._other:
                        self._pass_on(ready)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = None if self._dropping else socket.create_connection(self._target, 5)
        self._add(client, server)
        if server is not None:
            self._add(server, client)

    def _add(self, one: socket.socket, other: socket.socket | None) -> None:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._other[one] = other
        self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, one: socket.socket) -> None:
        data = b""
        with suppress(OSError):
            data = one.recv(65536)
        other = self._other[one]
        if not data:
            self._end(one)
            if other is not None:
                self._end(other)
        elif other is not None:
            with suppress(OSError):
                other.sendall(data)

    def _end(self, one: socket.socket) -> None:
        del self._other[one]
        self._selector.unregister(one)
        one.close()
