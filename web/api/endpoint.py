"""One endpoint, declared once: who may call it, what it takes, what it answers. /openapi.json says the same."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, TypeVar, get_type_hints

from flask import Response, g, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.schema import Schema
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ValidationError

from actions.parsing import parse
from actions.principal import Kind, Origin, Principal
from actions.problems import Problem, from_validation
from config.audiences import EVERY_TENANT
from models.tenants.quotas import Quota
from web.api.body import SINGLE, read_json
from web.api.operator_scope import OnBehalf, on_behalf
from web.auth import AuthError
from web.context import context
from web.limits import BYTES
from web.turns import is_large

Handler = TypeVar("Handler", bound=Callable[..., Any])

SECURITY_SCHEMES: dict[str, Any] = {
    "service": {
        "type": "http",
        "scheme": "bearer",
        "description": 'An API key (ck_live_… or ck_test_…) or a JWT with aud "carillon:service".',
    },
    "user": {"type": "http", "scheme": "bearer", "description": 'A JWT with aud "carillon:client".'},
    "operator": {"type": "http", "scheme": "bearer", "description": 'A JWT with aud "carillon:operator".'},
}

_REF = "#/components/schemas/{model}"
_TEXT = {"schema": {"type": "string"}}
_NUMBER = {"schema": {"type": "integer"}}
_LIMITED = {
    "RateLimit-Policy": {"description": "The limit: `q` requests in `w` seconds.", **_TEXT},
    "RateLimit": {"description": "`r` requests are left, and all are back in `t` seconds.", **_TEXT},
    "RateLimit-Limit": {"description": "Requests that may come at once.", **_NUMBER},
    "RateLimit-Remaining": {"description": "Requests left.", **_NUMBER},
    "RateLimit-Reset": {"description": "Seconds until all are back.", **_NUMBER},
}
_RETRY = {"Retry-After": {"description": "Seconds to wait.", **_NUMBER}}
_PROBLEM_HEADERS: dict[int | None, dict[str, Any]] = {
    401: {"WWW-Authenticate": _TEXT},
    429: {**_LIMITED, **_RETRY},
    503: _RETRY,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A model with a status other than 200 or with headers, or a text."""

    body: BaseModel | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Api(APIBlueprint):
    """The endpoints of one resource."""

    def __init__(self, name: str, about: str, prefix: str = "/v1") -> None:
        super().__init__(name, __name__, url_prefix=prefix, abp_tags=[Tag(name=name, description=about)])

    def declare(
        self,
        method: str,
        rule: str,
        *,
        auth: Kind | Sequence[Kind],
        answers: Mapping[int, type[BaseModel | str]],
        problems: Sequence[int] = (),
        headers: Sequence[str] = (),
        max_bytes: int = SINGLE,
        stand_in: Callable[[], Principal | None] | None = None,
    ) -> Callable[[Handler], Handler]:
        """Declare the decorated function as an endpoint.

        It is called with `caller`, the Principal, and with those of `path`, `query`, `header` and `body` that it has as
        parameters, each an instance of its annotation. It returns a model (200) or an Answer. `answers` and `problems`
        are the statuses special to it; those that follow from `auth` and from its parameters are added here.

        `stand_in` says who a caller without a token is, None if one is required.

        At endpoints that are open to others too, operators name the tenant (web/api/operator_scope.py). Endpoints for
        operators only get the operator's own tenant, which may be EVERY_TENANT.
        """
        kinds = [auth] if isinstance(auth, str) else [*auth]
        borrowed = "operator" in kinds and len(kinds) > 1

        def decorate(handler: Handler) -> Handler:
            inputs = {name: hint for name, hint in get_type_hints(handler).items() if name in _PARSERS}

            @functools.wraps(handler)
            def view(**path: str) -> Response:
                caller = _authenticate(kinds, stand_in)
                size = request.content_length or 0
                charge(caller, 1 + size // BYTES)
                if size and caller.tenant != EVERY_TENANT:
                    context().quotas.spend(caller.tenant, Quota.BYTES, size)
                if borrowed and caller.kind == "operator":
                    g.principal = caller = on_behalf(caller, request.headers)
                with context().turns.large(caller.tenant) if is_large() else nullcontext():
                    return _respond(handler(caller=caller, **_parse(inputs, path, max_bytes)))

            # We have validated already, and answer errors as problem documents.
            view.__delay_validate_request__ = True  # type: ignore[attr-defined]
            if borrowed:
                view.__annotations__ = {"header": OnBehalf} | view.__annotations__
            summary, _, description = (inspect.getdoc(handler) or "").partition("\n")
            responses: dict[Any, Any] = {status: self._answer(model, headers) for status, model in answers.items()}
            responses |= {status: _problem(status) for status in sorted({*problems, *_implied(inputs, borrowed)})}
            # Else flask-openapi3 would describe an error document of its own.
            responses["default"] = _problem(None)
            register = getattr(self, method.lower())
            register(
                rule,
                summary=summary,
                description=description.strip() or summary,
                security=[{kind: []} for kind in kinds],
                responses=responses,
                operation_id=handler.__name__,
            )(view)
            return handler

        return decorate

    def _answer(self, model: type[BaseModel | str], headers: Sequence[str]) -> dict[str, Any]:
        described = {"headers": {**_LIMITED, **dict.fromkeys(headers, _TEXT)}}
        if not issubclass(model, BaseModel):
            return described | {"content": {"text/plain": _TEXT}}
        schema = model.model_json_schema(mode="serialization", ref_template=_REF)
        for name, definition in {**schema.pop("$defs", {}), model.__name__: schema}.items():
            self.components_schemas[name] = Schema(**definition)
        return described | {"content": {"application/json": {"schema": {"$ref": _REF.format(model=model.__name__)}}}}


def _implied(inputs: Mapping[str, Any], borrowed: bool) -> set[int]:
    statuses = {401, 403, 429, 503}
    if borrowed:
        statuses |= {400, 404}
    if "query" in inputs or ("path" in inputs and _choosy(inputs["path"])):
        statuses.add(422)
    if "body" in inputs:
        statuses |= {400, 413, 415, 422}
    if "header" in inputs:
        statuses.add(400)
    return statuses


def _choosy(path: type[BaseModel]) -> bool:
    """Whether a text of the path is not valid."""
    return any(info.metadata for info in path.model_fields.values())


def _problem(status: int | None) -> dict[str, Any]:
    headers = _PROBLEM_HEADERS.get(status)
    return {
        "description": HTTPStatus(status).phrase if status else "Any other error",
        "content": {"application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemDocument")}}},
        **({"headers": headers} if headers else {}),
    }


