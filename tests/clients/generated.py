"""Sends and reads with a client from openapi-python-client. tests/clients/test_generators.py runs this."""

import os

from generated.api.notifications import get_notification, list_sent, send_notification
from generated.client import AuthenticatedClient
from generated.models import (
    AcceptedView,
    Audience,
    Notification,
    NotificationPage,
    NotificationStatus,
    ProblemDocument,
    Recipient,
)

with AuthenticatedClient(os.environ["CARILLON_URL"], os.environ["CARILLON_KEY"]) as client:
    audience = Audience(users=["alice", Recipient(id="bob", email="bob@example.com")])
    notification = Notification(title="Hello", message="World", audience=audience)
    accepted = send_notification.sync(client=client, body=notification, idempotency_key="generated")
    assert isinstance(accepted, AcceptedView), accepted

    read = get_notification.sync(accepted.id, client=client)
    assert isinstance(read, NotificationStatus), read
    assert (read.id, read.title, read.level.value) == (accepted.id, "Hello", "info")

    page = list_sent.sync(client=client, limit=1)
    assert isinstance(page, NotificationPage), page
    assert len(page.data) == 1

    missing = get_notification.sync("0193ec00-0000-7000-8000-000000000000", client=client)
    assert isinstance(missing, ProblemDocument), missing
    assert missing.code == "not_found"
