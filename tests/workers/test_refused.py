"""A mail server that refuses us leaves the queue as it was."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select

from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.tables import deliveries
from models.sql.engine import read
from tests.channels.mail_server import Refusing
from tests.factories import accept_one, create_users, expand_all
from workers.deliver import deliver


@pytest.mark.parametrize("reply", ["554 5.7.1 <{}>: Relay access denied", "550 We do not know you"])
def test_what_a_relay_refused_is_sent_once_it_accepts_us(run, engine, clock, reply):
    create_users(engine, [f"u{n}" for n in range(12)], email=True)
    server = Refusing(u=reply, bell=reply)
    with server.running() as port:
        channel = EmailChannel(
            Server("127.0.0.1", port, "none", "x.example", 5.0), parse_sender("bell@carillon.example")
        )
        mailing = replace(run, channels={"live": {"email": channel}, "test": {}})
        breaker = mailing.breakers["email"]
        for n in range(12):
            # Batches of one, and no two mails with the same content.
            expand_all(engine, accept_one(engine, audience={"users": [{"id": f"u{n}"}]}))
            deliver(mailing, "email")
            assert not breaker.closed
            clock.advance(breaker.seconds_left)
        assert outcomes(engine) == {("pending", 0): 12}
        server.replies = {}
        clock.advance(400)
        deliver(mailing, "email")
        channel.close()
    assert outcomes(engine) == {("sent", 1): 12}
    assert len(server.accepted) == 12


def outcomes(engine):
    with read(engine) as connection:
        found = select(deliveries.c.state, deliveries.c.attempts).where(deliveries.c.channel == "email")
        return Counter(tuple(row) for row in connection.execute(found))
