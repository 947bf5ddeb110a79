"""The OpenAPI document as a page for readers: what the template of /docs shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from web.documentation.markdown import to_html
from web.documentation.schema_table import Member, followed, members, type_in_words, values
from web.documentation.snippets import LANGUAGES, snippets
from web.examples import PLACES

_CALLERS = {"service": "services", "user": "users", "operator": "operators"}


class Parameter(NamedTuple):
    """A parameter in the path, the query or a header."""

    name: str
    place: str
    type: str
    values: list[str]
    required: bool
    description: str


class Answer(NamedTuple):
    """What a successful request returns."""

    status: str
    description: str
    members: list[Member]


class Operation(NamedTuple):
    """One operation. The description is HTML."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    callers: list[str]
    parameters: list[Parameter]
    body: list[Member]
    answers: list[Answer]
    errors: list[str]
    snippets: dict[str, str]


class Group(NamedTuple):
    """The operations about one subject."""

    name: str
    description: str
    operations: list[Operation]

    @property
    def id(self) -> str:
        """The anchor of the group."""
        return "about-" + self.name.replace(" ", "-")


def reference(document: Mapping[str, Any], url: str) -> dict[str, Any]:
    """What the template shows of the document, with examples for the server at a URL."""
    groups = {tag["name"]: Group(tag["name"], tag["description"], []) for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            [tag] = operation["tags"]
            groups[tag].operations.append(_operation(method.upper(), path, operation, document, url))
    return {
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "url": url,
        "languages": LANGUAGES,
        "groups": list(groups.values()),
        "callers": {
            _CALLERS[name]: scheme["description"] for name, scheme in document["components"]["securitySchemes"].items()
        },
    }


def _operation(
    method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any], url: str
) -> Operation:
    [content] = operation.get("requestBody", {"content": {"": {}}})["content"].values()
    summary = operation["summary"].rstrip(".")
    description = operation["description"]
    return Operation(
        id=operation["operationId"],
        method=method,
        path=path,
        summary=summary,
        description="" if description.rstrip(".") == summary else to_html(description),
        callers=[_CALLERS[name] for way in operation["security"] for name in way],
        parameters=[_parameter(one, document) for one in operation.get("parameters", ())],
        body=list(members(followed(content.get("schema", {}), document), document)),
        answers=list(_answers(operation["responses"], document)),
        errors=[status for status in operation["responses"] if status.startswith(("4", "5"))],
        snippets=snippets(method, url + _example_path(path), content.get("example")),
    )


def _parameter(parameter: Mapping[str, Any], document: Mapping[str, Any]) -> Parameter:
    schema = followed(parameter["schema"], document)
    return Parameter(
        parameter["name"],
        parameter["in"],
        type_in_words(schema, document),
        values(schema, document),
        parameter["required"],
        parameter.get("description", ""),
    )


def _answers(responses: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Answer]:
    for status, answer in responses.items():
        if status.startswith("2"):
            [content] = answer.get("content", {"": {}}).values()
            schema = followed(content.get("schema", {}), document)
            yield Answer(status, answer["description"], list(members(schema, document)))


def _example_path(path: str) -> str:
    for place, value in PLACES.items():
        path = path.replace(place, value)
    return path
