"""Which key may sign for whom: every key, tenant and audience, with keys of the file and of the provider."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import httpx
import jwt
import pytest
from click.testing import CliRunner

from actions.tokens import Claims, mint
from config.audiences import CLIENT, EVERY_TENANT, OPERATOR, SERVICE, Binding
from config.jwt_keys import JwtKeys, KeySource
from config.settings import Settings, SettingsError
from lab.environment import Var
from tests.factories import create_settings, create_tenant
from tests.web.test_auth import RSA, claims, refused, rsa_jwk
from web.__main__ import carillon
from web.app import create_app
from web.auth import Authenticator, AuthError

CLAIMS = Claims("carillon")
AUDIENCES = {CLIENT: "user", SERVICE: "service", OPERATOR: "operator"}
ALL = [CLIENT, SERVICE, OPERATOR]


def oct_key(kid: str, **members: Any) -> dict[str, Any]:
    return {"kty": "oct", "kid": kid, "alg": "HS256", "k": "A" * 43} | {
        f"carillon:{name}": value for name, value in members.items()
    }


# What each key may sign, as (audience, tenant).
DOCUMENT = {
    "keys": [
        oct_key("unbound"),
        oct_key("clients", audiences=[CLIENT]),
        oct_key("operators", audiences=[OPERATOR]),
        oct_key("acme", tenants=["acme"]),
        oct_key("all of acme", audiences=ALL, tenants=["acme"]),
        oct_key("both", audiences=[SERVICE], tenants=["acme", "globex"]),
        oct_key("all", audiences=ALL),
    ]
}
TENANTS = ("acme", "globex", EVERY_TENANT)
MAY = {
    "unbound": {(CLIENT, "acme"), (CLIENT, "globex"), (SERVICE, "acme"), (SERVICE, "globex")},
    "clients": {(CLIENT, "acme"), (CLIENT, "globex")},
    "operators": {(OPERATOR, tenant) for tenant in TENANTS},
    "acme": {(CLIENT, "acme"), (SERVICE, "acme")},
    "all of acme": {(audience, "acme") for audience in ALL},
    "both": {(SERVICE, "acme"), (SERVICE, "globex")},
    "all": {*itertools.product(ALL, TENANTS)} - {(CLIENT, EVERY_TENANT), (SERVICE, EVERY_TENANT)},
}


@pytest.fixture
def authenticator(engine):
    for tenant in ("acme", "globex"):
        create_tenant(engine, tenant)
    return Authenticator(JwtKeys.parse(DOCUMENT), CLAIMS, engine)


def signed(kid: str, audience: Any, tenant: str) -> str:
    key = next(jwk for jwk in DOCUMENT["keys"] if jwk["kid"] == kid)
    return jwt.encode(claims(aud=audience, tenant=tenant), jwt.PyJWK(key), headers={"kid": kid})


@pytest.mark.parametrize("kid", MAY)
def test_a_key_signs_for_whom_it_is_bound_to_and_for_nobody_else(authenticator, kid):
    for audience, tenant in itertools.product(ALL, TENANTS):
        token = signed(kid, audience, tenant)
        if (audience, tenant) in MAY[kid]:
            found = authenticator.principal(token, [AUDIENCES[audience]])
            assert (found.kind, found.tenant) == (AUDIENCES[audience], tenant)
        else:
            assert refused(lambda t: authenticator.principal(t, [*AUDIENCES.values()]), token) == "invalid_token"


def test_a_refusal_says_what_the_key_may_not_sign_and_does_not_say_which_tenants_exist(authenticator):
    def detail(kid: str, audience: str, tenant: str) -> str:
        with pytest.raises(AuthError) as caught:
            authenticator.principal(signed(kid, audience, tenant), ["operator", "user", "service"])
        return caught.value.detail

    assert detail("unbound", OPERATOR, "acme") == (
        "the key that kid names may not sign for aud carillon:operator: see carillon:audiences in docs/sign-in.md"
    )
    globex, nobody = (detail("acme", CLIENT, tenant) for tenant in ("globex", "nobody"))
    assert globex == nobody == "the key that kid names may not sign for this tenant"


def test_other_audiences_beside_ours_do_not_widen_a_key(authenticator):
    assert authenticator.user(signed("clients", [CLIENT, "https://shop.example"], "acme")).id == "alice"
    assert refused(authenticator.user, signed("clients", [OPERATOR, "https://shop.example"], "*")) == "invalid_token"


@pytest.mark.parametrize("kid", MAY)
def test_a_token_is_minted_with_a_key_that_may_sign_it(kid):
    key = next(jwk for jwk in DOCUMENT["keys"] if jwk["kid"] == kid)
    for audience, tenant in itertools.product(ALL, TENANTS):
        keys = JwtKeys.parse({"keys": [oct_key("none", audiences=[SERVICE], tenants=["other"]), key]})
        given = {"audience": audience, "subject": "a", "tenant": tenant, "lifetime": timedelta(minutes=1)}
        allowed = (audience, tenant) in MAY[kid] or (
            # No door accepts it, and minting asks for the binding only.
            tenant == EVERY_TENANT and kid in ("unbound", "clients", "all") and (audience, "acme") in MAY[kid]
        )
        if allowed:
            assert jwt.get_unverified_header(mint(keys, CLAIMS, **given).token)["kid"] == kid
        else:
            with pytest.raises(LookupError, match=audience):
                mint(keys, CLAIMS, **given)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ({"carillon:audiences": []}, "carillon:audiences"),
        ({"carillon:audiences": "carillon:operator"}, "carillon:audiences"),
        ({"carillon:audiences": ["operator"]}, "carillon:audiences"),
        ({"carillon:audiences": [["carillon:client"]]}, "carillon:audiences"),
        ({"carillon:audiences": None}, "carillon:audiences"),
        ({"carillon:tenants": []}, "carillon:tenants"),
        ({"carillon:tenants": None}, "carillon:tenants"),
        ({"carillon:tenants": "acme"}, "carillon:tenants"),
        ({"carillon:tenants": ["*"]}, "carillon:tenants"),
        ({"carillon:tenants": ["a/b"]}, "carillon:tenants"),
        ({"carillon:tenants": [17]}, "carillon:tenants"),
        # A slip must not unbind a key.
        ({"carillon:tenant": ["acme"]}, "carillon:tenant is not known"),
        ({"carillon:audience": [CLIENT]}, "carillon:audience is not known"),
    ],
)
def test_a_binding_that_is_not_understood_is_named_when_the_process_starts(member, says):
    with pytest.raises(SettingsError, match=says):
        JwtKeys.parse({"keys": [oct_key("a") | member]})


def provided(binding: Binding, **members: Any) -> KeySource:
    answer = {"keys": [rsa_jwk() | members]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    return KeySource(None, "https://id.example/jwks", binding=binding, transport=transport)


@pytest.mark.parametrize(
    ("environ", "may"),
    [
        ({}, MAY["unbound"]),
        ({"CARILLON_JWKS_URL_AUDIENCES": "carillon:client, carillon:operator"}, {*MAY["clients"], *MAY["operators"]}),
        ({"CARILLON_JWKS_URL_TENANTS": "globex"}, {(CLIENT, "globex"), (SERVICE, "globex")}),
    ],
)
@pytest.mark.parametrize("members", [{}, {"carillon:audiences": ALL}, {"carillon:tenants": 17}])
def test_settings_bind_the_keys_of_a_provider_and_the_provider_does_not(authenticator, engine, environ, may, members):
    binding = Settings.from_env(environ | {"CARILLON_JWKS_URL": "https://id.example/jwks"}).jwks_url_binding
    of_provider = Authenticator(provided(binding, **members), CLAIMS, engine)
    for audience, tenant in itertools.product(ALL, TENANTS):
        token = jwt.encode(claims(aud=audience, tenant=tenant), RSA, "RS256", headers={"kid": "rsa"})
        if (audience, tenant) in may:
            assert of_provider.principal(token, [AUDIENCES[audience]]).tenant == tenant
        else:
            assert refused(lambda t: of_provider.principal(t, [*AUDIENCES.values()]), token) == "invalid_token"


@pytest.mark.parametrize(
    "environ",
    [
        {"CARILLON_JWKS_URL_AUDIENCES": "operator"},
        {"CARILLON_JWKS_URL_AUDIENCES": ","},
        {"CARILLON_JWKS_URL_TENANTS": "*"},
        {"CARILLON_JWKS_URL_TENANTS": ","},
        # They would bind nothing.
        {"CARILLON_JWKS_URL": "", "CARILLON_JWKS_URL_TENANTS": "acme"},
    ],
)
def test_settings_that_bind_nobody_are_named_at_the_start(environ):
    with pytest.raises(SettingsError, match="CARILLON_JWKS_URL"):
        Settings.from_env({"CARILLON_JWKS_URL": "https://id.example/jwks"} | environ)


def create(*options: str, **environ: str) -> Any:
    return CliRunner().invoke(carillon, ["jwks", "create", *options], env=environ)


def test_a_command_binds_the_key_that_it_makes():
    def made(*options: str) -> dict[str, Any]:
        [key] = json.loads(create(*options).output)["keys"]
        JwtKeys.parse({"keys": [key]})
        return {name: value for name, value in key.items() if name.startswith("carillon:")}

    assert made() == {"carillon:audiences": [CLIENT, SERVICE]}
    assert made("--audience", "operator") == {"carillon:audiences": [OPERATOR]}
    assert made("--tenant", "acme", "--tenant", "globex", "--audience", "client") == {
        "carillon:audiences": [CLIENT],
        "carillon:tenants": ["acme", "globex"],
    }
    for wrong in (("--tenant", "*"), ("--audience", "admin")):
        assert create(*wrong).exit_code != 0


def test_the_file_that_the_settings_name_can_be_made_by_the_command(tmp_path):
    file = tmp_path / "jwks.json"
    done = create("--output", str(file), CARILLON_JWKS_FILE=str(file), CARILLON_VAR=str(tmp_path))
    assert done.exit_code == 0, done.output
    assert JwtKeys.load(file).signer(CLIENT, "acme")


def test_the_key_of_a_development_copy_is_bound_and_one_that_is_not_is_replaced(tmp_path):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [oct_key("dev-1")]}))
    environ = {"CARILLON_VAR": str(tmp_path)}
    assert JwtKeys.load(Var(environ).jwks()).signer(OPERATOR, EVERY_TENANT)
    made = file.read_text()
    assert Var(environ).jwks().read_text() == made


def test_a_file_from_before_signs_users_and_services_and_says_how_to_get_an_operator(tmp_path, engine, tenant):
    url = engine.url.render_as_string(hide_password=False)
    settings = create_settings(tmp_path, DATABASE_URL=url)
    settings.jwks_file.write_text(json.dumps({"keys": [oct_key("old")]}))
    runner = create_app(settings).test_cli_runner()
    for option in ("--user", "--service"):
        assert runner.invoke(args=["token", option, "a", "--tenant", tenant]).exit_code == 0
    answer = runner.invoke(args=["token", "--operator", "ops"])
    assert answer.exit_code == 1
    assert "carillon:audiences" in answer.output
    assert "jwks create --audience operator" in answer.output
