"""AMQP (RabbitMQ) in bounded time.

A broker under a memory or disk alarm stops reading, and one that stands still answers nothing. py-amqp would wait for
ever: it gives its time-outs to the kernel, tries again when the kernel reports one, and gevent's sockets never do.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import pyamqp


class Transport(pyamqp.Transport):
    """Holds each read and write to the transport option `socket_timeout` (seconds), as the one for Redis does."""

    def establish_connection(self) -> Any:
        """Called by kombu. Connecting has a limit of its own (`broker_connection_timeout`)."""
        connection: Any = super().establish_connection()  # type: ignore[no-untyped-call]
        connection.sock.settimeout(connection.client.transport_options.get("socket_timeout"))
        return connection


class SSLTransport(Transport, pyamqp.SSLTransport):
    """The same with TLS."""


# By the scheme of the URL, for kombu.transport.TRANSPORT_ALIASES.
ALIASES = {"amqp": "bus.amqp:Transport", "pyamqp": "bus.amqp:Transport", "amqps": "bus.amqp:SSLTransport"}
