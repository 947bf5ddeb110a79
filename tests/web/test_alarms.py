"""Every metric, label and value that the alarm rules and the dashboard name is on /metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from models.channels import CHANNELS
from models.deliveries.lifecycle import Failure, State
from web.realtime.metrics import CONNECT_ERRORS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

FUNCTIONS = {"absent", "histogram_quantile", "increase", "max", "min", "rate", "sum"}
SELECTOR = re.compile(r"(?P<name>[a-z_:][a-z0-9_:]*)(?:\{(?P<labels>[^}]*)\})?(?P<range>\[\d+[smh]\])?")
MATCHER = re.compile(r'(?P<label>[a-z_]+)(?:=~|!=|=)"(?P<value>[^"]*)"')
GROUPING = re.compile(r"\bby \(([a-z_, ]+)\)")


def expressions() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((DEPLOY / "alarms.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    documented = (DEPLOY.parent / "docs/operations.md").read_text().partition("### The numbers of earlier systems")[2]
    yield from re.findall(r"^\| (.+?) \| `(.+)` \|$", documented, re.MULTILINE)
    for panel in json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]


@pytest.fixture
def series(app, client, service, alice) -> dict[str, list[dict[str, str]]]:
    """The label sets by metric name, after something of everything was counted."""
    sent = service.send().json["id"]
    alice.post("/v1/acks", {"ids": [sent]})
    counters = app.extensions["carillon"].counters
    for channel in CHANNELS:
        for outcome, failure in [(State.SENT, "none"), *((State.DEAD, failure) for failure in Failure)]:
            counters.add_total(f"deliveries:{channel}:{outcome}:{failure}")
    counters.beat("relay")
    counters.flush()
    CONNECT_ERRORS.labels("token_missing").inc()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_each_expression_names_what_there_is(series, subtests):
    for name, expression in expressions():
        with subtests.test(expression=name):
            labels_of = [
                set().union(*series[metric]) for metric, _, _ in selectors(expression) if require(series, metric, name)
            ]
            for metric, labels, over in selectors(expression):
                assert (over is not None) == metric.endswith(("_total", "_bucket", "_sum", "_count")), (
                    "a counter needs a range"
                )
                for match in MATCHER.finditer(labels or ""):
                    values = {sample.get(match["label"]) for sample in series[metric]}
                    assert set(match["value"].split("|")) <= values, match[0]
            for grouping in GROUPING.findall(expression):
                assert all(set(grouping.split(", ")) <= labels for labels in labels_of), grouping
            assert expression.count("(") == expression.count(")")


def selectors(expression: str) -> list[tuple[str, str | None, str | None]]:
    without_grouping = GROUPING.sub("", expression)
    found = [match.group("name", "labels", "range") for match in SELECTOR.finditer(without_grouping)]
    return [one for one in found if one[0] not in FUNCTIONS]


def require(series: dict[str, list[dict[str, str]]], metric: str, where: str) -> bool:
    assert metric in series, f"{where} names {metric}, which is not on /metrics"
    return True


def test_no_metric_has_a_tenant_or_a_user(series):
    labels = {label for samples in series.values() for sample in samples for label in sample}
    assert not labels & {"tenant", "user", "tenant_id", "user_id"}
