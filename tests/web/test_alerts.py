"""Alerts by HTTP and on the socket: raised by services, acknowledged by people, one state for the whole tenant."""

from __future__ import annotations

from uuid import uuid4

import pytest

from actions.installation import utc_now
from actions.principal import Principal
from models.catalogue.schema import payload_errors
from models.catalogue.source import built_in
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.sql.engine import read
from tests.factories import create_installation, create_tenant
from tests.web.callers import Caller, fields
from web.realtime.handlers.alerts import alert_events
from web.realtime.payloads import Refused

LOW = {"title": "Low Oxygen", "message": "Oxygen in Pond A is below threshold"}


@pytest.fixture
def bob(client, user_token) -> Caller:
    return Caller(client, user_token("bob"))


@pytest.fixture
def outsider(client, engine, user_token) -> Caller:
    """A user of another tenant."""
    return Caller(client, user_token("alice", tenant=create_tenant(engine, "umbra")))


@pytest.fixture
def socket(engine, recorder):
    """Says something on the socket of a user; answers with the acknowledgement."""
    handlers = alert_events(create_installation(engine, recorder))

    def say(event: str, payload=None, user="alice", tenant="acme"):
        return handlers[event](Principal("user", tenant, user, "live", None), payload)

    return say


def heard(engine) -> list[tuple[str, dict]]:
    with read(engine) as connection:
        cursor = Cursor(epoch(connection), {"tenant:acme": 0})
        return [(e.type, e.data) for e in read_after(connection, "acme", "anybody", cursor, utc_now()).events]


def raise_alert(service, **other) -> str:
    answer = service.post("/v1/alerts", LOW | other)
    assert answer.status_code == 201, answer.text
    return answer.json["id"]


def ids(page) -> list[str]:
    return [alert["id"] for alert in page.json["data"]]


def test_a_service_raises_an_alert_that_everybody_finds(service, alice, bob, engine, bells):
    answer = service.post("/v1/alerts", LOW | {"severity": "critical", "type": "pond", "data": {"pond": "A"}})
    assert answer.status_code == 201
    assert bells == [("publish", [])]
    alert = answer.json["id"]
    assert answer.headers["Location"] == f"/v1/alerts/{alert}"
    for user in (alice, bob):
        found = user.get(f"/v1/alerts/{alert}")
        assert found.json == answer.json
        assert user.get("/v1/alerts").json["data"] == [answer.json]
        assert user.get("/v1/alerts/count").json == {"unacknowledged": 1}
    assert answer.json["alert_id"] == alert
    assert answer.json["severity"] == answer.json["level"] == "critical"
    assert (answer.json["state"], answer.json["acknowledged"]) == ("new", False)
    assert [name for name, _ in heard(engine)] == ["alert:new", "alert:count"]


def test_level_and_severity_are_one(service):
    assert service.post("/v1/alerts", LOW).json["level"] == "warning"
    assert service.post("/v1/alerts", LOW | {"level": "info"}).json["severity"] == "info"
    assert service.post("/v1/alerts", LOW | {"level": "info", "severity": "info"}).status_code == 201
    assert service.post("/v1/alerts", LOW | {"level": "info", "severity": "error"}).status_code == 422


def test_what_is_wrong_is_named(service, engine):
    for field, value in {
        "title": "a\nb",
        "message": "",
        "level": "loud",
        "severity": "loud",
        "type": "a b",
        "data": {"a": float("inf")},
        "expires_in": 59,
        "unknown": 1,
    }.items():
        refused = service.post("/v1/alerts", LOW | {field: value})
        assert refused.status_code == 422, field
        assert fields(refused)[0].startswith(field)
    assert fields(service.post("/v1/alerts", LOW | {"expires_in": 10**9})) == ["expires_in"]
    assert fields(service.post("/v1/alerts", {"title": "t"})) == ["message"]
    assert heard(engine) == []


def test_a_repeated_request_raises_one_alert(service, engine, alice):
    first = service.post("/v1/alerts", LOW, Idempotency_Key="k")
    alice.post(f"/v1/alerts/{first.json['id']}/acknowledge", None)
    again = service.post("/v1/alerts", LOW | {"level": "warning"}, Idempotency_Key="k")
    assert (again.status_code, again.json["id"]) == (201, first.json["id"])
    assert (again.headers["Idempotent-Replayed"], again.json["state"]) == ("true", "acknowledged")
    other = service.post("/v1/alerts", LOW | {"level": "info"}, Idempotency_Key="k")
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert len(heard(engine)) == 4


