"""How something is measured: contenders in processes of their own, taking turns, compared within a repetition.

A `Comparison` has contenders that do the same work, which they verify themselves. In each repetition every
contender runs in a fresh process: none finds the caches, the heap or the imports of another one. They work in
slices, and hand on the turn after each, so that a slow moment of the machine strikes all of them. What one
measures is the median of its slices; of each repetition one ratio is taken, and what is told is the median of
those, and how far they lie apart.
"""

import asyncio
import contextlib
import enum
import gc
import inspect
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

ROOT = Path(__file__).parents[2]
PROCESSOR = "µs of processor time"
WALL = "µs"
SLICES = 10
"""Turns that a contender has."""


@attrs.frozen
class Load:
    """How much a contender has to do.

    Attributes:
        size: Where it stands on the comparison's axis: so many states, chats, …
        quick: Whether only the program is tried: what comes out is no figure.
        turn: Waits until it is the contender's turn; called before each slice.
    """

    size: int = 0
    quick: bool = False
    turn: Callable[[], None] = lambda: None

    def of(self, count: int, least: int = 1) -> int:
        """Return how often something is to be done that is done `count` times for a figure."""
        return max(least, count // 100) if self.quick else count


Measure = Callable[[Load], float | Awaitable[float]]


class Kind(enum.Enum):
    """Which figure of a comparison is held against its goal."""

    RATIO = "ratio"
    """The first contender's by the second's."""
    GROWTH = "growth"
    """The first contender's at the last size by its own at the first one."""
    DIFFERENCE = "difference"
    """The first contender's less the second's."""
    VALUE = "value"
    """The first contender's own, at the last size."""


@attrs.frozen
class Comparison:
    """Contenders that do the same work.

    Attributes:
        name: What `--only` calls it.
        title: What is done.
        unit: What a contender returns.
        contenders: By name; the first is fsmkit's.
        goal: What its figure must not exceed.
        kind: Which figure that is.
        axis: What the sizes count.
        sizes: Where it is measured; only at the first and the last one, where no curve is asked for.
        most: Repetitions that are enough, for what is counted and not timed.
        alone: Whether it needs processes of its own, so that `--quick` leaves it out.
    """

    name: str
    title: str
    unit: str
    contenders: Mapping[str, Measure]
    goal: float | None = None
    kind: Kind = Kind.RATIO
    axis: str = ""
    sizes: tuple[int, ...] = (0,)
    most: int = 1000
    alone: bool = False

    def figures(self, values: Mapping[str, Mapping[int, Sequence[float]]]) -> dict[str, list[float]]:
        """Return the figures of all repetitions by name; the first is held against the goal."""
        mine, *others = self.contenders
        first, last = min(values[mine]), max(values[mine])
        found: dict[str, list[float]] = {}
        if self.kind is Kind.GROWTH:
            for name in self.contenders:
                found[f"{name}: {last} by {first} {self.axis}"] = _each(
                    float.__truediv__, values[name][last], values[name][first]
                )
        elif self.kind is Kind.VALUE:
            found[mine] = list(values[mine][last])
        by_value = self.kind is Kind.DIFFERENCE
        for other in others:
            sign, operation = ("-", float.__sub__) if by_value else ("/", float.__truediv__)
            found[f"{mine} {sign} {other}"] = _each(operation, values[mine][last], values[other][last])
        return found


def _each(operation: Any, mine: Iterable[float], theirs: Iterable[float]) -> list[float]:
    return [operation(one, other) for one, other in zip(mine, theirs, strict=True)]


@attrs.frozen
class Spread:
    """What came out of all repetitions: the median, and how far they lie apart."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of some values."""
        return cls(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{shown(self.median)} (from {shown(self.low)} to {shown(self.high)})"


def shown(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"


TURN = "turn"
"""What a contender says that waits for its turn; at last it says what it measured."""


@attrs.frozen
class _Contender:
    """One that runs in a process of its own."""

    process: "subprocess.Popen[str]"
    errors: IO[str]

    def go_on(self) -> str:
        """Give it the turn; return what it says when it hands it on.

        Raises:
            RuntimeError: If it fails, with what it had to say.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        said = self.process.stdout.readline().strip()
        if not said:
            self.errors.seek(0)
            raise RuntimeError(f"{self.process.args} failed:\n{self.errors.read()}")
        return said


class Runner:
    """Runs contenders, each in a fresh process.

    Args:
        bytecode: A directory for bytecode that they share, so that imports cost what they cost where a package
            is installed; without one they have what is there.
        quick: Whether only the program is tried: then all of them run in this process.
    """

    def __init__(self, bytecode: Path | None = None, *, quick: bool = False) -> None:
        self._quick = quick
        self._env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        if bytecode is not None:
            self._env["PYTHONPYCACHEPREFIX"] = str(bytecode)
            self._env.pop("PYTHONDONTWRITEBYTECODE", None)
        if quick:
            gc.freeze()  # what was imported need not be looked through again for each contender

    def measure(
        self, comparison: Comparison, module: str, repetitions: int, *, curve: bool = False
    ) -> dict[str, dict[int, list[float]]]:
        """Let the contenders take turns; return what each measured, by its name and the size."""
        sizes = comparison.sizes[:2] if self._quick else comparison.sizes
        if not curve:
            sizes = tuple(dict.fromkeys((sizes[0], sizes[-1])))
        values: dict[str, dict[int, list[float]]] = {
            name: {size: [] for size in sizes} for name in comparison.contenders
        }
        turns = [(name, size) for size in sizes for name in comparison.contenders]
        for repetition in range(min(repetitions, comparison.most)):
            order = turns if repetition % 2 == 0 else turns[::-1]
            for (name, size), took in zip(order, self._in_turns(comparison, module, order), strict=True):
                values[name][size].append(took)
        return values

    def _in_turns(self, comparison: Comparison, module: str, order: Sequence[tuple[str, int]]) -> list[float]:
        """Run contenders at their sizes, of which one works at a time; return what each measured."""
        if self._quick:
            return [run_here(comparison, name, Load(size, quick=True)) for name, size in order]
        with contextlib.ExitStack() as stack:
            contenders = [
                stack.enter_context(self._contender(module, comparison.name, name, size))
                for name, size in order
            ]
            said = [""] * len(order)
            while TURN in said or "" in said:
                for number, contender in enumerate(contenders):
                    if said[number] in ("", TURN):
                        said[number] = contender.go_on()
        return [float(each) for each in said]

    @contextlib.contextmanager
    def _contender(self, *args: str | int) -> Iterator["_Contender"]:
        with tempfile.TemporaryFile("w+") as errors:
            command = [sys.executable, "-m", f"{__package__}.contender", *map(str, args)]
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            with process:
                yield _Contender(process, errors)

    def run(self, module: str, *args: str) -> str:
        """Run a module of this package in a process of its own; return what it prints.

        Raises:
            RuntimeError: If it fails, with what it had to say.
        """
        command = [sys.executable, "-m", f"{__package__}.{module}", *args]
        done = subprocess.run(command, cwd=ROOT, env=self._env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{module} {' '.join(args)} failed:\n{done.stderr}")
        return done.stdout


def run_here(comparison: Comparison, contender: str, load: Load) -> float:
    """Run one contender in this process."""
    found = comparison.contenders[contender](load)
    return asyncio.run(_awaited(found)) if inspect.isawaitable(found) else found


async def _awaited(found: Awaitable[float]) -> float:
    return await found


async def cost_of(
    items: Sequence[Any], work: Callable[[Any], Awaitable[object]], load: Load, warm: int = 500
) -> float:
    """Return what one item costs, in µs of processor time: the median of the slices; the first ones warm up."""
    warm = min(load.of(warm), len(items) // 2)  # of a few, half
    for item in items[:warm]:
        await work(item)
    gc.collect()
    took, size = [], -(-(len(items) - warm) // SLICES)
    for first in range(warm, len(items), size):
        load.turn()
        begin = time.process_time()
        for item in items[first : first + size]:
            await work(item)
        took.append((time.process_time() - begin) / len(items[first : first + size]) * 1e6)
    return statistics.median(took)
