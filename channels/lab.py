"""Screens of the lab: where in-app messages made with a test key appear, instead of on anybody's real one."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import requests

from channels.failures import FailureLog
from models.channels import IN_APP
from models.deliveries.lifecycle import Outcome, RetryLater, Sent
from models.deliveries.message import Message
from models.events.vocabulary import notification_new


class LabScreen:
    """Posts a batch to the lab, which shows all of it or none."""

    def __init__(self, lab_url: str, timeout: float, name: str = IN_APP) -> None:
        self.name = name
        self._url = lab_url.rstrip("/") + "/screens"
        self._timeout = timeout

    def send(
        self,
        batch: Sequence[Message],
        deadline: float = math.inf,  # noqa: ARG002 - one request
    ) -> list[Outcome]:
        """See Channel."""
        if not batch:
            return []
        error = self._post(batch)
        if error is None:
            return [Sent() for _ in batch]
        faults = FailureLog(self.name)
        for message in batch:
            faults.add(message, error, logging.WARNING)
        faults.log()
        return [RetryLater(f"the lab does not take screens: {error}") for _ in batch]

    def check(self) -> str | None:
        """See Channel."""
        error = self._post([])
        return f"the lab does not take screens: {error}" if error else None

    def close(self) -> None:
        """See Channel. No connection is kept."""

    def _post(self, batch: Sequence[Message]) -> str | None:
        try:
            body = {"messages": [_shown(message) for message in batch]}
            response = requests.post(self._url, json=body, timeout=self._timeout, allow_redirects=False)
        # requests lets errors of urllib3's parser and of the URL pass as ValueError.
        except (requests.RequestException, ValueError) as failure:
            return type(failure).__name__
        return None if response.status_code == 200 else f"HTTP {response.status_code}"


def _shown(message: Message) -> dict[str, Any]:
    return notification_new(message.content) | {
        "user": message.user,
        "tenant": message.content.tenant,
        "seq": message.seq,
        "action": message.action.value,
    }
