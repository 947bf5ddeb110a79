"""flask token: JWTs for clients, services and operators."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from web.auth import CLIENT, LONGEST, OPERATOR, SERVICE, mint
from web.cli.output import Group, json_option, say
from web.cli.tenants import require_tenant
from web.context import context

tokens = Group("tokens")

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
        require_tenant(tenant)
    issuer = context().settings.jwt_issuer
    try:
        minted = mint(
            context().keys, issuer, audience=audience, subject=subject, tenant=tenant or "*", lifetime=lifetime
        )
    except LookupError as error:
        raise click.ClickException(f"{error}; flask jwks create > jwks.json makes one") from error
    say(as_json, {"token": minted, "expires_in": int(lifetime.total_seconds())}, minted)


COMMANDS = (token,)
