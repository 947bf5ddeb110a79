"""A request as lines to copy, in each language that /docs has."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pprint import pformat
from textwrap import indent
from typing import Any

LANGUAGES = {"curl": "curl", "python": "Python", "javascript": "JavaScript"}


def snippets(method: str, url: str, body: Mapping[str, Any] | None) -> dict[str, str]:
    """By language of LANGUAGES. The token is TOKEN in the environment, in JavaScript the variable token."""
    return {
        "curl": _curl(method, url, body),
        "python": _python(method, url, body),
        "javascript": _js(method, url, body),
    }


def _curl(method: str, url: str, body: Mapping[str, Any] | None) -> str:
    lines = ["curl" + ("" if method == "GET" else f" -X {method}") + f" {shlex.quote(url)}"]
    lines.append('-H "Authorization: Bearer $TOKEN"')
    if body is not None:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(_json(body))}"]
    return " \\\n  ".join(lines)


def _python(method: str, url: str, body: Mapping[str, Any] | None) -> str:
    arguments = [json.dumps(url), 'headers={"Authorization": f"Bearer {os.environ[\'TOKEN\']}"}']
    if body is not None:
        literal = pformat(body, sort_dicts=False, width=80)
        arguments.append(f"json={indent(literal, '    ').lstrip()}")
    arguments.append("timeout=10")
    inner = "".join(f"    {argument},\n" for argument in arguments)
    call = f"answer = requests.{method.lower()}(\n{inner})"
    return f"import os\n\nimport requests\n\n{call}\nprint(answer.status_code, answer.text)"


def _js(method: str, url: str, body: Mapping[str, Any] | None) -> str:
    members = [f'method: "{method}"'] if method != "GET" else []
    headers = "Authorization: `Bearer ${token}`"
    if body is not None:
        headers += ', "Content-Type": "application/json"'
    members.append(f"headers: {{ {headers} }}")
    if body is not None:
        members.append(f"body: JSON.stringify({indent(_json(body), '  ').lstrip()})")
    inner = "".join(f"  {member},\n" for member in members)
    call = f"const answer = await fetch({json.dumps(url)}, {{\n{inner}}});"
    return f"{call}\nconsole.log(answer.status, await answer.text());"


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)
