"""A worker's work, done in the process of the test."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine

from actions.installation import utc_now
from bus.publisher import Publisher
from channels.in_app import InAppChannel
from models.deliveries import due as sweep
from models.sql.engine import write
from tests.bells import RecordingBells
from tests.factories import expand_all
from workers.deliver import deliver_batch
from workers.expand import publish_page
from workers.publish import publish
from workers.runtime import Runtime


def work(engine: Engine, writer: Publisher) -> None:
    """Expand, deliver in the app and publish whatever is there."""
    run = Runtime(
        engine, {"live": {"in_app": InAppChannel(writer)}, "test": {}}, RecordingBells(), lease=60, publisher=writer
    )
    # Those that were accepted this moment are found by the relay in a while.
    soon = utc_now() + timedelta(minutes=1)
    with write(engine) as connection:
        waiting = sweep.due_notifications(connection, soon)
    for notification, _lane in waiting:
        for page in expand_all(engine, notification, utc_now()):
            publish_page(run, page)
    while deliver_batch(run, "in_app"):
        pass
    publish(run)
