"""Released migrations do not change, and later ones let the version before run beside the next."""

from __future__ import annotations

import hashlib
import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tests.databases import ROOT

VERSIONS = ROOT / "migrations" / "versions"
RELEASED: dict[str, dict[str, str]] = tomllib.loads((ROOT / "migrations" / "released.toml").read_text())


def migrations() -> dict[str, Path]:
    """The file of each revision, in their order."""
    return {path.name[:4]: path for path in sorted(VERSIONS.glob("[0-9][0-9][0-9][0-9]_*.py"))}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("revision", RELEASED)
def test_a_released_migration_is_as_it_was(revision: str):
    path = migrations()[revision]
    said = RELEASED[revision]
    assert sha256(path) == said["sha256"], (
        f"{path.name} was released with {said['version']} and must not change: write a new migration instead"
    )


def test_a_changed_byte_is_noticed(tmp_path: Path):
    copy = tmp_path / "copy.py"
    copy.write_bytes(migrations()["0001"].read_bytes() + b"\n")
    assert sha256(copy) != RELEASED["0001"]["sha256"]


def test_revisions_are_numbered_without_gaps_and_form_one_line():
    found = migrations()
    assert list(found) == [f"{number:04}" for number in range(1, len(found) + 1)]
    for before, (revision, path) in zip([None, *found], found.items(), strict=False):
        module = load(path)
        assert (module.revision, module.down_revision) == (revision, before)
    assert list(RELEASED) == list(found)[: len(RELEASED)], "a migration is older than a released one"


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Incompatible(AssertionError):
    """The migration would break processes of the version before."""


class Recorder:
    """Stands in for `alembic.op`: lets additions pass, and refuses what a running older process would feel."""

    def __init__(self, dialect: str) -> None:
        self._real = Operations(MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True}))
        self._dialect = dialect
        self.new_tables: set[str] = set()

    def get_bind(self) -> Any:
        return sa.create_mock_engine(f"{self._dialect}://", lambda *_: None)

    def f(self, name: str) -> Any:
        return self._real.f(name)

    def create_table(self, name: str, *_: Any, **__: Any) -> None:
        self.new_tables.add(name)

    def create_index(self, _name: str, table: str, *_: Any, **options: Any) -> None:
        if options.get("unique") and table not in self.new_tables:
            raise Incompatible(f"a unique index on {table}, which older processes write to")

    def add_column(self, table: str, column: sa.Column[Any], **_: Any) -> None:
        if table not in self.new_tables and not column.nullable and column.server_default is None:
            raise Incompatible(f"{table}.{column.name} is NOT NULL without a default: older processes do not write it")

    def execute(self, statement: Any, **_: Any) -> None:
        words = str(statement).split()
        head = " ".join(words[:2]).upper()
        if head.startswith(("CREATE FUNCTION", "CREATE INDEX", "CREATE TRIGGER", "CREATE VIRTUAL", "COMMENT ON")):
            table = words[words.index("ON") + 1] if head == "CREATE TRIGGER" else None
            if table is not None and table not in self.new_tables:
                raise Incompatible(f"a trigger on {table}, which older processes write to")
            return
        raise Incompatible(f"{head} …")

    def __getattr__(self, name: str) -> Any:
        def refuse(*given: Any, **_: Any) -> None:
            raise Incompatible(f"{name}({', '.join(map(str, given[:2]))})")

        return refuse


def run(module: Any, dialect: str) -> None:
    recorder = Recorder(dialect)
    real = module.op
    module.op = recorder
    try:
        module.upgrade()
    finally:
        module.op = real


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("path", [path for revision, path in migrations().items() if revision > "0001"], ids=str)
def test_the_version_before_runs_beside_a_migration(path: Path, dialect: str):
    run(load(path), dialect)


@pytest.mark.parametrize(
    "operation",
    [
        lambda o: o.drop_column("users", "locale"),
        lambda o: o.drop_table("users"),
        lambda o: o.rename_table("users", "people"),
        lambda o: o.alter_column("users", "locale", nullable=False),
        lambda o: o.add_column("users", sa.Column("age", sa.Integer(), nullable=False)),
        lambda o: o.create_index("ix", "users", ["locale"], unique=True),
        lambda o: o.execute("ALTER TABLE users DROP COLUMN locale"),
        lambda o: o.execute("CREATE TRIGGER t AFTER INSERT ON users EXECUTE FUNCTION f()"),
        lambda o: o.batch_alter_table("users"),
    ],
)
def test_what_would_break_it_is_refused(operation: Any):
    class Bad:
        pass

    bad: Any = Bad()
    bad.op = op
    bad.upgrade = lambda: operation(bad.op)
    with pytest.raises(Incompatible):
        run(bad, "postgresql")
