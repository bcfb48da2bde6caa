"""What is played: flows out of a file, and drivers that run them, from the beginning or a checkpoint.

Everything that may go wrong with a new version of a file goes wrong in `PlayedFlows(...)`: a bot that runs is
not touched before its successor is loaded, checked and drawn.
"""

import abc
import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from fsmkit.engine.engine import Engine
from fsmkit.errors import FsmkitError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import shown_path
from fsmkit.graph.drawing import Arrow, Chip, Drawing, drawing_of
from fsmkit.graph.graph import Edge, Graph, graph_of
from fsmkit.graph.layout import LayoutError
from fsmkit.graph.svg import svg
from fsmkit.interpreter.migrations import compatibility
from fsmkit.interpreter.row import Row
from fsmkit.play.export import pytest_test
from fsmkit.play.offers import offers_of
from fsmkit.play.recorder import call_of
from fsmkit.play.steps import PlayedStep
from fsmkit.play.views import key_name, rows_in, stored_of
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.coverage import Coverage, Crossing
from fsmkit.testing.findings import seen_from_here
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.background import cancel_tasks
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.ptb_driver import Checkpoint, PTBDriver
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.loading import LoadedFile, load, remembers

Shown = dict[str, Any]


Live = Callable[[PTBDriver], Awaitable[None]]
"""A life: what is done with a driver that is open, until its end."""


class Played(abc.ABC):
    """One version of a bot, ready to be played.

    Attributes:
        name: What the page is headed with.
        flows: Its flows; none for a bot that has none.
        remembers: Whether something may be kept beside the store, so that going back has to begin anew.
        refused: What cannot be done with it.
    """

    name: str
    flows: tuple[Flow[Any], ...] = ()
    remembers: bool = True
    refused: tuple[type[Action], ...] = ()

    @abc.abstractmethod
    def run(self, start: float, saved: Checkpoint | None, observers: Sequence[Any], live: Live) -> None:
        """Let the bot live, in an event loop of its own, until the life is over.

        Args:
            start: The time at which everything begins, in seconds since 1970.
            saved: Where it goes on; `None`: from the beginning.
            observers: Who watches its engine.
            live: The life.
        """

    @abc.abstractmethod
    def calls(self, observation: Observation, results: Sequence[Shown]) -> list[Shown]:
        """Return the handlers that ran in a step, with what they returned.

        Args:
            observation: What came of the step.
            results: What the engine has noted of results.
        """

    @abc.abstractmethod
    def offers(self, driver: PTBDriver, user: int, row: Row) -> list[Shown]:
        """Return what a person could say now, where the driver talks to the bot."""

    @abc.abstractmethod
    async def stored(self, driver: PTBDriver, people: Sequence[int]) -> Shown:
        """Return all that is stored, by whose it is."""

    def drawn(self) -> tuple[str, str]:
        """Return the drawing of its flows as SVG, or else why there is none; may take a second."""
        return "", "This bot has no flows, so that there is no diagram."

    def again(self) -> "Played":
        """Return the version that stands in the file now.

        Raises:
            FsmkitError: If there is a mistake in it.
        """
        return self

    def way_to(self, flow: str, state: str) -> tuple[Action, ...] | None:
        """Return the shortest conversation that leads to a state; `None`: none was found."""
        raise NotThereError(f"this bot has no flow {flow!r} with a state {state!r}")

    def as_test(self, path: Sequence[PlayedStep], start: float) -> str:  # noqa: ARG002
        """Return a conversation as a test."""
        raise NotThereError("only a bot with flows can be written down as a test; there is the transcript")

    def lost(self, rows: Sequence[Row]) -> list[str]:  # noqa: ARG002
        """Return what a deploy of this version would lose of conversations that run."""
        return []

    def files(self) -> list[Path]:
        """Return the files whose change makes another version."""
        return []

    @cached_property
    def findings(self) -> list[Shown]:
        """What `fsmkit check` says."""
        return []

    @cached_property
    def states(self) -> Shown:
        """What is said of each state, by `flow/state`."""
        return {}

    @cached_property
    def arrows(self) -> Shown:
        """Who takes each arrow and chip of the drawing, by its id."""
        return {}

    @cached_property
    def places(self) -> frozenset[str]:
        """Where handlers stand: the only places whose source the page may ask for."""
        return frozenset()


