"""What was measured, as JSON, as text and as tables."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import attrs

from tests.benchmarks.measuring import Comparison, Spread, shown

PACKAGES = (
    "python-telegram-bot",
    "msgspec",
    "attrs",
    "cachetools",
    "aiogram",
    "transitions",
    "redis",
    "asyncpg",
)
Values = Mapping[str, Mapping[int, Sequence[float]]]


@attrs.define
class Results:
    """All that was measured.

    Attributes:
        versions: Of Python and of the packages.
        comparisons: By name: title, unit, goal, values by contender and size, figures.
        where: Per cent of a text step by part of the program.
    """

    versions: dict[str, str] = attrs.Factory(lambda: _versions())
    comparisons: dict[str, dict[str, Any]] = attrs.Factory(dict)
    where: dict[str, float] = attrs.Factory(dict)

    @classmethod
    def read(cls, file: Path) -> "Results":
        """Return what a file holds; empty results if there is none."""
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def write(self, file: Path) -> None:
        """Write everything to a file."""
        file.write_text(json.dumps(attrs.asdict(self), indent=1) + "\n")

    def add(self, comparison: Comparison, values: Values, order: Sequence[str] = ()) -> None:
        """Add what a comparison measured; `order` is that of the names, whatever was measured first."""
        self.comparisons[comparison.name] = {
            "title": comparison.title,
            "unit": comparison.unit,
            "kind": comparison.kind.value,
            "axis": comparison.axis,
            "goal": comparison.goal,
            "date": datetime.now(UTC).date().isoformat(),
            "values": {name: {str(size): found for size, found in by.items()} for name, by in values.items()},
            "figures": comparison.figures(values),
        }
        known = {name: number for number, name in enumerate(order)}
        self.comparisons = dict(sorted(self.comparisons.items(), key=lambda item: known.get(item[0], 0)))

    def add_where(self, shares: str) -> None:
        """Add where the time goes, from the JSON that `where` prints."""
        self.where = json.loads(shares)


def _versions() -> dict[str, str]:
    return {
        "Python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
        **{package: version(package) for package in PACKAGES},
    }


def described(comparison: Comparison, values: Values) -> str:
    """Return the lines that the program prints for a comparison."""
    lines = [f"{comparison.name}: {comparison.title}"]
    for name, by_size in values.items():
        for size, found in by_size.items():
            at = f", {size:,} {comparison.axis}" if comparison.axis else ""
            lines.append(f"    {name + at:44} {Spread.of(found)} {comparison.unit}")
    for number, (label, figure) in enumerate(comparison.figures(values).items()):
        goal = f", {verdict(comparison.goal, figure)}" if number == 0 and comparison.goal else ""
        lines.append(f"    {label:44} {Spread.of(figure)}{goal}")
    return "\n".join(lines)


def verdict(goal: float | None, figure: Sequence[float]) -> str:
    """Return whether a figure's median is within its goal, in words."""
    if goal is None:
        return ""
    word = "reached" if Spread.of(figure).median <= goal else "not reached"
    return f"{shown(goal)} at most: {word}"
