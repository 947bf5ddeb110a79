"""carillon jwks: the keys that sign tokens. Needs no settings: it makes the file that a setting names."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

import click

from config.audiences import AUDIENCES, USUAL_AUDIENCES, tenant_ids
from config.jwt_keys import AUDIENCES_MEMBER, TENANTS_MEMBER
from web.cli.output import Group, json_option, print_answer

jwks = Group("jwks", help="Keys that sign tokens.")
COMMANDS = (jwks,)


@jwks.command("create", with_appcontext=False)
@click.option("--kid", help="The id of the key. Default: random.")
@click.option(
    "--audience",
    "audiences",
    type=click.Choice([name.removeprefix("carillon:") for name in AUDIENCES]),
    multiple=True,
    help="Whose tokens it may sign; can be repeated. Default: client and service.",
)
@click.option("--tenant", "tenants", multiple=True, help="Bind it to this tenant; can be repeated. Default: every one.")
@click.option("--output", type=click.Path(path_type=Path), help="Write a new file that only its owner can read.")
@json_option
def create_jwks(
    kid: str | None, audiences: tuple[str, ...], tenants: tuple[str, ...], output: Path | None, as_json: bool
) -> None:
    """Print a JWKS with one new HS256 key, for CARILLON_JWKS_FILE, or write it to a file.

    Bind the key of somebody else's server to its tenant. Only a key made with --audience operator signs operators.
    To rotate keys, put the new key first and keep the old one until its last token has expired.
    """
    key: dict[str, str | list[str]] = {
        "kty": "oct",
        "kid": kid or secrets.token_hex(4),
        "alg": "HS256",
        "k": secrets.token_urlsafe(32),
        AUDIENCES_MEMBER: [f"carillon:{name}" for name in audiences] or [*USUAL_AUDIENCES],
    }
    if tenants:
        try:
            key[TENANTS_MEMBER] = tenant_ids(tenants)
        except ValueError as error:
            raise click.ClickException(f"--tenant {error}") from error
    document = {"keys": [key]}
    text = json.dumps(document, indent=2)
    if output is None:
        print_answer(as_json, document, text)
        return
    try:
        with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text + "\n")
    except OSError as error:
        raise click.ClickException(f"{output} was not written: {error.strerror}") from error
    print_answer(
        as_json, {"file": str(output), "kid": key["kid"]}, f"{output} written; set CARILLON_JWKS_FILE={output}"
    )
