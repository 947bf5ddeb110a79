"""What docs/sign-in.md says works: its code signs users in, and its table of refusals is what is answered."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

import carillon
from tests.factories import JWKS
from tests.missing import skip_unless_ci
from tests.raw_path import WSGITransport

GUIDE = (Path(__file__).parents[2] / "docs" / "sign-in.md").read_text(encoding="utf-8")
# A comment before a block says that it runs elsewhere.
BLOCKS = re.findall(r"(?<!-->\n)^```(\w+)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
[KEY] = JWKS["keys"]


def code(language: str, word: str) -> str:
    [found] = [block for name, block in BLOCKS if name == language and word in block]
    return found


def opens_the_inbox(client: Any, token: str) -> bool:
    return bool(client.get("/v1/inbox", headers={"Authorization": f"Bearer {token}"}).status_code == 200)


def test_every_block_of_the_guide_is_run_here_or_is_marked():
    assert sorted(language for language, _ in BLOCKS) == ["js", "python", "python"]


def test_a_service_gets_a_token(app, client, api_key, monkeypatch):
    transport = WSGITransport(app)
    monkeypatch.setattr(carillon, "Client", lambda url, key: carillon.client.Client(url, key, transport=transport))
    names: dict[str, Any] = {"CARILLON_URL": "http://carillon.test", "CARILLON_KEY": api_key}
    exec(code("python", "from carillon"), names)
    assert opens_the_inbox(client, names["carillon_token"]("alice"))


def test_python_signs_a_token(client, tenant):
    names: dict[str, Any] = {}
    exec(code("python", "import jwt"), names)
    assert opens_the_inbox(client, names["carillon_token"]("alice", KEY))


def test_node_signs_a_token(client, tenant, tmp_path):
    (tmp_path / "token.mjs").write_text(
        code("js", "createHmac") + f'\nconsole.log(carillonToken("alice", {json.dumps(KEY)}));\n', encoding="utf-8"
    )
    node = shutil.which("node")
    if node is None:
        skip_unless_ci("Node.js is not installed")
    run = subprocess.run([node, tmp_path / "token.mjs"], check=True, capture_output=True, text=True, timeout=30)
    assert opens_the_inbox(client, run.stdout.strip())


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
    ],
)
def test_the_guide_explains_what_is_refused(client, tenant, header, other):
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
    rows = re.findall(r"^\| `(\w+)`[^|]*\| (.*?) \|", GUIDE, re.MULTILINE)
    told = [
        re.fullmatch(re.escape(detail).replace("…", ".+") + "(:.*)?", refused["detail"])
        for code_, detail in rows
        if code_ == refused["code"]
    ]
    assert any(told), refused
