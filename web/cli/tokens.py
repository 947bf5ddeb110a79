"""carillon token: JWTs for clients, services and operators."""

from __future__ import annotations

import re
from datetime import timedelta

import click

from actions.tokens import LONGEST, mint, record_token
from carillon.fields import UserId
from carillon.problems import ValidationError
from carillon.validation import checked
from config.audiences import CLIENT, EVERY_TENANT, OPERATOR, SERVICE
from web.cli.caller import operator as operator_of_command
from web.cli.output import Group, json_option, print_answer
from web.cli.tenants import require_tenant
from web.context import context
from web.hints import create_jwks

tokens = Group("tokens")

_UNITS = {"s": 1, "m": 60, "h": 3600}


class Lifetime(click.ParamType[timedelta]):
    """A duration such as 15m, 1h or 30s, or a number of seconds."""

    name = "lifetime"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse the duration. Fails if it exceeds the maximum lifetime of a token."""
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"([0-9]{1,6})([smh]?)", str(value))
        lifetime = timedelta(seconds=int(match[1]) * _UNITS[match[2] or "s"]) if match else timedelta()
        if not timedelta() < lifetime <= LONGEST:
            self.fail("must be a duration such as 30s, 15m or 1h, at most 24h", param, ctx)
        return lifetime


@tokens.command("token")
@click.option("--user", help="A token for this user's clients.")
@click.option("--service", help="A token for this service.")
@click.option("--operator", help="A token for this operator. Without --tenant it is valid for every tenant.")
@click.option("--tenant", help="Required for --user and --service.")
@click.option(
    "--lifetime", type=Lifetime(), default="1h", show_default=True, help="Such as 30s, 15m or 1h; at most 24h."
)
@json_option
def token(
    user: str | None,
    service: str | None,
    operator: str | None,
    tenant: str | None,
    lifetime: timedelta,
    as_json: bool,
) -> None:
    """Print a new JWT, signed with the first key in CARILLON_JWKS_FILE that can and may sign it."""
    options = [(CLIENT, user), (SERVICE, service), (OPERATOR, operator)]
    given = [(audience, subject) for audience, subject in options if subject]
    if len(given) != 1:
        raise click.ClickException("give exactly one of --user, --service and --operator")
    [(audience, subject)] = given
    try:
        checked("name", UserId, subject)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    if tenant is None and audience != OPERATOR:
        raise click.ClickException("--tenant is required")
    if tenant is not None:
        require_tenant(tenant)
    keys, claims = context().keys.own(), context().claims
    try:
        minted = mint(
            keys, claims, audience=audience, subject=subject, tenant=tenant or EVERY_TENANT, lifetime=lifetime
        ).token
    except LookupError as error:
        raise click.ClickException(f"{error}; create one with {create_jwks(audience)}") from error
    record_token(context(), operator_of_command(tenant or EVERY_TENANT), audience, subject, lifetime)
    print_answer(as_json, {"token": minted, "expires_in": int(lifetime.total_seconds())}, minted)


COMMANDS = (token,)
