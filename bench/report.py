"""Reports benchmark results: a printed table, a JSON file with the machine and the versions, and an SVG chart."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("celery", "kombu", "redis", "sqlalchemy", "psycopg", "python-socketio", "gevent", "gunicorn", "pycurl")


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement: its figure, and further figures in `more`. `ours` is set for Carillon's own."""

    name: str
    figure: float
    more: dict[str, float] = field(default_factory=dict)
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """The measurements that a benchmark compares. `less` is set if smaller figures are better."""

    name: str
    title: str
    unit: str
    lines: list[Line]
    aims: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    less: bool = False

    def table(self) -> str:
        """Return a table of all measurements, with their ratios to those of the peers."""
        peers = [line for line in self.lines if not line.ours]
        more = list(dict.fromkeys(key for line in self.lines for key in line.more))
        rows = [["", self.unit, *more, *(f"× {chr(65 + i)}" for i in range(len(peers)))]]
        for line in self.lines:
            letter = f"{chr(65 + peers.index(line))}  " if line in peers else "   "
            ratios = [peer.figure / line.figure if self.less else line.figure / peer.figure for peer in peers]
            rows.append(
                [
                    letter + line.name,
                    _number(line.figure),
                    *(_number(line.more[key]) if key in line.more else "" for key in more),
                    *(f"{ratio:.2f}" for ratio in ratios),
                ]
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        text = [f"\n{self.title}"]
        for name, *figures in rows:
            cells = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
            text.append("  " + "  ".join([name.ljust(widths[0]), *cells]).rstrip())
        return "\n".join([*text, *(f"  aim: {aim}" for aim in self.aims)])

    def save(self, folder: Path = RESULTS) -> None:
        """Write name.json and name.svg."""
        folder.mkdir(exist_ok=True)
        found = asdict(self) | {"machine": machine(), "versions": versions() | self.versions}
        (folder / f"{self.name}.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        (folder / f"{self.name}.svg").write_text(self.chart())

    def chart(self) -> str:
        """Return a bar chart as SVG."""
        maximum = max(line.figure for line in self.lines) or 1
        height = 54 + 30 * len(self.lines)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif">',
            f'<rect width="760" height="{height}" fill="#ffffff"/>',
            f'<text x="12" y="22" font-size="15">{escape(self.title)} ({escape(self.unit)})</text>',
        ]
        for number, line in enumerate(self.lines):
            y = 44 + 30 * number
            width = max(330 * line.figure / maximum, 1)
            colour = "#b45309" if line.ours else "#94a3b8"
            parts += [
                f'<text x="12" y="{y + 15}" font-size="13">{escape(line.name)}</text>',
                f'<rect x="330" y="{y}" width="{width:.0f}" height="20" fill="{colour}"/>',
                f'<text x="{336 + width:.0f}" y="{y + 15}" font-size="13">{_number(line.figure)}</text>',
            ]
        return "".join([*parts, "</svg>\n"])


def machine() -> dict[str, str | int]:
    """Describe this machine, with the current time."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model,
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python, Node and the packages that affect the results."""
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return {"python": platform.python_version(), "node": node, **{name: version(name) for name in _PACKAGES}}


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
