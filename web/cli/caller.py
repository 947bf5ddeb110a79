"""The principal of commands, as the audit log names it."""

from __future__ import annotations

import getpass
import os

from actions.principal import Mode, Principal
from config.audiences import EVERY_TENANT


def operator(tenant: str = EVERY_TENANT, mode: Mode = "live") -> Principal:
    """Return the person who runs the command, as an operator of the tenant."""
    try:
        login = getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        login = str(os.getuid())
    return Principal("operator", tenant, f"cli:{login}", mode)
