"""What holds between files: queues, time-outs, bells, sizes, dependencies, settings."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from honcho.environ import parse_procfile
from pydantic import AliasChoices

import celeryconfig
from config.settings import VISIBILITY_TIMEOUT, Settings, _environment_names
from models.channels import CHANNELS
from models.lanes import Lane
from tests.bells import RecordingBells
from tests.databases import ROOT
from workers.app import app
from workers.tasks import DELIVER_TASKS

QUEUES = {queue.name for queue in celeryconfig.task_queues}
PROCFILES = ("Procfile", "Procfile.dev")


def processes(procfile: str) -> dict[str, str]:
    return dict(parse_procfile((ROOT / procfile).read_text()).processes)


def modules(*packages: str) -> Iterator[tuple[str, ast.Module]]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


# Queues and processes


@pytest.mark.parametrize("procfile", PROCFILES)
def test_every_queue_is_served_by_exactly_one_kind_of_process(procfile: str):
    served = [
        queue
        for line in processes(procfile).values()
        for queues in re.findall(r" -Q (\S+)", line)
        for queue in queues.split(",")
    ]
    assert sorted(served) == sorted(QUEUES)


def test_every_channel_has_a_queue():
    assert {spec.queue for spec in CHANNELS.values()} <= QUEUES


def test_development_runs_the_processes_of_production():
    production = processes("Procfile")
    del production["release"]
    development = processes("Procfile.dev")
    assert {name: development.get(name) for name in production} == production
    assert set(development) - set(production) == {"redis", "lab"}


# Bells


def test_every_bell_names_a_task_and_a_queue_that_exist():
    rung: list[tuple[str, str]] = []

    class Noted(RecordingBells):
        def ring(self, task: str, args: list[str], queue: str, lane: int = 2) -> bool:
            rung.append((task, queue))
            return True

    bells = Noted()
    bells.expand(uuid4(), Lane.normal)
    bells.publish()
    bells.take_in()
    bells.preview()
    for channel in CHANNELS:
        bells.deliver(channel)
    rung += [(entry["task"], entry["options"]["queue"]) for entry in celeryconfig.beat_schedule.values()]
    ours = {name for name in app.tasks if not name.startswith("celery.")}
    assert {task for task, _ in rung} == ours
    assert {queue for _, queue in rung} == QUEUES
    assert set(DELIVER_TASKS) == set(CHANNELS)


def calls(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The methods that are called, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node.lineno


def test_only_the_bells_send_celery_messages():
    # By no name that Celery has for it. Actions and channels ask a RetryPolicy for its `delay`.
    names = {"web": {"delay"}, "workers": {"delay"}, "bus": {"delay"}, "actions": set(), "channels": set()}
    sending = {
        (path, name)
        for package, also in names.items()
        for path, tree in modules(package)
        for name, _ in calls(tree)
        if name in {"send_task", "apply_async", "retry"} | also
    }
    assert sending == {("bus/bells.py", "send_task")}


def test_no_bell_is_put_off():
    arguments = [
        f"{path}:{node.lineno}"
        for path, tree in modules("web", "workers", "actions", "channels", "bus")
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in ("countdown", "eta")
    ]
    assert arguments == []


# Time


def test_a_send_ends_before_its_lease_and_a_lease_before_the_broker_repeats_the_bell():
    usual = Settings.from_env({})
    assert 2 * usual.provider_timeout < usual.lease < VISIBILITY_TIMEOUT
    assert celeryconfig.VISIBILITY_TIMEOUT == VISIBILITY_TIMEOUT
    assert celeryconfig.broker_transport_options["visibility_timeout"] == VISIBILITY_TIMEOUT


def test_the_models_are_told_the_time():
    clocks = [
        f"{path}:{node.lineno}"
        for path, tree in modules("models")
        for node in ast.walk(tree)
        if path != "models/sql/clock.py"
        and isinstance(node, ast.Attribute)
        and ast.unparse(node) in ("datetime.now", "datetime.utcnow", "datetime.today", "time.time", "func.now")
    ]
    assert clocks == []


# Documents


def required(path: Path) -> set[str]:
    """The distributions that a requirements file asks for, without extras, versions and markers."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in lines if line and not line.startswith("-")}


def first_column(document: str) -> set[str]:
    """What stands in `code` in the first column of the document's tables."""
    rows = re.findall(r"^\| (`[^|]+) \|", (ROOT / document).read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_dependency_has_its_reason():
    wanted = required(ROOT / "requirements.in") | required(ROOT / "requirements-dev.in")
    workspace = json.loads((ROOT / "clients/package.json").read_text())
    packages = [ROOT / "clients" / directory / "package.json" for directory in workspace["workspaces"]]
    documents = [json.loads(path.read_text()) for path in (*packages, ROOT / "tests/clients/package.json")]
    for document in (workspace, *documents):
        wanted |= {name for kind in ("dependencies", "devDependencies") for name in document.get(kind, ())}
    # The packages of the workspace depend on each other by name.
    wanted -= {document["name"] for document in documents}
    assert first_column("docs/dependencies.md") == wanted


def test_the_settings_are_documented_with_their_defaults_and_none_is_left_over():
    assert first_column("docs/settings.md") == _environment_names()
    told = dict(re.findall(r"^\| `(\w+)`[^|]* \| `([^`|]+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    for field in Settings.model_fields.values():
        alias = field.validation_alias
        name = str(alias.choices[0] if isinstance(alias, AliasChoices) else alias)
        if isinstance(field.default, str | int | float | Path) and field.default != "":
            assert told[name] == str(field.default)


def test_every_test_that_the_requirements_name_is_there():
    # `file::name`; in Node a name is the sentence it is given.
    named = re.findall(r"`([\w/.]+)::([^`]+)`", (ROOT / "docs/requirements.md").read_text())
    assert len(named) > 100
    texts = {file: (ROOT / "tests" / file).read_text() for file, _ in named}
    found = {True: 'test("{}",', False: "def {}("}
    assert [(file, name) for file, name in named if found[file.endswith("mjs")].format(name) not in texts[file]] == []


def test_every_requirement_is_answered_once():
    lines = (ROOT / "docs/requirements.md").read_text().splitlines()
    answered = [line.split("|")[1] for line in lines if re.match(r"\| S\d", line)]
    numbers: list[str] = []
    for cell in answered:
        for seed, first, last in re.findall(r"S(\d)-(\d\d)(?: to S\d-(\d\d))?", cell):
            numbers += [f"S{seed}-{n:02}" for n in range(int(first), int(last or first) + 1)]
    asked = {"S0": 77, "S1": 44, "S2": 53, "S4": 26}
    assert sorted(numbers) == [f"{seed}-{n:02}" for seed, most in asked.items() for n in range(1, most + 1)]


# Actions


def test_no_door_opens_a_write_transaction():
    # Doors parse, authorise, call an action and answer. db upgrade is Alembic's.
    writing = [
        f"{path}:{node.lineno}"
        for path, tree in modules("web")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("write", "engine.write")
    ]
    assert writing == []
