"""Whoever calls the API in a test."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from werkzeug.test import TestResponse

BODY: dict[str, Any] = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}


def body(**other: Any) -> dict[str, Any]:
    """A body for POST /v1/notifications; `...` leaves a member out."""
    return {name: value for name, value in (BODY | other).items() if value is not ...}


@dataclass(slots=True)
class Caller:
    """A client with a token of its own."""

    client: Any
    token: str
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> TestResponse:
        """Send a document as JSON, whatever it is, and answer with what comes back."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {self.token}"} | self.headers | named
        content: dict[str, Any] = {}
        if isinstance(document, bytes):
            content = {"data": document, "content_type": "application/json"}
        elif document is not None:
            content = {"data": json.dumps(document), "content_type": "application/json"}
        return self.client.open(path, method=method, headers=sent, **content)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.ask("GET", path, **headers)

    def post(self, path: str, document: Any, **headers: str) -> TestResponse:
        return self.ask("POST", path, document, **headers)

    def put(self, path: str, document: Any = None, **headers: str) -> TestResponse:
        return self.ask("PUT", path, document, **headers)

    def delete(self, path: str, document: Any = None, **headers: str) -> TestResponse:
        return self.ask("DELETE", path, document, **headers)

    def send(self, key: str | None = None, **other: Any) -> TestResponse:
        """POST /v1/notifications."""
        return self.post("/v1/notifications", body(**other), **({"Idempotency_Key": key} if key is not None else {}))


def fields(response: TestResponse) -> list[str]:
    """The fields that a problem names."""
    return [error["field"] for error in response.json.get("errors", [])]
