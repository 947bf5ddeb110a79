"""Where keys come from: a file that changes, and the URL of an identity provider, which can be down or hostile."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from config import jwt_keys
from config.audiences import CLIENT
from config.jwt_keys import COOLDOWN, LIFESPAN, KeySource
from config.settings import Settings, SettingsError
from tests.factories import JWKS, create_settings, create_token
from web.app import create_app

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public(kid: str, **other: Any) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": kid, "use": "sig", "alg": "RS256"} | other


class Provider:
    """An identity provider. `keys` is what it answers with, if not `answer`."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)
        self.answer: Any = None
        self.asked = 0
        self.now = 0.0
        self.source = KeySource(
            None,
            "https://id.example/jwks",
            transport=httpx.MockTransport(self._handle),
            clock=lambda: self.now,
        )

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        assert request.url == "https://id.example/jwks"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or httpx.Response(200, json={"keys": self.keys})


def test_the_provider_is_asked_when_a_key_is_first_needed_and_not_again():
    provider = Provider(public("a"))
    assert provider.asked == 0
    assert [provider.source.find("a") is not None for _ in range(3)] == [True] * 3
    assert provider.asked == 1


def test_a_new_key_is_found_and_unknown_keys_do_not_flood_the_provider():
    provider = Provider(public("a"))
    provider.source.find("a")
    provider.keys = [public("a"), public("b")]
    assert [provider.source.find(kid) for kid in ("b", "c", "d")] == [None] * 3
    assert provider.asked == 1
    provider.now += COOLDOWN
    assert provider.source.find("b") is not None
    assert provider.source.find("c") is None
    assert provider.asked == 2


def test_a_key_that_the_provider_removed_stops_to_count():
    provider = Provider(public("a"), public("b"))
    assert provider.source.find("a") is not None
    provider.keys = [public("b")]
    provider.now += LIFESPAN + 1
    assert provider.source.find("a") is None


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(500, text="down"),
        httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, text="[" * 100_000),
        httpx.Response(200, json={"keys": []}),
        httpx.Response(200, json=[1]),
        httpx.Response(200, content=b" " * (jwt_keys.MAX_JWKS + 1)),
    ],
)
def test_the_last_good_keys_stay_while_the_provider_fails_and_it_is_asked_seldom(answer):
    provider = Provider(public("a"))
    assert provider.source.find("a") is not None
    provider.answer = answer
    provider.now += LIFESPAN + 1
    assert [provider.source.find(kid) is not None for kid in ("a", "b", "a")] == [True, False, True]
    assert provider.asked == 2


def test_keys_that_cannot_verify_are_left_out_and_secrets_at_a_url_do_not_count():
    encrypting = public("enc", use="enc", alg="RSA-OAEP")
    provider = Provider(encrypting, {"kty": "new"}, JWKS["keys"][0], public("confused", alg="HS256"), public("a"))
    assert provider.source.find("a") is not None
    assert [provider.source.find(kid) for kid in ("enc", "test", "confused")] == [None] * 3


def test_one_request_fetches_while_the_others_wait_for_it():
    provider = Provider(public("a"))
    go = threading.Event()
    handle = provider._handle

    def slow(request: httpx.Request) -> httpx.Response:
        go.wait(5)
        return handle(request)

    provider.source._transport = httpx.MockTransport(slow)
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(provider.source.find("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert None not in found
    assert provider.asked == 1


def test_a_changed_file_is_read_again_and_an_unusable_one_is_not(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(JWKS))
    source = KeySource(file)
    assert source.find("test") is not None
    file.write_text(json.dumps({"keys": [{**JWKS["keys"][0], "kid": "second"}]}))
    assert (source.find("test"), source.own().signer(CLIENT, "acme")[0]) == (None, "second")
    file.write_text("{")
    assert source.own().signer(CLIENT, "acme")[0] == "second"
    file.unlink()
    assert source.own().signer(CLIENT, "acme")[0] == "second"
    file.write_text(json.dumps(JWKS))
    assert source.own().signer(CLIENT, "acme")[0] == "test"


def test_a_provider_signs_users_in(tmp_path, settings, engine, tenant):
    keys = tmp_path / "provided"
    keys.mkdir()
    own = create_settings(keys, DATABASE_URL=settings.database_url, CARILLON_JWKS_URL="https://id.example/jwks")
    app = create_app(own)
    source = app.extensions["carillon"].keys
    source._transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"keys": [public("a")]}))
    now = int(time.time())
    claims = {"iss": "carillon", "aud": ["carillon:client", "x"], "sub": "alice", "tenant": tenant}
    for token in (
        jwt.encode(claims | {"iat": now, "exp": now + 60}, RSA, "RS256", headers={"kid": "a"}),
        create_token(own, tenant=tenant),
    ):
        answer = app.test_client().get("/v1/inbox", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"CARILLON_JWKS_URL": "http://id.example/jwks"}, "must begin with https"),
        ({"CARILLON_JWKS_URL": "file:///etc/passwd"}, "CARILLON_JWKS_URL"),
        ({"CARILLON_JWT_TENANT_CLAIM": "sub"}, "CARILLON_JWT_TENANT_CLAIM"),
        ({"CARILLON_JWT_TENANT_CLAIM": "two words"}, "CARILLON_JWT_TENANT_CLAIM"),
        ({"CARILLON_JWT_USER_CLAIM": "exp"}, "CARILLON_JWT_USER_CLAIM"),
    ],
)
def test_unusable_settings_are_named_at_the_start(given, says):
    with pytest.raises(SettingsError, match=says):
        Settings.from_env(given)
    assert Settings.from_env({"CARILLON_JWKS_URL": "http://id.example", "CARILLON_ENV": "development"}).jwks_url
