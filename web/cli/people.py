"""flask tenants, keys, token, jwks: who may do what."""

from __future__ import annotations

import json
import re
import secrets
from datetime import timedelta
from typing import Literal

import click
from sqlalchemy import Connection

from actions import tenants as actions
from actions.problems import Problem
from models.sql.engine import read
from models.tenants.api_keys import list_api_keys
from models.tenants.queries import MAX_WEIGHT, dialect_of, tenant_exists, weight_of
from web.auth import CLIENT, LONGEST, OPERATOR, SERVICE, TENANT, mint
from web.cli.output import Group, json_option, say, table
from web.context import context
from web.dialects import MIXED, ROOT_DIALECTS

tenants = Group("tenants", help="Isolated customers.")
keys = Group("keys", help="API keys of services.")
tokens = Group("tokens")
jwks = Group("jwks", help="The keys that tokens are signed with.")

_UNITS = {"s": 1, "m": 60, "h": 3600}


class Lifetime(click.ParamType[timedelta]):
    """15m, 1h, 30s, or a number of seconds."""

    name = "lifetime"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """The duration; fails above what a token may live."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,6})([smh]?)", str(value))
        lifetime = timedelta(seconds=int(found[1]) * _UNITS[found[2] or "s"]) if found else timedelta()
        if not timedelta() < lifetime <= LONGEST:
            self.fail("give a time such as 30s, 15m or 1h, at most 24h", param, ctx)
        return lifetime


def _need_tenant(connection: Connection, tenant: str) -> None:
    if not tenant_exists(connection, tenant):
        raise click.ClickException(f"there is no tenant {tenant}: run flask tenants create {tenant}")


@tenants.command("create")
@click.argument("tenant")
@click.option("--name", help="For people; the id if not given.")
@json_option
def create_tenant(tenant: str, name: str | None, as_json: bool) -> None:
    """Create a tenant. Nothing is done where it exists."""
    if not TENANT.fullmatch(tenant):
        raise click.ClickException("the id of a tenant has 1 to 64 letters, digits and _ . : -")
    _, created = actions.create_tenant(context(), tenant, (name or tenant)[:200])
    say(as_json, {"tenant": tenant, "created": created}, f"{tenant} {'created' if created else 'exists already'}")


@tenants.command("dialect")
@click.argument("tenant")
@click.argument("dialect", required=False, type=click.Choice(ROOT_DIALECTS))
@json_option
def tenant_dialect(tenant: str, dialect: str | None, as_json: bool) -> None:
    """Say what Socket.IO clients speak that name no dialect, or tell what they do. It holds from their next connection.

    mixed, where nothing was said: all names at once, so that every kind of client works without being told.
    """
    with read(context().engine) as connection:
        _need_tenant(connection, tenant)
    if dialect is not None:
        actions.choose_dialect(context(), tenant, dialect)
    with read(context().engine) as connection:
        spoken = dialect_of(connection, tenant) or MIXED.name
    say(as_json, {"tenant": tenant, "dialect": spoken}, spoken)


@tenants.command("weight")
@click.argument("tenant")
@click.argument("weight", required=False, type=click.IntRange(1, MAX_WEIGHT))
@json_option
def tenant_weight(tenant: str, weight: int | None, as_json: bool) -> None:
    """Say how many times the share of a tenant of weight 1 it gets, or tell it. It holds from the next batch on.

    1, where nothing was said. Each batch is divided by the weights of those who wait; what one does not need goes to
    the others.
    """
    with read(context().engine) as connection:
        _need_tenant(connection, tenant)
    if weight is not None:
        actions.set_weight(context(), tenant, weight)
    with read(context().engine) as connection:
        holds = weight_of(connection, tenant)
    say(as_json, {"tenant": tenant, "weight": holds}, str(holds))


@keys.command("create")
@click.option("--tenant", required=True)
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--name", required=True, help="What it is for.")
@json_option
def create_key(tenant: str, mode: Literal["live", "test"], name: str, as_json: bool) -> None:
    """Make an API key and print it: the only time it can be read."""
    with read(context().engine) as connection:
        _need_tenant(connection, tenant)
    key = actions.create_key(context(), tenant, mode, name[:200]).key
    say(as_json, {"key": key, "tenant": tenant, "mode": mode, "name": name}, key)


@keys.command("list")
@click.option("--tenant", required=True)
@json_option
def list_keys(tenant: str, as_json: bool) -> None:
    """List a tenant's keys by their prefixes."""
    with read(context().engine) as connection:
        _need_tenant(connection, tenant)
        rows = [row._asdict() for row in list_api_keys(connection, tenant)]
    say(as_json, rows, table(rows))


@keys.command("revoke")
@click.argument("prefix")
@click.option("--tenant", required=True)
@json_option
def revoke_key(prefix: str, tenant: str, as_json: bool) -> None:
    """Make a key useless from now on. PREFIX is what flask keys list shows."""
    try:
        actions.revoke_key(context(), tenant, prefix)
    except Problem as problem:
        raise click.ClickException(f"{tenant} has no key {prefix}: run flask keys list --tenant {tenant}") from problem
    say(as_json, {"prefix": prefix, "revoked": True}, f"{prefix} revoked")


@tokens.command("token")
@click.option("--user", help="For this user's clients.")
@click.option("--service", help="For this service.")
@click.option("--operator", help="For this operator, of every tenant if --tenant is not given.")
@click.option("--tenant")
@click.option("--lifetime", type=Lifetime(), default="1h", show_default=True, help="30s, 15m, 1h; at most 24h.")
@json_option
def token(
    user: str | None,
    service: str | None,
    operator: str | None,
    tenant: str | None,
    lifetime: timedelta,
    as_json: bool,
) -> None:
    """Mint a JWT, signed with the first key of CARILLON_JWKS_FILE that can sign."""
    given = [(CLIENT, user), (SERVICE, service), (OPERATOR, operator)]
    named = [(audience, subject) for audience, subject in given if subject]
    if len(named) != 1:
        raise click.ClickException("name exactly one of --user, --service and --operator")
    [(audience, subject)] = named
    if not subject.isprintable() or len(subject) > 128:
        raise click.ClickException("a name has 1 to 128 printable characters")
    if tenant is None and audience != OPERATOR:
        raise click.ClickException("say which tenant with --tenant")
    if tenant is not None:
        with read(context().engine) as connection:
            _need_tenant(connection, tenant)
    issuer = context().settings.jwt_issuer
    try:
        minted = mint(
            context().keys, issuer, audience=audience, subject=subject, tenant=tenant or "*", lifetime=lifetime
        )
    except LookupError as error:
        raise click.ClickException(f"{error}; flask jwks create > jwks.json makes one") from error
    say(as_json, {"token": minted, "expires_in": int(lifetime.total_seconds())}, minted)


@jwks.command("create")
@click.option("--kid", help="The key's name; random if not given.")
@json_option
def create_jwks(kid: str | None, as_json: bool) -> None:
    """Print a JWKS with one new HS256 key, for CARILLON_JWKS_FILE.

    To rotate, put the new key first and keep the old one until its last token has expired.
    """
    key = {
        "kty": "oct",
        "kid": kid or secrets.token_hex(4),
        "alg": "HS256",
        "k": secrets.token_urlsafe(32),
    }
    say(as_json, {"keys": [key]}, json.dumps({"keys": [key]}, indent=2))


COMMANDS = (tenants, keys, token, jwks)
