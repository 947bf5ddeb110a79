"""Commands in hints: what Carillon tells a person to run can be run as it is written."""

from __future__ import annotations

import os
import shlex


def command(*words: str) -> str:
    """Return a command of Carillon's, quoted for the shell, by the name that it was started by."""
    return shlex.join([os.environ.get("_CARILLON_COMMAND", "bin/carillon"), *words])


# The file can be read by its owner only.
CREATE_JWKS = command("jwks", "create", "--output", "jwks.json")
