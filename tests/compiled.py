"""What libraries compile, kept for the process: every test has an application and engines of its own, all alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import sqlalchemy
from flask import Flask
from sqlalchemy import Engine
from werkzeug.routing import Rule

from models.sql import engine as engine_module


def share() -> None:
    """Make applications share the URL builders of their routes, and engines on SQLite the SQL of their statements."""
    Flask.url_rule_class = _Rule
    first = sqlalchemy.create_engine("sqlite://", query_cache_size=5000)
    # The dialect is complete only when it has seen a database.
    first.connect().close()

    def create_engine(url: str, **options: Any) -> Engine:
        engine = sqlalchemy.create_engine(url, **options)
        if engine.dialect.name == first.dialect.name:
            engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
        return engine

    engine_module.create_engine = create_engine


class _Rule(Rule):
    """Werkzeug compiles two builders for each route, which is two thirds of the time that an application takes."""

    _builders: ClassVar[dict[Any, Callable[..., tuple[str, str]]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (tuple(self._trace), tuple((self.defaults or {}).items()), append_unknown)
        if key not in self._builders:
            self._builders[key] = super()._compile_builder(append_unknown)
        return self._builders[key]
