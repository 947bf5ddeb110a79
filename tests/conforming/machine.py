"""Everything that can happen to one client and to what it is owed: written, lost, repeated, broken off, purged.

At the end one of the ways by which losses are healed has to do it alone, so that none of them hides behind another.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sqlalchemy import delete, select, update

from actions.installation import utc_now
from models.events import log
from models.events.cursor import Cursor
from models.events.emit import emit
from models.events.log import new_epoch
from models.events.tables import events, outbox
from models.inbox.changes import DELETE, READ, SEEN, UNREAD, change_items, change_page
from models.inbox.queries import Filter
from models.notifications.recall import recall
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.engine import write
from tests import factories
from tests.conforming.core import Client
from tests.conforming.memory import Connection, House, fresh_tenant
from tests.conforming.oracle import compare

# Who has to find what was lost: the server by looking at the heads, or by a gap that stays; the client by a gap, by
# asking now and then, or by polling. Nobody, where nothing is lost since the last connection.
HEALERS = ("heads", "gaps", "client's gaps", "client's questions", "polling", "nobody")
ROUNDS = 12

picks = st.integers(0, 10)


class Wire(RuleBasedStateMachine):
    """One user's client, one web process, and the rules of misfortune."""

    user = "alice"

    def __init__(self, house: House, token: Callable[..., str]) -> None:
        super().__init__()
        self.house = house
        self.engine = house.engine
        self.token_for = token

    @initialize(healer=st.sampled_from(HEALERS))
    def begin(self, healer: str) -> None:
        self.healer = healer
        self.tenant = fresh_tenant()
        self.rooms = [f"user:{self.user}", f"tenant:{self.tenant}"]
        self.token = self.token_for(self.user, tenant=self.tenant)
        self.client = Client()
        self.connection: Connection | None = None
        self.answer: Any = None
        self.sent: list[UUID] = []
        self.recalled: set[UUID] = set()
        # By room: the number from which on the client is owed every event.
        self.base: dict[str, int] = {}
        self.begun_at: str | None = None
        factories.create_tenant(self.engine, self.tenant, utc_now())
        factories.create_users(self.engine, [self.user], tenant=self.tenant, now=utc_now())
        self.connect("cursor", 0)

    # What is written.

    @rule()
    def notify(self) -> None:
        at = utc_now()
        n = factories.accept_one(
            self.engine,
            at,
            tenant_id=self.tenant,
            audience={"users": [{"id": self.user}]},
            expires_at=at + timedelta(days=1),
        )
        self.house.written(factories.expand_all(self.engine, n, at))
        self.sent.append(n)

    @rule(room=st.integers(0, 1), name=st.sampled_from(["stream:data", "expense:created"]))
    def emit(self, room: int, name: str) -> None:
        with write(self.engine) as connection:
            emit(connection, self.tenant, self.rooms[room], name, {"x": 1}, utc_now())

    @precondition(lambda self: self.sent)
    @rule(pick=picks, operation=st.sampled_from([SEEN, READ, READ, UNREAD, DELETE]), page=st.booleans())
    def change(self, pick: int, operation: Any, page: bool) -> None:
        with write(self.engine) as connection:
            if page and operation in (SEEN, READ):
                change_page(connection, self.tenant, self.user, operation, Filter(), utc_now())
            else:
                some = {self.sent[pick % len(self.sent)], self.sent[-1]}
                change_items(connection, self.tenant, self.user, operation, list(some), utc_now())

    @precondition(lambda self: self.sent)
    @rule(pick=picks)
    def recall(self, pick: int) -> None:
        n = self.sent[pick % len(self.sent)]
        with write(self.engine) as connection:
            begun = recall(connection, self.tenant, n, utc_now())
        if begun:
            self.recalled.add(n)
            self.house.written(factories.expand_all(self.engine, n, utc_now()))

    # What happens to history.

    @rule()
    def streams_expire(self) -> None:
        mine = select(rooms.c.id).where(rooms.c.tenant_id == self.tenant)
        with write(self.engine) as connection:
            connection.execute(
                update(events)
                .where(events.c.room_id.in_(mine), events.c.type == "stream:data")
                .values(expires_at=utc_now() - timedelta(seconds=1))
            )

    @rule(back=st.integers(0, 4))
    def purge(self, back: int) -> None:
        mine = select(rooms.c.id).where(rooms.c.tenant_id == self.tenant)
        with write(self.engine) as connection:
            latest = select(events.c.created_at).where(events.c.room_id.in_(mine)).order_by(events.c.created_at.desc())
            moments = connection.execute(latest.limit(back + 1)).scalars().all()
            if len(moments) > back:
                log.purge(connection, utc_now(), moments[back], 100_000)

    @rule(back=st.integers(0, 3))
    def restore(self, back: int) -> None:
        """Everything is stopped for an older copy of the database, where the tenant's last events never happened."""
        if self.connection is not None:
            self.drop(noticed=True)
        self.house.clear()
        this = room_is(self.tenant, self.rooms[1])
        with write(self.engine) as connection:
            room = connection.execute(select(rooms).where(this)).one()
            head = max(room.head - back, room.purged)
            for table in (events, outbox):
                connection.execute(delete(table).where(table.c.room_id == room.id, table.c.seq > head))
            connection.execute(update(rooms).where(this).values(head=head))
            new_epoch(connection)

    # What happens to what is published.

    @rule()
    def work(self) -> None:
        self.house.work()

    @precondition(lambda self: self.house.redis)
    @rule(pick=picks, fate=st.sampled_from(["comes", "comes", "comes", "comes again", "is lost"]))
    def message(self, pick: int, fate: str) -> None:
        index = pick % len(self.house.redis)
        groups = self.house.redis[index]
        if fate != "comes again":
            del self.house.redis[index]
        if fate != "is lost":
            self.house.gateway.deliver(groups)

    @rule()
    def all_messages(self) -> None:
        self.house.work()
        while self.house.redis:
            self.house.gateway.deliver(self.house.redis.pop(0))

    @rule()
    def something_comes_meanwhile(self) -> None:
        """The next time that the log is read for a connection, before it is sent."""

        def come() -> None:
            self.emit(0, "expense:created")
            self.emit(1, "stream:data")
            self.all_messages()

        self.house.meanwhile = come

    # What happens to the connection.

    @precondition(lambda self: self.connection is None)
    @rule(how=st.sampled_from(["cursor", "cursor", "cursor only", "last_seq"]), meanwhile=st.integers(0, 2))
    def connect(self, how: str, meanwhile: int) -> None:
        auth = {"token": self.token, "dialect": "canonical"}
        user_room = self.rooms[0]
        if how == "last_seq" and self.client.positions:
            auth |= {"last_seq": self.client.positions.get(user_room, 0), "epoch": self.client.epoch}
        elif how == "cursor only" and self.client.cursor:
            auth |= {"cursor": self.client.cursor}
        else:
            auth |= self.client.position()
        self.client.connecting()

        def between() -> None:
            for _ in range(meanwhile):
                self.emit(0, "expense:created")
                self.all_messages()

        self.connection = Connection(self.house, auth, between)
        if how == "last_seq":
            # A room that it does not name begins at its head.
            self.base[self.rooms[1]] = self.connection.session.progress.positions[self.rooms[1]]

    @precondition(lambda self: self.connection is not None)
    @rule(noticed=st.booleans())
    def drop(self, noticed: bool) -> None:
        assert self.connection is not None
        self.connection.drop(noticed)
        self.connection = None

    @precondition(lambda self: self.connection is not None)
    @rule(most=st.integers(1, 10))
    def read(self, most: int) -> None:
        self.take(most)

    @precondition(lambda self: self.connection is not None)
    @rule()
    def sync(self) -> None:
        assert self.connection is not None
        self.connection.ask("sync", self.client.position())

    @precondition(lambda self: self.connection is None)
    @rule(limit=st.sampled_from([1, 2, 100]))
    def poll(self, limit: int) -> None:
        query = {"limit": limit} | ({"cursor": self.client.cursor} if self.client.cursor else {})
        self.client.polled(self.http("GET", "/v1/events", query_string=query))
        self.rebase()

    @precondition(lambda self: self.client.shown)
    @rule()
    def acknowledge(self) -> None:
        ids = list(self.client.shown)
        if self.connection is not None:
            self.connection.ask("notification:ack", {"ids": ids})
        else:
            self.http("POST", "/v1/acks", json={"ids": ids})
        self.client.acknowledged(ids)

    # A state is asked for, and comes a while later.

    @precondition(lambda self: self.client.stale and self.answer is None)
    @rule()
    def ask_for_the_state(self) -> None:
        self.client.fetching()
        self.answer = self.http("GET", "/v1/inbox"), self.http("GET", "/v1/inbox/counts")

    @precondition(lambda self: self.answer is not None)
    @rule()
    def the_state_comes(self) -> None:
        page, counts = self.answer
        self.answer = None
        self.client.fetched(page["data"], counts)

    # What the server does by itself.

    @rule()
    def look_after(self) -> None:
        self.house.look_after()

    @rule()
    def look_at_heads(self) -> None:
        self.house.gateway.healer.look()

    @rule()
    def count(self) -> None:
        self.house.count()

    # In the end.

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        try:
            self.settle()
            compare(self)
        finally:
            self.house.clear()

    def settle(self) -> None:
        self.house.work()
        if self.healer in ("polling", "nobody") and self.connection is not None:
            self.drop(noticed=True)
        if self.healer == "polling":
            self.poll(2)
            while self.client.more:
                self.poll(2)
        else:
            if self.healer == "nobody":
                self.all_messages()
                self.something_comes_meanwhile()
            if self.connection is None:
                self.connect("cursor", 0)
            if self.healer in ("gaps", "client's gaps"):
                # Everything else was lost; a gap is seen by what comes after it.
                self.house.redis.clear()
                self.emit(0, "expense:created")
                self.emit(1, "expense:created")
                self.all_messages()
            self.house.redis.clear()
            self.heal()
        if self.client.stale:
            self.answer = None
            self.ask_for_the_state()
            self.the_state_comes()
        if self.client.shown:
            self.acknowledge()

    def heal(self) -> None:
        self.take()
        if self.healer == "client's questions":
            self.sync()
        for _ in range(ROUNDS):
            if self.healer in ("heads", "gaps"):
                self.house.look_after()
            if self.healer == "heads":
                self.house.gateway.healer.look()
            if self.healer.startswith("client's") and (self.client.gap or self.client.more):
                self.sync()
            if not self.take():
                break
        self.house.count()
        self.take()

    def take(self, most: int = 1_000_000) -> int:
        """Let the client read up to so many packets. Returns how many there were."""
        assert self.connection is not None
        came = self.connection.read(most)
        for name, payload in came:
            assert payload.get("ok", True), payload
            if name == "sync":
                self.client.answered(payload)
            elif name != "notification:ack":
                self.client.hear(name, payload)
            self.rebase()
        return len(came)

    def rebase(self) -> None:
        """Where history broke off, the client is owed what comes after."""
        if self.client.begun_at is not None and self.client.begun_at != self.begun_at:
            self.begun_at = self.client.begun_at
            self.base = dict(Cursor.decode(self.begun_at).positions)

    def http(self, method: str, path: str, **what: Any) -> Any:
        answer = self.house.http.open(path, method=method, headers={"Authorization": f"Bearer {self.token}"}, **what)
        assert answer.status_code == 200, answer.text
        return answer.json
