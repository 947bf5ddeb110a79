"""Clocks that are set while processes run: the machine's, and the database's."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine

from models.sql import clock as module

_READ = module._READ


class Clocks:
    """What the processes of this test see of the clocks. Nothing waits: time passes by `passed`."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sqlite = engine.dialect.name == "sqlite"
        self._monkeypatch = monkeypatch
        self._machine = 0.0
        self._database = 0.0
        self.passed = 0.0
        shown = SimpleNamespace(
            time=lambda: time.time() + self._machine + self.passed, monotonic=lambda: time.monotonic() + self.passed
        )
        monkeypatch.setattr(module, "time", shown)
        # A reading with each connection that is taken.
        monkeypatch.setattr(module, "INTERVAL", 0.0)

    def set_machine(self, seconds: float) -> None:
        """Set the clock of the machine on which the processes run: by so much forward, or back."""
        self._machine += seconds

    def set(self, seconds: float) -> None:
        """Set the clock of the installation."""
        if self._sqlite:
            self.set_machine(seconds)
        else:
            self._database += seconds
            self._show()

    def pass_(self, seconds: float) -> None:
        """Let time pass on all clocks."""
        self.passed += seconds
        self._show()

    def _show(self) -> None:
        self._monkeypatch.setattr(module, "_READ", f"{_READ} + {self._database + self.passed}")
