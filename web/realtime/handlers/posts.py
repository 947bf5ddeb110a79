"""A client announces that it is going to publish a post; all pages of the user receive that it has begun."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from actions.installation import Installation
from actions.problems import Problem
from actions.publish_event import publish_to_self
from models.timestamps import iso
from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse

Text = Annotated[StrictStr, Field(min_length=1, max_length=128)]


class PublishStart(BaseModel):
    """`publish_start`"""

    model_config = ConfigDict(extra="forbid")

    post_id: StrictInt | Text
    platforms: Annotated[list[Text], Field(min_length=1, max_length=50)]


def start(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    """Publish `sns:publish_started` to the user's pages. The publishing itself is the service's. Raises Refused."""
    request = parse(PublishStart, payload)
    data = {**request.model_dump(), "timestamp": iso(installation.now())}
    try:
        publish_to_self(installation, session.principal, "sns:publish_started", data)
    except Problem as problem:
        raise Refused("bad_request", problem.detail) from problem
    return {"post_id": request.post_id}
