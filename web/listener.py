"""Closes a listening socket without resetting connections that a client believes to be open.

The kernel completes connections before the process accepts them, and resets those that are left when the listener is
closed. So first no new one may begin, and those that have begun must be accepted.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from typing import Any

# asm-generic/socket.h. Python does not name them.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27

# A program for the kernel's packet filter (linux/filter.h): operation, two jumps, argument. It sees the TCP header.
_DROP_SYN = ctypes.create_string_buffer(
    b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (0x30, 0, 0, 13),  # load the byte with the flags
            (0x45, 0, 1, 0x02),  # skip the next instruction unless SYN is set
            (0x06, 0, 0, 0),  # drop the packet
            (0x06, 0, 0, 0xFFFFFFFF),  # let it through
        )
    )
)


def pause(listener: Any) -> None:
    """Begin no new connections. Handshakes that are under way go on.

    The client's kernel tries again after a second (RFC 6298). By then the port is closed, or another process listens.
    Does nothing for Unix sockets and on systems other than Linux.
    """
    if _can_filter(listener):
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 4, ctypes.addressof(_DROP_SYN)))


def resume(listener: Any) -> None:
    """Begin new connections again. Another process can have the same listener (SIGHUP, systemd)."""
    if _can_filter(listener):
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _can_filter(listener: Any) -> bool:
    return sys.platform == "linux" and listener.family in (socket.AF_INET, socket.AF_INET6)
