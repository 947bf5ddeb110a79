"""Whatever an id contains, its URL names it and nothing else."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from carillon.fields import UserId
from tests.web.test_devices import TOKEN
from tests.web.test_fuzz import quick, unlimited
from web.routing import encoded_path

__all__ = ["unlimited"]

USER_ID = TypeAdapter(UserId)


def valid(text: str) -> bool:
    try:
        USER_ID.validate_python(text)
    except ValidationError:
        return False
    return True


# Parts that mean something in a path, in a URL, or to whoever decodes twice.
PIECES = st.sampled_from(
    ["/", "//", "..", ".", "%", "%2F", "%252f", "?", "#", "devices", "users", ":", ";", "+", " ", "\\", "é"]
)
IDS = (st.lists(PIECES | st.text(max_size=3), min_size=1, max_size=5).map("".join) | st.text(max_size=20)).filter(valid)


def at(user: str, rest: str = "") -> str:
    return f"/v1/users/{quote(user, safe='')}{rest}"


@pytest.mark.slow
@quick
@given(user=IDS)
def test_every_id_is_named_by_its_url(unlimited, service, user):
    made = service.put(at(user), {"locale": "de"})
    assert (made.status_code, made.json["id"]) == (200, user)
    assert service.get(at(user)).json["id"] == user
    phone = service.put(at(user, "/devices"), {"token": TOKEN}).json["id"]
    assert [device["id"] for device in service.get(at(user, "/devices")).json["data"]] == [phone]
    assert service.delete(at(user, f"/devices/{phone}")).status_code == 200
    assert service.delete(at(user)).status_code == 200
    assert service.get(at(user)).status_code == 404


def test_a_user_whose_id_looks_like_a_route_is_a_user(service):
    service.put(at("x"), {})
    device = service.put(at("x", "/devices"), {"token": TOKEN}).json["id"]
    name = f"x/devices/{device}"
    assert service.put(at(name), {}).json["id"] == name
    assert service.delete(at(name)).status_code == 200
    assert [found["id"] for found in service.get(at("x", "/devices")).json["data"]] == [device]


def test_what_is_not_encoded_is_a_step_in_the_path(service):
    service.put(at("a/b"), {})
    assert service.get("/v1/users/a/b").status_code == 404
    assert service.get("/v1/users/a%2fb").json["id"] == "a/b"
    # What needs no encoding may have one.
    assert service.get("/v1/%75sers/%61%2Fb").json["id"] == "a/b"


def test_an_id_that_no_url_can_name_is_refused(service, operator):
    everybody = {"audience": {"users": [{"id": ".."}]}, "title": "T", "message": "M"}
    for answer in (
        service.put("/v1/users/%2e%2e", {}),
        service.post("/v1/notifications", json.dumps(everybody).encode()),
        service.put("/v1/topics/%2E", {}),
        operator.post("/v1/operator/tenants", {"id": "..", "name": "T"}),
    ):
        assert answer.status_code == 422, answer.text
        assert "cannot name" in answer.json["detail"]


def test_the_path_is_taken_as_it_was_sent():
    for uri, path in {
        "/v1/users/a%2Fb?c=d/e": "/v1/users/a%2Fb",
        "http://proxied.example/v1/users/a%2Fb?c": "/v1/users/a%2Fb",
        "/%76%31/a%2fb%20%7E%2d": "/v1/a%2fb%20~-",
        "/": "/",
    }.items():
        assert encoded_path({"RAW_URI": uri, "PATH_INFO": "/", "SCRIPT_NAME": ""}) == path
    assert encoded_path({"RAW_URI": "/mounted/v1/x", "PATH_INFO": "/v1/x", "SCRIPT_NAME": "/mounted"}) == "/v1/x"
    # A WSGI server that does not say what it was sent.
    assert encoded_path({"PATH_INFO": "/v1/users/\xc3\xa9"}) == "/v1/users/%C3%A9"
