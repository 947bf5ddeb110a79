"""A user's page says that it is going to publish a post; all pages of the user hear that it has begun."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr
from sqlalchemy import Engine

from bus.bells import Bells
from models.catalogue.source import Catalogue
from models.events.emit import NotEmitted, emit_to_users
from models.sql.engine import write
from models.timestamps import iso
from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse

Text = Annotated[StrictStr, Field(min_length=1, max_length=128)]


class PublishStart(BaseModel):
    """`publish_start`"""

    model_config = ConfigDict(extra="forbid")

    post_id: StrictInt | Text
    platforms: Annotated[list[Text], Field(min_length=1, max_length=50)]


def start(engine: Engine, bells: Bells, catalogue: Catalogue, session: Session, payload: Any) -> dict[str, Any]:
    """Tell the user's pages, in the order of their log. The publishing itself is the service's. Raises Refused."""
    request = parse(PublishStart, payload)
    now = datetime.now(UTC)
    data = {**request.model_dump(), "timestamp": iso(now)}
    try:
        with write(engine) as connection:
            emit_to_users(connection, session.tenant, [session.user], "sns:publish_started", data, now, catalogue)
    except NotEmitted as error:
        raise Refused("bad_request", str(error)) from error
    bells.publish()
    return {"post_id": request.post_id}