def test_a_test_key_disturbs_nobody(service, trial, engine):
    assert trial.post("/v1/alerts", LOW).status_code == 403
    alert = raise_alert(service)
    assert trial.delete(f"/v1/alerts/{alert}").status_code == 403
    assert len(heard(engine)) == 2


def test_lists_have_pages_and_filters(service, alice):
    a = raise_alert(service, level="critical")
    b, c = raise_alert(service), raise_alert(service, level="critical")
    alice.post(f"/v1/alerts/{a}/acknowledge", None)
    first = alice.get("/v1/alerts?limit=2")
    assert (ids(first), first.json["page"]) == ([c, b], {"next": b, "has_more": True})
    assert ids(alice.get(f"/v1/alerts?limit=2&after={b}")) == [a]
    for query, expected in {
        "state=new": [c, b],
        "state=acknowledged": [a],
        "severity=critical": [c, a],
        "level=critical&state=new": [c],
    }.items():
        assert ids(alice.get(f"/v1/alerts?{query}")) == expected, query
    for bad in ("state=gone", "after=x", "limit=0", "severity=loud", "stat=new"):
        assert alice.get(f"/v1/alerts?{bad}").status_code == 422, bad


def test_the_first_to_acknowledge_is_on_record(service, alice, bob, socket, engine, bells):
    alert = raise_alert(service)
    first = alice.post(f"/v1/alerts/{alert}/acknowledge", None).json
    again = bob.post(f"/v1/alerts/{alert}/acknowledge", None).json
    assert again == first
    assert (first["acknowledged_by"], first["state"], first["acknowledged"]) == ("alice", "acknowledged", True)
    answer = socket("alert:acknowledge", {"alert_id": alert}, "carol")
    assert answer == {"id": alert, "alert_id": alert} | {
        name: first[name] for name in ("acknowledged_by", "acknowledged_at")
    }
    assert socket("alert:count") == bob.get("/v1/alerts/count").json == {"unacknowledged": 0}
    assert [name for name, _ in heard(engine)] == ["alert:new", "alert:count", "alert:acknowledged", "alert:count"]


def test_the_socket_acknowledges(service, socket, bells):
    for form in (lambda a: a, lambda a: {"id": a}, lambda a: {"alert_id": a, "user_id": "bob"}):
        alert = raise_alert(service)
        bells.clear()
        assert socket("alert:acknowledge", form(alert))["acknowledged_by"] == "alice"
        assert bells == [("publish", [])]
    for bad in (None, {}, [], True, "", {"id": 1.5}, {"alert": str(uuid4())}):
        with pytest.raises(Refused) as refused:
            socket("alert:acknowledge", bad)
        assert refused.value.code == "bad_request"


def test_services_find_alerts_too(service, alice, stranger):
    raised = service.post("/v1/alerts", {"title": "Low oxygen", "message": "In pond A"}).json
    assert service.get("/v1/alerts").json == alice.get("/v1/alerts").json
    assert service.get(f"/v1/alerts/{raised['id']}").json == raised
    assert service.get("/v1/alerts/count").json == {"unacknowledged": 1}
    assert service.post(f"/v1/alerts/{raised['id']}/acknowledge", None).status_code == 403
    assert stranger.get("/v1/alerts").json["data"] == []
    assert stranger.get(f"/v1/alerts/{raised['id']}").status_code == 404


def test_deleting_is_for_services(service, alice, engine):
    alert = raise_alert(service)
    assert alice.delete(f"/v1/alerts/{alert}").status_code == 403
    for _ in range(2):
        assert service.delete(f"/v1/alerts/{alert}").json == {"deleted": True}
    assert alice.get(f"/v1/alerts/{alert}").status_code == 404
    assert alice.post(f"/v1/alerts/{alert}/acknowledge", None).status_code == 404
    assert [name for name, _ in heard(engine)][2:] == ["alert:deleted", "alert:count"]


