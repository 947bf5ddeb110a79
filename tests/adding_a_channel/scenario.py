"""Runs a new channel through the whole installation, in a process of its own. Arguments: database, Redis, directory.

The table is read on import, so the line is added before anything else is imported. Prints what was seen, as JSON.
"""

# ruff: noqa: E402 - the line comes before all other imports, as it would in the table
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from config.audiences import EVERY_TENANT, OPERATOR
from models.channels import CHANNELS, ChannelSpec
from models.retry import RetryPolicy

# The one line.
CHANNELS["pager"] = ChannelSpec(
    "tests.adding_a_channel.pager:build", RetryPolicy(base=1, cap=60, max_attempts=3), withdraws=True, max_addresses=5
)

from actions.installation import utc_now
from channels import registry
from models.addresses.tables import addresses
from models.sql.engine import connect, write
from tests import factories
from tests.adding_a_channel import pager
from tests.bells import RecordingBells
from web.app import create_app
from workers.deliver import deliver
from workers.expand import expand_and_ring
from workers.runtime import Runtime
from workers.tasks import DELIVER_TASKS


def main(database_url: str, redis_url: str, directory: str) -> dict[str, Any]:
    settings = factories.create_settings(Path(directory), DATABASE_URL=database_url, REDIS_URL=redis_url)
    engine = connect(database_url)
    factories.create_tenant(engine)
    key = factories.create_api_key(engine, "acme")
    [alice] = factories.create_users(engine, ["alice"]).values()
    with write(engine) as connection:
        connection.execute(
            addresses.insert().values(
                tenant_id="acme",
                user_id=alice,
                channel="pager",
                kind="",
                value="0123",
                created_at=utc_now(),
                last_seen_at=utc_now(),
            )
        )
    bells = RecordingBells()
    client = create_app(settings, bells).test_client()
    service = {"Authorization": f"Bearer {key}"}
    token = factories.create_token(settings, subject="ops", tenant=EVERY_TENANT, audience=OPERATOR)
    operator = {"Authorization": f"Bearer {token}"}
    body = {"audience": {"users": ["alice"]}, "title": "Beep", "message": "Call back", "channels": ["pager"]}
    answer = client.post("/v1/notifications", json=body, headers=service)
    sent = answer.json["id"]
    run = Runtime(
        engine=engine,
        channels={"live": {"pager": registry.build_one(settings, "live", "pager", utc_now)}, "test": {}},
        bells=bells,
        lease=60.0,
    )

    def work() -> None:
        bells.rung.clear()
        expand_and_ring(run, UUID(sent))
        deliver(run, "pager")

    work()
    seen: dict[str, Any] = {"accepted": answer.status_code, "rung": list(bells.rung)}
    seen["deliveries"] = client.get(f"/v1/notifications/{sent}", headers=service).json["deliveries"]
    seen["recalled"] = client.delete(f"/v1/notifications/{sent}", headers=service).status_code
    work()
    page = client.get("/v1/operator/users/alice?tenant=acme", headers=operator).json
    document = client.get("/openapi.json").get_data(as_text=True)
    return seen | {
        "shown": pager.SHOWN,
        "reach": [reach for reach in page["reach"] if reach["channel"] == "pager"],
        "overview": "pager" in client.get("/v1/operator/overview", headers=operator).json["series"]["sent"],
        "document": '"pager"' in document,
        "unknown": client.post("/v1/notifications", json=body | {"channels": ["smoke"]}, headers=service).json[
            "errors"
        ][0]["message"],
        "task": "pager" in DELIVER_TASKS,
        "queue": CHANNELS["pager"].queue,
        "metric": 'channel="pager"' in client.get("/metrics").get_data(as_text=True),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
