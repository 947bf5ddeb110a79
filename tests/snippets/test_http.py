"""docs/http.md."""

from __future__ import annotations

import json
from typing import Any

from tests.snippets.blocks import block

EMPTY_PAGE = block("docs/http.md", '"has_more"')


def test_an_empty_page(client: Any, api_key: str):
    page = client.get("/v1/notifications", headers={"Authorization": f"Bearer {api_key}"})
    assert page.json == json.loads(EMPTY_PAGE)