def _authenticate(kinds: Sequence[Kind], stand_in: Callable[[], Principal | None] | None) -> Principal:
    caller = stand_in() if stand_in is not None and "Authorization" not in request.headers else None
    if caller is None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise AuthError("token_missing", "send Authorization: Bearer <token>")
        caller = context().authenticator.principal(token.strip(), kinds)
    context().newcomers.discard(request.environ.get("gunicorn.socket"))
    g.principal = caller = replace(caller, origin=Origin(request.remote_addr, g.request_id))
    return caller


def charge(caller: Principal, cost: int) -> None:
    """Count this towards the rate limits of the caller and of the tenant. Raises Problem (429)."""
    metrics = context().metrics
    verdict = context().limiter.take(caller, cost)
    if verdict is None:
        metrics.unlimited.inc()
        return
    g.limit_headers = verdict.headers()
    if not verdict.allowed:
        metrics.rate_limited.labels(verdict.scope).inc()
        whose = " of the tenant" if verdict.scope == "tenant" else ""
        detail = (
            f"more than {verdict.limit} requests{whose} at once; the next one is let through in {verdict.retry_after} s"
        )
        raise Problem(429, "rate_limited", detail)


def _parse(inputs: Mapping[str, type[BaseModel]], path: Mapping[str, str], max_bytes: int) -> dict[str, BaseModel]:
    return {name: _parse_one(name, model, path, max_bytes) for name, model in inputs.items()}


def _parse_one(name: str, model: type[BaseModel], path: Mapping[str, str], max_bytes: int) -> BaseModel:
    try:
        return _PARSERS[name](model, path, max_bytes)
    except ValidationError as error:
        raise from_validation(error, model) from error


def _from_path(model: type[BaseModel], path: Mapping[str, str], _max_bytes: int) -> BaseModel:
    return model.model_validate(dict(path))


def _from_query(model: type[BaseModel], _path: Mapping[str, str], _max_bytes: int) -> BaseModel:
    return model.model_validate(request.args.to_dict())


def _from_header(model: type[BaseModel], _path: Mapping[str, str], _max_bytes: int) -> BaseModel:
    names = {info.alias or name: name for name, info in model.model_fields.items()}
    try:
        return model.model_validate({name: request.headers[name] for name in names if name in request.headers})
    except ValidationError as error:
        problem = from_validation(error)
        raise Problem(400, "invalid_header", problem.detail, errors=problem.errors) from error


def _from_body(model: type[BaseModel], _path: Mapping[str, str], max_bytes: int) -> BaseModel:
    return parse(model, read_json(max_bytes))


_PARSERS = {"path": _from_path, "query": _from_query, "header": _from_header, "body": _from_body}


def _respond(result: BaseModel | str | Answer) -> Response:
    answer = result if isinstance(result, Answer) else Answer(result)
    headers = dict(answer.headers)
    if isinstance(answer.body, str):
        return Response(answer.body, answer.status, headers, mimetype="text/plain")
    return Response(answer.body.model_dump_json(), answer.status, headers, mimetype="application/json")
