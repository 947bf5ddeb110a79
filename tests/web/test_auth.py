"""Tokens: what opens a door, and every way around that must not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import ANY

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from actions.tokens import Claims, mint
from config.audiences import CLIENT, OPERATOR, SERVICE
from config.jwt_keys import JwtKeys
from config.settings import SettingsError
from models.sql.engine import write
from models.tenants.api_keys import revoke_api_key
from tests.factories import JWKS, NOW, create_api_key, create_tenant
from web.auth import Authenticator, AuthError

SECRET = base64.urlsafe_b64decode(JWKS["keys"][0]["k"] + "=")
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC_PEM = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def rsa_jwk(**other: Any) -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "rsa", "alg": "RS256"} | other


CLAIMS = Claims("carillon")
KEYS = JwtKeys.parse({"keys": [*JWKS["keys"], rsa_jwk()]})


@pytest.fixture
def authenticator(engine):
    create_tenant(engine)
    return Authenticator(KEYS, CLAIMS, engine)


def claims(**other: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": "carillon", "aud": CLIENT, "sub": "alice", "tenant": "acme", "iat": now, "exp": now + 3600}
    return {k: v for k, v in (usual | other).items() if v is not ...}


def minted_with(keys: JwtKeys) -> str:
    return mint(keys, CLAIMS, audience=CLIENT, subject="alice", tenant="acme", lifetime=timedelta(minutes=5)).token


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def token(header: dict[str, Any] | None = None, key: bytes = SECRET, digest: Any = hashlib.sha256, **other: Any) -> str:
    """A token made by hand: no library that would refuse to make a bad one."""
    head = {"alg": "HS256", "typ": "JWT", "kid": "test"} | (header or {})
    signed = encoded({k: v for k, v in head.items() if v is not ...}) + "." + encoded(claims(**other))
    signature = hmac.new(key, signed.encode(), digest).digest() if key else b""
    return signed + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")


def of(authenticator: Authenticator, kind: str):
    """What asks for the principal of a token of this kind."""
    return lambda token: authenticator.principal(token, [kind])


def refused(call, given: str) -> str:
    with pytest.raises(AuthError) as caught:
        call(given)
    assert not given or given not in caught.value.detail
    # Names of Python's classes tell a caller nothing.
    assert not re.search(r"Error|[a-z][A-Z]", caught.value.detail.replace("test-key", ""))
    return caught.value.code


def test_a_minted_token_says_who_it_is(authenticator):
    minted = minted_with(KEYS)
    alice = authenticator.user(minted)
    assert (alice.kind, alice.tenant, alice.id, alice.mode) == ("user", "acme", "alice", "live")
    assert timedelta(minutes=4) < alice.expires_at - datetime.now(UTC) <= timedelta(minutes=5)


def test_each_audience_opens_its_own_door_and_no_other(authenticator):
    doors = {CLIENT: authenticator.user, SERVICE: of(authenticator, "service"), OPERATOR: of(authenticator, "operator")}
    for audience in doors:
        for door, call in doors.items():
            if door == audience:
                assert call(token(aud=audience)).id == "alice"
            else:
                assert refused(call, token(aud=audience)) == "forbidden"


@pytest.mark.parametrize(
    "bad",
    [
        # each of these was accepted by somebody once
        token(exp=...),
        token(iat=...),
        token(sub=...),
        token(aud=...),
        token(iss=...),
        token(tenant=...),
        token(exp=None),
        token(iss="somebody else"),
        token(aud="another product"),
        # more than one audience: a token for browsers must not publish
        token(aud=[CLIENT, SERVICE]),
        token(aud=[]),
        token(aud=[[CLIENT]]),
        token(aud={CLIENT: True}),
        token(sub=17),
        token(sub=""),
        token(sub="a" * 129),
        token(sub="line\nbreak"),
        # what no request can name
        token(sub=".."),
        token(sub="\ufffd"),
        token(tenant="nobody"),
        token(tenant="a/b"),
        token(tenant=".."),
        token(tenant=["acme"]),
        token(tenant="*"),
        token(exp="soon"),
        token(exp=1e309),
        token(iat=float("nan")),
        # clocks: issued in the future, not valid yet, valid for too long
        token(iat=int(time.time()) + 3600, exp=int(time.time()) + 3900),
        token(nbf=int(time.time()) + 3600),
        token(exp=int(time.time()) + 25 * 3600),
        # keys: unknown, missing, of another type
        token({"kid": "unknown"}),
        token({"kid": ...}),
        token({"kid": None}),
        token({"kid": ["test"]}),
        token(key=b"x" * 32),
        # algorithms: none, the header's choice, the public key as a secret
        token({"alg": "none"}, key=b""),
        token({"alg": "None"}, key=b""),
        token({"alg": "NONE"}, key=SECRET),
        token({"alg": ""}),
        token({"alg": ...}),
        token({"alg": "HS512"}, digest=hashlib.sha512),
        token({"kid": "rsa"}, key=PUBLIC_PEM),
        token({"kid": "rsa", "alg": "RS256"}, key=PUBLIC_PEM),
        token({"alg": "RS256"}),
        # headers that must be understood, or must not be followed
        token({"crit": ["exp"]}),
        token({"crit": ["b64"], "b64": True}),
        token({"crit": ["b64"], "b64": False}),
        token({"crit": []}),
        token({"jku": "https://evil.example/jwks.json", "kid": "evil"}),
        token({"jwk": JWKS["keys"][0], "kid": "evil"}),
        # rubbish
        "x",
        "..",
        "a.b.c",
        "ü.ü.ü",
        "\udfff",
        "\0",
        "9" * 5000 + "." + "9" * 5000,
        "{}." * 3,
    ],
)
def test_a_token_with_anything_wrong_is_invalid(authenticator, bad):
    assert refused(authenticator.user, bad) == "invalid_token"


def test_a_signature_counts_for_one_message_only(authenticator):
    mine, theirs = token(), token(sub="bob")
    mixed = theirs.rsplit(".", 1)[0] + "." + mine.rsplit(".", 1)[1]
    assert refused(authenticator.user, mixed) == "invalid_token"


def test_no_token_and_an_old_token_have_codes_of_their_own(authenticator):
    assert refused(authenticator.user, "") == "token_missing"
    assert refused(of(authenticator, "service"), "") == "token_missing"
    now = int(time.time())
    assert refused(authenticator.user, token(iat=now - 600, exp=now - 300)) == "token_expired"
    # within the leeway
    assert authenticator.user(token(iat=now - 600, exp=now - 5)).id == "alice"


def test_rs256_works_with_its_public_key(authenticator):
    signed = jwt.encode(claims(), RSA, algorithm="RS256", headers={"kid": "rsa"})
    assert authenticator.user(signed).id == "alice"


def test_every_kind_of_key_verifies_what_it_signed(authenticator, engine):
    privates = {
        "ES256": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
        "ES384": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True),
        "EdDSA": OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
        "PS256": RSAAlgorithm.to_jwk(RSA, as_dict=True) | {"alg": "PS256"},
        "HS512": {"kty": "oct", "alg": "HS512", "k": "A" * 86},
    }
    for name, private in privates.items():
        keys = JwtKeys.parse({"keys": [private | {"kid": name}]})
        one = Authenticator(keys, CLAIMS, engine)
        minted = mint(
            keys, CLAIMS, audience=CLIENT, subject="alice", tenant="acme", lifetime=timedelta(minutes=5)
        ).token
        assert jwt.get_unverified_header(minted)["alg"] == name
        assert one.user(minted).id == "alice"


def test_rotation_signs_with_the_first_key_and_accepts_all(engine, authenticator):
    new = {"kty": "oct", "kid": "new", "alg": "HS256", "k": "B" * 43}
    both = JwtKeys.parse({"keys": [rsa_jwk(), new, *JWKS["keys"]]})
    rotated = Authenticator(both, CLAIMS, engine)
    minted = minted_with(both)
    assert jwt.get_unverified_header(minted)["kid"] == "new"
    assert rotated.user(minted).id == rotated.user(token()).id == "alice"
    assert refused(authenticator.user, minted) == "invalid_token"


def test_an_operator_may_be_of_every_tenant_but_a_service_may_not(authenticator):
    assert authenticator.principal(token(aud=OPERATOR, tenant="*"), ["operator"]).tenant == "*"
    assert refused(of(authenticator, "service"), token(aud=SERVICE, tenant="*")) == "invalid_token"


def test_api_keys_open_the_services_door(authenticator, engine):
    for mode in ("live", "test"):
        key = create_api_key(engine, mode=mode)
        service = authenticator.principal(key, ["service"])
        assert (service.kind, service.tenant, service.mode, service.expires_at) == ("service", "acme", mode, None)
        assert key.startswith(service.id)
        assert len(service.id) < 20
        assert refused(authenticator.user, key) == refused(of(authenticator, "operator"), key) == "forbidden"


def test_a_revoked_key_and_any_other_text_open_nothing(authenticator, engine):
    key = create_api_key(engine)
    prefix = authenticator.principal(key, ["service"]).id
    for bad in (key[:-1], key + "x", key.swapcase(), prefix, "ck_live_", f"{prefix}_" + "\0" * 43, key[:-1] + "\udfff"):
        assert refused(of(authenticator, "service"), bad) == "invalid_token"
    with write(engine) as connection:
        revoke_api_key(connection, "acme", prefix, NOW)
    assert refused(of(authenticator, "service"), key) == "invalid_token"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "expected a JWKS"),
        ({"keys": {}}, "expected a JWKS"),
        ({"keys": [{"kty": "oct", "k": "A" * 43}]}, "key 1: it has no kid"),
        ({"keys": [{"kty": "oct", "kid": "a", "k": "AAAA"}]}, "minimum recommended length of 32"),
        ({"keys": [{"kty": "oct", "kid": "a", "alg": "none", "k": "A" * 43}]}, "key 1: "),
        ({"keys": [{"kty": "oct", "kid": "a", "alg": "RS256", "k": "A" * 43}]}, "key 1: "),
        ({"keys": [rsa_jwk(alg="HS256")]}, "key 1: "),
        ({"keys": [rsa_jwk(use="enc")]}, "not for signatures"),
        ({"keys": [{"kty": "EC", "kid": "a", "crv": "secp256k1", "x": "AA", "y": "AA"}]}, "key 1: "),
        ({"keys": [{"kty": "magic", "kid": "a"}]}, "kty must be one of"),
        ({"keys": [17, JWKS["keys"][0], JWKS["keys"][0]]}, "used twice"),
    ],
)
def test_an_unusable_key_is_named_when_the_process_starts(document, says):
    with pytest.raises(SettingsError) as caught:
        JwtKeys.parse(document)
    assert says in str(caught.value)
    assert "AAAAAAAA" not in str(caught.value)


def test_small_rsa_keys_are_refused():
    small = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024).public_key(), as_dict=True)
    with pytest.raises(SettingsError, match="1024 bits"):
        JwtKeys.parse({"keys": [small | {"kid": "small"}]})


def test_without_a_private_key_nothing_can_be_signed():
    with pytest.raises(LookupError, match="CARILLON_JWKS_FILE"):
        mint(
            JwtKeys.parse({"keys": [rsa_jwk()]}),
            CLAIMS,
            audience=CLIENT,
            subject="a",
            tenant="t",
            lifetime=timedelta(1),
        )


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"missing\.json"):
        JwtKeys.load(tmp_path / "missing.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(SettingsError, match=r"broken\.json"):
        JwtKeys.load(tmp_path / "broken.json")


def test_a_token_with_our_audience_among_others_is_of_its_kind(authenticator):
    assert authenticator.user(token(aud=[CLIENT, "https://shop.example/userinfo"])).id == "alice"
    assert authenticator.principal(token(aud=["account", SERVICE]), ["service"]).id == "alice"
    assert refused(authenticator.user, token(aud=["account", OPERATOR])) == "forbidden"


@pytest.mark.parametrize(
    ("user", "tenant", "given"),
    [
        ("preferred_username", "organization.id", {"preferred_username": "alice", "organization": {"id": "acme"}}),
        ("sub", "https://shop.example/tenant", {"https://shop.example/tenant": "acme"}),
        ("a.b", "a.c", {"a": {"b": "alice", "c": "acme"}}),
        ("a.b", "c", {"a": {"b": "nobody"}, "a.b": "alice", "c": "acme"}),
    ],
)
def test_user_and_tenant_are_taken_from_the_claims_that_the_settings_name(engine, user, tenant, given):
    create_tenant(engine)
    mapped = Claims("carillon", user, tenant)
    doors = Authenticator(KEYS, mapped, engine)
    found = doors.user(token(**{"sub": "alice", "tenant": "elsewhere"} | given))
    assert (found.id, found.tenant) == ("alice", "acme")
    minted = mint(KEYS, mapped, audience=CLIENT, subject="alice", tenant="acme", lifetime=timedelta(minutes=5))
    assert doors.user(minted.token) == replace(found, expires_at=minted.expires_at, issued_at=ANY)


@pytest.mark.parametrize("tenant", [None, 17, ["acme"], {"id": "acme"}, ...])
def test_a_claim_that_is_missing_or_no_text_is_named(engine, tenant):
    create_tenant(engine)
    doors = Authenticator(KEYS, Claims("carillon", "sub", "org.id"), engine)
    with pytest.raises(AuthError, match=r"claim org\.id"):
        doors.user(token(org={"id": tenant} if tenant is not ... else 17))


def test_two_tokens_of_one_second_differ():
    made = [mint(KEYS, CLAIMS, audience=CLIENT, subject="a", tenant="t", lifetime=timedelta(hours=1)) for _ in range(9)]
    assert len({one.token for one in made}) == 9
