"""The service behind the clients: what it does in `carillon`, asked for over HTTP by the tests in Node.

POST /NotificationHandler.create_and_emit {"title": …} calls that function with these arguments.
"""

from __future__ import annotations

import json
import os
import sys
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import carillon


class Calls(BaseHTTPRequestHandler):
    """Calls the function that the path names and answers with what it returns."""

    def do_POST(self) -> None:
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            status, answer = 200, reduce(getattr, self.path.strip("/").split("."), carillon)(**arguments)
        except Exception as error:  # noqa: BLE001 - the test is told
            status, answer = 500, repr(error)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    carillon.configure(os.environ["DATABASE_URL"], os.environ["REDIS_URL"], tenant="acme")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Calls)
    sys.stderr.write("ready\n")
    server.serve_forever()
