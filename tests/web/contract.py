"""A client that believes /openapi.json and nothing else: an answer that is not described there fails the test."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from web.routing import encoded_path

# What was answered in this process: (method, path, status).
seen: set[tuple[str, str, int]] = set()

# The documents of the applications made in this process, by their routes: to write one takes longer than many a test.
_specs: dict[frozenset[str], dict[str, Any]] = {}


class ContractClient(FlaskClient):
    """Validates every answer of the API as it passes."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        response = super().open(*args, **kwargs)
        if response.request.path.startswith(("/v1/", "/api/")) and response.request.method != "OPTIONS":
            check(self.application, response)
        return response


def template(rule: str) -> str:
    """A Flask rule as a path of OpenAPI."""
    parts = [part.split(":")[-1] for part in rule.replace(">", "}").split("<")]
    return "{".join(parts)


def operations(spec: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every operation by its method and path."""
    return {(m.upper(), p): o for p, item in spec["paths"].items() for m, o in item.items()}


def check(app: Any, response: TestResponse) -> None:
    """Fail where the answer is not one that /openapi.json describes for its route."""
    spec = _spec(app)
    assert response.headers["X-Request-Id"]
    method = response.request.method
    rule = _rule(app, method, encoded_path(response.request.environ))
    if rule is None:
        assert response.status_code in (404, 405)
        answer = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}
    else:
        where = template(rule.rule)
        seen.add((method, where, response.status_code))
        answers = operations(spec)[method, where]["responses"]
        assert str(response.status_code) in answers, (
            f"{method} {where} answered {response.status_code}: {response.text}"
        )
        answer = answers[str(response.status_code)]
    assert response.mimetype in answer["content"], response.mimetype
    schema = answer["content"][response.mimetype]["schema"]
    described = schema | {"components": spec["components"]}
    said = response.text if response.mimetype == "text/plain" else response.json
    Draft202012Validator(described, format_checker=FormatChecker()).validate(said)
    if response.status_code >= 400:
        assert response.json["status"] == response.status_code
        assert response.json["request_id"] == response.headers["X-Request-Id"]
        assert response.json["instance"] == response.request.path
    for name, header in answer.get("headers", {}).items():
        if name in response.headers and header["schema"]["type"] == "integer":
            assert response.headers[name].isdigit(), name


def _spec(app: Any) -> dict[str, Any]:
    routes = frozenset(rule.rule for rule in app.url_map.iter_rules())
    if routes not in _specs:
        _specs[routes] = app.api_doc
    return _specs[routes]


def _rule(app: Any, method: str, path: str) -> Rule | None:
    try:
        rule, _ = app.url_map.bind("localhost").match(path, method=method, return_rule=True)
    except HTTPException:
        return None
    return rule
