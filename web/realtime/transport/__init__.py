"""Packets, sockets, and this process's end of the message queue."""
