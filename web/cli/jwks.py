"""flask jwks: the keys that sign tokens."""

from __future__ import annotations

import json
import secrets

import click

from web.cli.output import Group, json_option, print_answer

jwks = Group("jwks", help="Keys that sign tokens.")
COMMANDS = (jwks,)


@jwks.command("create")
@click.option("--kid", help="The id of the key. Default: random.")
@json_option
def create_jwks(kid: str | None, as_json: bool) -> None:
    """Print a JWKS with one new HS256 key, for CARILLON_JWKS_FILE.

    To rotate keys, put the new key first and keep the old one until its last token has expired.
    """
    key = {
        "kty": "oct",
        "kid": kid or secrets.token_hex(4),
        "alg": "HS256",
        "k": secrets.token_urlsafe(32),
    }
    print_answer(as_json, {"keys": [key]}, json.dumps({"keys": [key]}, indent=2))