def test_another_tenant_s_alert_is_not_there(service, stranger, outsider, socket, engine, bells):
    alert = raise_alert(service)
    before = heard(engine)
    bells.clear()
    for name in (alert, str(uuid4()), "not-an-id"):
        assert outsider.get(f"/v1/alerts/{name}").status_code == 404
        assert outsider.post(f"/v1/alerts/{name}/acknowledge", None).status_code == 404
        assert stranger.delete(f"/v1/alerts/{name}").status_code == 404
    missing = {"ok": False, "error": {"code": "not_found", "message": "there is no such alert"}}
    assert socket("alert:acknowledge", {"id": alert}, tenant="umbra") == missing
    assert outsider.get("/v1/alerts").json["data"] == []
    assert outsider.get("/v1/alerts/count").json == {"unacknowledged": 0}
    assert heard(engine) == before
    assert bells == []


def test_every_event_is_as_the_catalogue_has_it(service, alice, engine):
    alert = raise_alert(service, data={"pond": "A"})
    alice.post(f"/v1/alerts/{alert}/acknowledge", None)
    service.delete(f"/v1/alerts/{alert}")
    events = heard(engine)
    assert len({name for name, _ in events}) == 4
    for name, data in events:
        assert payload_errors(built_in()[name].payload, data) == [], name


def test_a_service_has_ids_of_its_own_for_alerts(service, alice, outsider, stranger, socket, engine):
    for own in ("a-7", 17, str(uuid4())):
        raised = service.post("/v1/alerts", LOW | {"alert_id": own})
        assert (raised.status_code, raised.json["data"]) == (201, {"alert_id": own})
        assert alice.get(f"/v1/alerts/{own}").json["id"] == raised.json["id"]
        assert outsider.post(f"/v1/alerts/{own}/acknowledge", None).status_code == 404
        assert stranger.delete(f"/v1/alerts/{own}").status_code == 404
        assert socket("alert:acknowledge", {"alert_id": own})["id"] == raised.json["id"]
        assert alice.post(f"/v1/alerts/{own}/acknowledge", None).json["acknowledged_by"] == "alice"
        assert service.delete(f"/v1/alerts/{own}").json == service.delete(f"/v1/alerts/{own}").json == {"deleted": True}
    # Carillon's own id comes first, and of several with one id the newest.
    first = raise_alert(service)
    other = service.post("/v1/alerts", LOW | {"id": first}).json["id"]
    assert alice.get(f"/v1/alerts/{first}").json["id"] == first != other
    newest = [raise_alert(service, alert_id="twice") for _ in range(2)][-1]
    assert alice.get("/v1/alerts/twice").json["id"] == newest
    assert alice.get("/v1/alerts/a%00b").status_code == alice.get("/v1/alerts/nobody's").status_code == 404
    told = [data.get("own_ids") for name, data in heard(engine) if name in ("alert:acknowledged", "alert:deleted")]
    assert told[:4] == [["a-7"], ["a-7"], [17], [17]]


def test_severities_of_other_scales_are_levels_and_keep_their_word(service, alice):
    for body, level, severity in [
        ({"severity": "high"}, "error", "high"),
        ({"level": "Emergency"}, "critical", "Emergency"),
        ({"level": "error", "severity": "high"}, "error", "high"),
        ({"severity": "medium"}, "warning", "medium"),
        ({"severity": "warning"}, "warning", None),
        ({"level": None, "type": None, "data": None}, "warning", None),
    ]:
        alert = service.post("/v1/alerts", LOW | body).json
        assert (alert["level"], alert["severity"], alert["data"].get("severity")) == (level, level, severity)
        sent = service.send(**body)
        assert service.get(sent.headers["Location"]).json["level"] == (level if "data" not in body else "info")
    for path in ("/v1/alerts", "/v1/notifications"):
        for member in ("level", "severity"):
            refused = service.post(path, LOW | {"audience": {"users": ["alice"]}} | {member: "loud"})
            assert refused.status_code == 422
            [wrong] = [error for error in refused.json["errors"] if error["field"] == member]
            assert "must be one of info, success, warning, error, critical, debug" in wrong["message"]
    assert "differ" in service.post("/v1/alerts", LOW | {"level": "info", "severity": "high"}).text
