"""carillon doctor: checks that everything Carillon depends on works."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import click
from kombu.exceptions import OperationalError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bus.publisher import Publisher
from bus.redis import UNAVAILABLE, connect
from channels import registry
from config.audiences import CLIENT
from config.settings import SettingsError
from models.channels import CHANNELS
from models.deliveries.due import backlog
from models.sql.engine import read, server_time
from storage.base import StorageUnavailable
from web.auth import LEEWAY
from web.cli.output import Group, json_option, print_answer, visible
from web.context import Context, context
from web.health import PATIENCE, probes, schema_of
from web.hints import command, create_jwks

operations = Group("operations")

# Warn about deliveries that have been due for longer than this (seconds). The relay rings every second, so by then
# nothing is processing them.
MAX_DUE_AGE = 60.0

Verdict = Literal["ok", "warning", "failed"]
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its name, a verdict, what was found, and advice if there is something to do."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def _failed(name: str, found: str, advice: str) -> Finding:
    return Finding(name, "failed", found, advice)


def _database(here: Context) -> Iterator[Finding]:
    try:
        schema = schema_of(here.engine)
        with read(here.engine) as connection:
            database_time = server_time(connection)
        backlogs = {}
        if schema.fits:
            with read(here.engine) as connection:
                backlogs = {channel: backlog(connection, channel, here.now()) for channel in CHANNELS}
    except (DBAPIError, PoolTimeout) as error:
        yield _failed("database", f"does not answer: {type(error).__name__}", "check DATABASE_URL")
        return
    if not schema.fits:
        yield _failed(
            "database", f"schema {schema.present or 'none'}, needed {schema.needed}", f"run {command('db', 'upgrade')}"
        )
        return
    yield Finding("database", "ok", f"{here.engine.dialect.name}, schema {schema.present}")
    if database_time is not None:
        yield _clock("clock of the database", database_time)
    for channel, (number, age) in backlogs.items():
        if age > MAX_DUE_AGE:
            found = f"{number} deliveries due, the oldest for {age:.0f} s"
            yield Finding(f"backlog {channel}", "warning", found, "are the relay and the channel's workers running?")


def _clock(name: str, server_time: datetime) -> Finding:
    difference = abs((datetime.now(UTC) - server_time).total_seconds())
    found = f"differs from this machine's by {difference:.1f} s"
    if difference > LEEWAY / 2:
        return _failed(name, found, "synchronise all clocks by NTP")
    return Finding(name, "ok", found)


def _redis(here: Context) -> Iterator[Finding]:
    url = here.settings.redis_url
    try:
        with connect(url, text=True) as client:
            server: Any = client.info("server")
            memory: Any = client.info("memory")
            seconds, micros = client.time()
    except UNAVAILABLE as error:
        advice = "check REDIS_URL. Until Redis is back, notifications are accepted and delivered late"
        yield _failed("redis", f"does not answer: {type(error).__name__}", advice)
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield _failed("redis", f"maxmemory-policy {policy}", "set noeviction, so that Redis does not evict bells")
    else:
        yield Finding("redis", "ok", f"version {server.get('redis_version', 'unknown')}")
    yield _clock("clock of redis", datetime.fromtimestamp(seconds + micros / 1e6, UTC))
    yield _message_queue(here)


def _message_queue(here: Context) -> Finding:
    name, topic = "message queue", here.settings.bus_topic
    publisher = Publisher.of(here.settings)
    try:
        subscribers = publisher.round_trip()
    except (*UNAVAILABLE, TimeoutError) as error:
        return _failed(name, f"published messages do not arrive: {type(error).__name__}", "check REDIS_URL")
    finally:
        publisher.close()
    if not subscribers:
        advice = f"is web running, with the same REDIS_URL and CARILLON_REDIS_CHANNEL ({topic})?"
        return Finding(name, "warning", "works, but no web process is subscribed", advice)
    return Finding(name, "ok", f"works, with {subscribers} web process{'es' if subscribers > 1 else ''} subscribed")


def _workers(here: Context) -> Iterator[Finding]:
    probe = probes(here.settings, here.engine, here.bells)["broker"]
    probe.begin()
    error = probe.result(time.monotonic() + PATIENCE)
    if error:
        yield _failed("broker", error, "check BROKER_URL. Until the broker is back, the relay does the work")
        return
    yield Finding("broker", "ok", "takes messages")
    try:
        served = here.bells.served_queues()
    except OperationalError:
        yield _failed("workers", "cannot be reached", "check BROKER_URL")
        return
    missing = sorted({"intake", "housekeeping", *(spec.queue for spec in CHANNELS.values())} - served)
    if missing:
        yield _failed("workers", f"none for {', '.join(missing)}", "start the processes of the Procfile")
    else:
        yield Finding("workers", "ok", f"serve {', '.join(sorted(served))}")


def _pauses(here: Context) -> Iterator[Finding]:
    try:
        paused = here.counters.paused()
    except UNAVAILABLE:
        return  # _redis says so
    for name, pause in paused.items():
        found = f"paused ({pause.failure}), tried again after {max(pause.until - time.time(), 0):.0f} s"
        yield Finding(f"outage {name}", "warning", found, "wait for the provider; deliveries wait until they expire")


def _channels(here: Context) -> Iterator[Finding]:
    for name in CHANNELS:
        try:
            channel = registry.build_one(here.settings, "live", name, here.now)
        except SettingsError as error:
            yield _failed(f"channel {name}", str(error), "correct the settings")
            continue
        if channel is None:
            advice = "live notifications skip this channel; docs/settings.md says how to configure it"
            yield Finding(f"channel {name}", "warning", "not configured", advice)
            continue
        error_text = channel.check()
        channel.close()
        if error_text:
            yield _failed(f"channel {name}", error_text, "check credentials, network and permissions")
        else:
            yield Finding(f"channel {name}", "ok", "ready to send")


def _keys(here: Context) -> Iterator[Finding]:
    bindings = {kid: key.binding for kid, key in here.keys.own().by_kid.items()}
    if here.settings.jwks_url:
        bindings["those of CARILLON_JWKS_URL"] = here.settings.jwks_url_binding
    if not bindings:
        yield _failed("keys", "cannot verify any token", f"run {create_jwks(CLIENT)} and set CARILLON_JWKS_FILE")
    for kid, binding in bindings.items():
        audiences = ", ".join(sorted(binding.audiences))
        tenants = "every tenant" if binding.tenants is None else ", ".join(sorted(binding.tenants))
        found = here.keys.own().find(kid)
        signs = "" if found is not None and found.signing is not None else "; this installation cannot sign with it"
        yield Finding(f"key {kid}", "ok", f"may sign for {audiences} of {tenants}{signs}")


def _storage(here: Context) -> Iterator[Finding]:
    if here.storage is None:
        advice = "attachments of messages are refused; docs/settings.md says how to configure it"
        yield Finding("attachments", "warning", "not configured", advice)
        return
    try:
        here.storage.check()
    except StorageUnavailable as error:
        yield _failed("attachments", str(error), "check CARILLON_ATTACHMENTS_URL, the access key and its permissions")
    else:
        yield Finding("attachments", "ok", "a file was stored, found and deleted")


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    _database,
    _redis,
    _workers,
    _keys,
    _channels,
    _pauses,
    _storage,
)


@operations.command("doctor")
@json_option
def doctor(as_json: bool) -> None:
    """Check all dependencies, the connection to the web processes, credentials and clocks. Sends no notification.

    The exit status is 1 if a check fails. Warnings do not count.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        for finding in check(context()):
            findings.append(finding)
            if not as_json:
                click.echo(_line(finding))
    failed = any(finding.verdict == "failed" for finding in findings)
    if as_json:
        print_answer(as_json, {"healthy": not failed, "findings": [asdict(finding) for finding in findings]}, "")
    if failed:
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    verdict = click.style(finding.verdict.ljust(7), fg=_COLOURS[finding.verdict])
    advice = f"\n{' ' * 9}{finding.advice}" if finding.advice else ""
    return f"{verdict}  {finding.name}: {visible(finding.found)}{advice}"


COMMANDS = (doctor,)