class PlayedFlows(Played):
    """One version of a file's flows, ready to be played.

    Args:
        target: `FILE[:FLOW]`.
        resources: The name of a class or function of the file that makes `ctx.resources`.
        lang: The people's language code.

    Raises:
        FsmkitError: If the file cannot be loaded or its flows do not fit together.
    """

    def __init__(self, target: str, *, resources: str | None = None, lang: str = "en") -> None:
        self.target = target
        self.loaded: LoadedFile = load(target)
        self.flows, self.name = self.loaded.flows, shown_path(self.loaded.name)
        self._made: Callable[[], Any] | None = None if resources is None else self.loaded.maker(resources)
        self.resources, self._lang = resources, lang
        self._compiled = Engine(*self.flows).flows
        self.graph: Graph = graph_of(*self.flows)
        self.drawing: Drawing = drawing_of(self.graph)
        self._picture: concurrent.futures.Future[tuple[str, str]] = concurrent.futures.Future()
        threading.Thread(target=self._draw, name="fsmkit drawing", daemon=True).start()
        self.remembers = resources is not None or remembers(self.flows)
        self._edges: dict[Crossing, Edge] = Coverage(self.graph, {}).declared

    def drawn(self) -> tuple[str, str]:
        """Return the drawing; see `Played.drawn`."""
        return self._picture.result()

    def _draw(self) -> None:
        """Draw, while the bot starts."""
        try:
            if self.drawing.spots:
                self._picture.set_result((svg(self.drawing, styled=False), ""))
            else:
                self._picture.set_result(("", "These flows have no states to draw."))
        except LayoutError as error:
            self._picture.set_result(("", str(error)))
        except Exception as error:
            self._picture.set_exception(error)

    @cached_property
    def findings(self) -> list[Shown]:
        """What `fsmkit check` says."""
        from fsmkit.testing.lint import lint  # later: the page does not wait for it

        return [{"line": each.line, "note": each.note} for each in lint(*self.flows)]

    @cached_property
    def states(self) -> Shown:
        """What is said of each state, by `flow/state`: its prompt, its handlers."""
        found: Shown = {}
        for flow in self.graph.flows:
            for state in flow.states.values():
                edges = self.graph.outgoing((flow.name, state.name))
                handlers = {
                    (edge.handler, edge.place): ", ".join(edge.labels) or edge.trigger for edge in edges
                }
                found[f"{flow.name}/{state.name}"] = {
                    "flow": flow.name,
                    "state": state.name,
                    "prompt": _said(state.prompt),
                    "otherwise": _said(state.otherwise),
                    "handlers": [
                        {"name": name, "place": seen_from_here(place), "at": place, "wants": wants}
                        for (name, place), wants in handlers.items()
                    ],
                }
        return found

    @cached_property
    def arrows(self) -> Shown:
        """Who takes each arrow and chip of the drawing, by its id."""
        shown: list[Arrow | Chip] = [*self.drawing.arrows, *self.drawing.chips]
        return {
            each.id: {
                "labels": list(each.labels),
                "handlers": [
                    {"name": name, "place": seen_from_here(place), "at": place}
                    for name, place in dict.fromkeys((edge.handler, edge.place) for edge in each.edges)
                ],
            }
            for each in shown
        }

    @cached_property
    def places(self) -> frozenset[str]:
        """Where handlers stand: the only places whose source the page may ask for."""
        return frozenset(edge.place for edge in self.graph.edges)

    def files(self) -> list[Path]:
        """Return the files whose change makes another version: the flows' own and those beside it."""
        own = Path(getattr(self.loaded.module, "__file__", "") or ".").resolve()
        near = [Path(path) for path in map(_file_of, list(sys.modules.values())) if path]
        library = Path(__file__).resolve().parent.parent
        return [
            own,
            *(each for each in near if own.parent in each.parents and library not in each.parents),
        ]

    def again(self) -> "PlayedFlows":
        """Return the version that stands in the file now.

        Raises:
            FsmkitError: If there is a mistake in it.
        """
        return PlayedFlows(self.target, resources=self.resources, lang=self._lang)

    def run(self, start: float, saved: Checkpoint | None, observers: Sequence[Any], live: Live) -> None:
        """Let the bot live; see `Played.run`."""
        flows = self.flows
        if saved is None and self.remembers:
            flows = load(self.target).flows  # what its module remembers is of another branch
        driver = PTBDriver(
            flows,
            clock=ManualClock(start if saved is None else saved.now),
            load=lambda: load(self.target).flows,
            resources=self._made() if self._made is not None else None,
            lang=self._lang,
            observers=observers,
        )
        if saved is not None:
            driver.resume(saved)

        async def lived() -> None:
            try:
                await driver.open()
                await live(driver)
            finally:
                await cancel_tasks()

        with asyncio.Runner() as runner:
            runner.run(lived())

    def calls(self, observation: Observation, results: Sequence[Shown]) -> list[Shown]:
        """Return the handlers that ran; see `Played.calls`."""
        return [call_of(taken, results, self._edges, self.drawing) for taken in observation.taken]

    def offers(self, driver: PTBDriver, user: int, row: Row) -> list[Shown]:  # noqa: ARG002
        """Return what could be said; see `Played.offers`."""
        return [] if driver.engine is None else offers_of(driver.engine, row)

    async def stored(self, driver: PTBDriver, people: Sequence[int]) -> Shown:  # noqa: ARG002
        """Return the rows, as trees."""
        found: Shown = {}
        for key, row in rows_in(driver.store).items():
            if shown := stored_of(row, len(await driver.store.outbox(key))):
                found[key_name(key)] = {"chat": key.chat, "user": key.user, "conversations": shown}
        return found

    def way_to(self, flow: str, state: str) -> tuple[Action, ...] | None:
        """Return the shortest conversation; see `Played.way_to`."""
        from fsmkit.testing.explore.ways import way_to  # later: the page does not wait for it

        return way_to(self.flows, self.graph, (flow, state))

    def as_test(self, path: Sequence[PlayedStep], start: float) -> str:
        """Return a conversation as a test for pytest that passes."""
        return pytest_test(self.target, self.resources, path, start)

    def lost(self, rows: Sequence[Row]) -> list[str]:
        """Return what a deploy of this version would lose of conversations that run.

        Args:
            rows: What is stored.
        """
        checks = [check for row in rows for check in compatibility(self._compiled, row)]
        return [f"{one.flow}/{one.state}: {one.reason}" for one in checks if one.fit == "orphaned"]


def _said(text: Any) -> str:
    if text is None:
        return ""
    if callable(text):
        return f"(made by {getattr(text, '__name__', 'a function')})"
    return str(getattr(text, "text", text))


def _file_of(module: Any) -> str | None:
    return getattr(module, "__file__", None)


def problem_of(error: BaseException) -> str:
    """Return why a version could not be played, in one line."""
    said = str(error) if isinstance(error, FsmkitError) else f"{type(error).__name__}: {error}"
    return " ".join(said.split())
