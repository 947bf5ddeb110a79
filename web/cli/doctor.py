"""flask doctor: is everything there that Carillon needs, and does it work."""

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
from config.settings import SettingsError
from models.channels import CHANNELS
from models.deliveries.due import backlog
from models.sql.engine import read, server_time
from web.auth import LEEWAY
from web.cli.output import Group, json_option, say
from web.context import Context, context
from web.health import PATIENCE, probes, schema_of

operations = Group("operations")

# Work that has been due for longer (seconds) says that nobody does it: the relay rings again every second.
LATE = 60.0

Verdict = Literal["ok", "warning", "failed"]
_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what was found; `advice` where there is something to do."""

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
            theirs = server_time(connection)
        overdue = {}
        if schema.fits:
            with read(here.engine) as connection:
                overdue = {channel: backlog(connection, channel, here.now()) for channel in CHANNELS}
    except (DBAPIError, PoolTimeout) as error:
        yield _failed("database", f"does not answer: {type(error).__name__}", "check DATABASE_URL")
        return
    if not schema.fits:
        yield _failed("database", f"schema {schema.present or 'none'}, needed {schema.needed}", "run flask db upgrade")
        return
    yield Finding("database", "ok", f"{here.engine.dialect.name}, schema {schema.present}")
    if theirs is not None:
        yield _clock("clock of the database", theirs)
    for channel, (number, age) in overdue.items():
        if age > LATE:
            found = f"{number} deliveries due, the oldest for {age:.0f} s"
            yield Finding(f"backlog {channel}", "warning", found, "are the relay and the channel's workers running?")


def _clock(name: str, theirs: datetime) -> Finding:
    apart = abs((datetime.now(UTC) - theirs).total_seconds())
    if apart > LEEWAY / 2:
        return _failed(name, f"{apart:.1f} s apart from this machine's", "keep all clocks by NTP")
    return Finding(name, "ok", f"{apart:.1f} s apart from this machine's")


def _redis(here: Context) -> Iterator[Finding]:
    url = here.settings.redis_url
    try:
        with connect(url, text=True) as client:
            server: Any = client.info("server")
            memory: Any = client.info("memory")
            seconds, micros = client.time()
    except UNAVAILABLE as error:
        advice = "check REDIS_URL. Nothing accepted is lost meanwhile; it is delivered late"
        yield _failed("redis", f"does not answer: {type(error).__name__}", advice)
        return
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield _failed("redis", f"maxmemory-policy {policy}", "set noeviction: an evicted key is a lost bell")
    else:
        yield Finding("redis", "ok", f"version {server.get('redis_version', 'unknown')}")
    yield _clock("clock of redis", datetime.fromtimestamp(seconds + micros / 1e6, UTC))
    yield _queue(here)


def _queue(here: Context) -> Finding:
    name, channel = "message queue", here.settings.bus_topic
    writer = Publisher(here.settings.redis_url, channel)
    try:
        listeners = writer.round_trip()
    except (*UNAVAILABLE, TimeoutError) as error:
        return _failed(name, f"what is published is not heard: {type(error).__name__}", "check REDIS_URL")
    finally:
        writer.close()
    if not listeners:
        advice = f"is web running, with the same REDIS_URL and CARILLON_REDIS_CHANNEL ({channel})?"
        return Finding(name, "warning", "heard here, but no web process listens", advice)
    return Finding(name, "ok", f"heard here and by {listeners} web process{'es' if listeners > 1 else ''}")


def _workers(here: Context) -> Iterator[Finding]:
    probe = probes(here.settings, here.engine)["broker"]
    probe.begin()
    error = probe.result(time.monotonic() + PATIENCE)
    if error:
        yield _failed("broker", error, "check BROKER_URL. The relay does the work meanwhile, slowly")
        return
    yield Finding("broker", "ok", "answers")
    try:
        served = here.bells.served_queues()
    except OperationalError:
        yield _failed("workers", "cannot be asked", "check BROKER_URL")
        return
    missing = sorted({"intake", "housekeeping", *(spec.queue for spec in CHANNELS.values())} - served)
    if missing:
        yield _failed("workers", f"nobody serves {', '.join(missing)}", "start the processes of the Procfile")
    else:
        yield Finding("workers", "ok", f"serve {', '.join(sorted(served))}")


def _channels(here: Context) -> Iterator[Finding]:
    for name in CHANNELS:
        try:
            channel = registry.build_one(here.settings, "live", name)
        except SettingsError as error:
            yield _failed(f"channel {name}", str(error), "mend the settings")
            continue
        if channel is None:
            advice = "live notifications are not sent there; the README's table tells how to set it up"
            yield Finding(f"channel {name}", "warning", "not set up", advice)
            continue
        wrong = channel.check()
        channel.close()
        if wrong:
            yield _failed(f"channel {name}", wrong, "check credentials and network")
        else:
            yield Finding(f"channel {name}", "ok", "could send now")


def _keys(here: Context) -> Iterator[Finding]:
    try:
        kid, _ = here.keys.signer()
    except LookupError:
        if here.keys.by_kid:
            yield Finding("keys", "ok", "can verify tokens; others sign them")
        else:
            yield _failed("keys", "no token can be verified", "flask jwks create > jwks.json, and CARILLON_JWKS_FILE")
    else:
        yield Finding("keys", "ok", f"can verify {len(here.keys.by_kid)} and sign with {kid}")


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (_database, _redis, _workers, _keys, _channels)


@operations.command("doctor")
@json_option
def doctor(as_json: bool) -> None:
    """Examine every dependency, the way to the open pages, credentials and clocks. Sends nothing to anybody.

    Exit status 1 if anything has failed; warnings do not count.
    """
    findings: list[Finding] = []
    for check in CHECKS:
        for finding in check(context()):
            findings.append(finding)
            if not as_json:
                click.echo(_line(finding))
    failed = any(finding.verdict == "failed" for finding in findings)
    if as_json:
        say(as_json, {"healthy": not failed, "findings": [asdict(finding) for finding in findings]}, "")
    if failed:
        raise click.exceptions.Exit(1)


def _line(finding: Finding) -> str:
    verdict = click.style(finding.verdict.ljust(7), fg=_COLOURS[finding.verdict])
    advice = f"\n{' ' * 9}{finding.advice}" if finding.advice else ""
    return f"{verdict}  {finding.name}: {finding.found}{advice}"


COMMANDS = (doctor,)
