"""A client of the lab that uses plain HTTP and SMTP."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import subprocess
import sys
import time
from email.message import EmailMessage
from functools import cached_property
from typing import Any

import jwt
import requests

SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def start_lab(**environ: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start a lab on free ports. Returns the process and the line of JSON that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab"],
        env={**os.environ, "LAB_PORT": "0", "LAB_SMTP_PORT": "0", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


class Lab:
    """Requests to a running lab."""

    def __init__(self, http: str, smtp: str) -> None:
        self.url = http
        host, _, port = smtp.rpartition(":")
        self.smtp = (host, int(port or 0))
        self.session = requests.Session()

    def get(self, path: str, **params: Any) -> Any:
        response = self.session.get(self.url + path, params=params, timeout=5)
        assert response.status_code == 200, response.text
        return response.json()

    def messages(self, **params: Any) -> list[dict[str, Any]]:
        return self.get("/messages", **params)["messages"]

    def post(self, path: str, value: Any = None, **kwargs: Any) -> requests.Response:
        body = kwargs if kwargs else {"json": value}
        return self.session.post(self.url + path, timeout=5, **body)

    @cached_property
    def account(self) -> dict[str, Any]:
        return self.get("/service-account.json")

    def assertion(self, key: str | None = None, **claims: Any) -> str:
        now = int(time.time())
        given = {
            "iss": self.account["client_email"],
            "aud": self.account["token_uri"],
            "iat": now,
            "exp": now + 3600,
            "scope": SCOPE,
            **claims,
        }
        return jwt.encode(given, key or self.account["private_key"], "RS256")

    def token(self, assertion: str, grant: str = GRANT) -> requests.Response:
        return self.post("/token", data={"grant_type": grant, "assertion": assertion})

    @cached_property
    def authorization(self) -> str:
        return "Bearer " + self.token(self.assertion()).json()["access_token"]

    def send(self, body: Any, **headers: str) -> requests.Response:
        return self.session.post(
            f"{self.url}/v1/projects/carillon-lab/messages:send",
            data=body if isinstance(body, bytes) else json.dumps(body),
            headers={"Authorization": self.authorization, "Content-Type": "application/json", **headers},
            timeout=5,
        )

    def push(self, token: str, **message: Any) -> requests.Response:
        return self.send({"message": {"token": token, **message}})

    def connect(self) -> smtplib.SMTP:
        return smtplib.SMTP(*self.smtp, timeout=5)

    def trusting_context(self) -> ssl.SSLContext:
        pem = self.session.get(f"{self.url}/ca.pem", timeout=5).text
        return ssl.create_default_context(cadata=pem)

    def mail(self, to: str, subject: str = "Hello", body: str = "Text", **headers: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "carillon@example.org", to, subject
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(body)
        with self.connect() as client:
            client.send_message(message)
