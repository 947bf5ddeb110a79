"""What docs/sign-in.md says works: its code signs users in, and its table of refusals is what is answered."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import jwt
import pytest

import carillon
from tests.databases import ROOT
from tests.factories import JWKS
from tests.raw_path import WSGITransport
from tests.snippets.blocks import block
from tests.snippets.programs import node, shell

GUIDE = "docs/sign-in.md"
FROM_A_SERVICE = block(GUIDE, "from carillon import Client")
SIGNED_BY_PYTHON = block(GUIDE, "import jwt")
SIGNED_BY_NODE = block(GUIDE, "createHmac")
BIND = block(GUIDE, "jwks create --tenant")
BOUND = block(GUIDE, "carillon:tenants")
AT_AUTH0 = block(GUIDE, "onExecutePostLogin")
TEXT = (ROOT / GUIDE).read_text(encoding="utf-8")
[KEY] = JWKS["keys"]


def opens_the_inbox(client: Any, token: str) -> bool:
    return bool(client.get("/v1/inbox", headers={"Authorization": f"Bearer {token}"}).status_code == 200)


def test_a_service_gets_a_token(app, client, api_key, monkeypatch):
    transport = WSGITransport(app)
    monkeypatch.setattr(carillon, "Client", lambda url, key: carillon.client.Client(url, key, transport=transport))
    names: dict[str, Any] = {"CARILLON_URL": "http://carillon.test", "CARILLON_KEY": api_key}
    exec(FROM_A_SERVICE, names)
    assert opens_the_inbox(client, names["carillon_token"]("alice"))


def test_python_signs_a_token(client, tenant):
    names: dict[str, Any] = {}
    exec(SIGNED_BY_PYTHON, names)
    assert opens_the_inbox(client, names["carillon_token"]("alice", KEY))


def test_the_key_of_a_tenants_server_signs_for_its_users_only(tmp_path):
    [made] = json.loads(shell(BIND.replace("bin/carillon", f"{ROOT}/bin/carillon"), cwd=tmp_path))["keys"]
    shown = {key["kid"]: key for key in json.loads(BOUND)["keys"]}
    members = {name: value for name, value in made.items() if name.startswith("carillon:")}
    assert members.items() <= shown["acme"].items()
    assert members == {"carillon:audiences": ["carillon:client"], "carillon:tenants": ["acme"]}


def test_node_signs_a_token(client, tenant):
    token = node(f'{SIGNED_BY_NODE}\nconsole.log(carillonToken("alice", {json.dumps(KEY)}));')
    assert opens_the_inbox(client, token.strip())


def test_the_action_of_auth0_adds_the_claim_that_the_setting_names():
    called = node(
        f"const exports = {{}};\n{AT_AUTH0}\n"
        "const set = (...given) => console.log(JSON.stringify(given));\n"
        "const event = { user: { app_metadata: { tenant: 'acme' } } };\n"
        "await exports.onExecutePostLogin(event, { accessToken: { setCustomClaim: set } });"
    )
    [claim] = re.findall(r"^\| `CARILLON_JWT_TENANT_CLAIM` \| `(https:.*)` \|$", TEXT, re.MULTILINE)
    assert json.loads(called) == [claim, "acme"]


@pytest.mark.parametrize(
    ("header", "other"),
    [
        ({"kid": "unknown"}, {}),
        ({}, {"key": "x" * 32}),
        ({"alg": "HS384"}, {}),
        ({}, {"iss": "https://elsewhere.example/"}),
        ({}, {"aud": "account"}),
        ({}, {"tenant": None}),
        ({}, {"iat": time.time() + 3600}),
        ({}, {"exp": time.time() + 90_000}),
        ({}, {"exp": 1}),
        ({}, {"tenant": "nobody"}),
        ({}, {"aud": "carillon:service"}),
        ({"kid": "acme"}, {"aud": "carillon:operator"}),
        ({"kid": "acme"}, {"tenant": "globex"}),
    ],
)
def test_the_guide_explains_what_is_refused(client, settings, tenant, header, other):
    # The guide's own example of keys, with the key of the tests in each.
    bound = [key | {"k": KEY["k"]} for key in json.loads(BOUND)["keys"]]
    settings.jwks_file.write_text(json.dumps({"keys": [KEY, *bound]}))
    now = int(time.time())
    claims = {
        "iss": "carillon",
        "aud": "carillon:client",
        "sub": "alice",
        "tenant": tenant,
        "iat": now,
        "exp": now + 60,
    }
    claims = {name: value for name, value in (claims | other).items() if value is not None and name != "key"}
    secret = other.get("key", jwt.PyJWK(KEY).key)
    token = jwt.encode(claims, secret, header.get("alg", "HS256"), headers={"kid": "test"} | header)
    refused = client.get("/v1/inbox", headers={"Authorization": f"Bearer {token}"}).json
    rows = re.findall(r"^\| `(\w+)`[^|]*\| (.*?) \|", TEXT, re.MULTILINE)
    told = [
        re.fullmatch(re.escape(detail).replace("…", ".+") + "(:.*)?", refused["detail"])
        for code_, detail in rows
        if code_ == refused["code"]
    ]
    assert any(told), refused
