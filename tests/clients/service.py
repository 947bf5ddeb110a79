"""The service behind the clients: what it does with `carillon.compat`, asked for over HTTP by the tests in Node.

POST /NotificationHandler.create_and_emit {"title": …} calls that function with these arguments.
"""

from __future__ import annotations

import json
import os
import sys
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import carillon
from carillon.compat import four_namespaces, hub, simple

FUNCTIONS = vars(hub) | vars(four_namespaces) | vars(simple)


class Calls(BaseHTTPRequestHandler):
    """Calls the function that the path names and answers with what it returns."""

    def do_POST(self) -> None:
        arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name, *attributes = self.path.strip("/").split(".")
        try:
            status, answer = 200, reduce(getattr, attributes, FUNCTIONS[name])(**arguments)
        except Exception as error:  # noqa: BLE001 - the answer says what it was
            status, answer = 500, repr(error)
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    carillon.configure(os.environ["SERVICE_URL"], os.environ["SERVICE_KEY"], tenant="acme")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Calls)
    sys.stderr.write("ready\n")
    server.serve_forever()
