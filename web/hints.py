"""Commands in hints: what Carillon tells a person to run can be run as it is written."""

from __future__ import annotations

import os
import shlex


def command(*words: str) -> str:
    """Return a command of Carillon's, quoted for the shell, by the name that it was started by."""
    return shlex.join([os.environ.get("_CARILLON_COMMAND", "bin/carillon"), *words])


def create_jwks(audience: str) -> str:
    """Return the command that makes a key that signs for an audience, in a file that its owner alone can read."""
    return command("jwks", "create", "--audience", audience.removeprefix("carillon:"), "--output", "jwks.json")
