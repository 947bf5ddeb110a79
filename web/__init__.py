"""HTTP API, Socket.IO server and pages: the only package that knows Flask."""

VERSION = "0.1.0"
