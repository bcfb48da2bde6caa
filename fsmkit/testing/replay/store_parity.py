"""Parity: conversations are had again in a real store, and must come out as they do in memory.

Linear ones: a real store cannot be put back, so each is had from its beginning, and forgotten after it.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from fsmkit.stores.protocol import Store
from fsmkit.stores.urls import open_store, probe
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Restart
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.observation import Observation, signature_of
from fsmkit.testing.harness.screen import NotThereError

Different = tuple[Problem, tuple[Observation, ...]]


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Store]:
    """Open the store of a URL, and close it at the end; `sqlite:` alone is one in a temporary directory.

    Raises:
        StoreError: If it cannot be used.
        DefinitionError: If no store has such a URL.
    """
    with TemporaryDirectory(prefix="fsmkit-") as directory:
        store = open_store(f"sqlite:{Path(directory) / 'test.db'}" if url == "sqlite:" else url)
        await probe(store)
        try:
            yield store
        finally:
            await store.close()


async def differences(
    conversations: Iterable[Sequence[Action]], memory: EngineDriver, stored: EngineDriver, name: str
) -> AsyncIterator[Different]:
    """Yield what comes out differently in a store.

    Args:
        conversations: What is done in each; the bot is started anew at the end.
        memory: The bot with its rows in memory.
        stored: The same bot in the store.
        name: Of the store, for people.
    """
    for actions in conversations:
        memory.renew()
        memory.reset()
        stored.renew()
        stored.beside(memory)
        observations: list[Observation] = []
        try:
            for action in (*actions, Restart()):
                problem = await _step(action, memory, stored, name, observations)
                if problem is not None:
                    yield problem, tuple(observations)
                    break
        finally:
            for user in {1, *(action.user for action in actions)}:
                for key in stored.keys(user):
                    await stored.running.store.forget(key)


async def _step(
    action: Action, memory: EngineDriver, stored: EngineDriver, name: str, observations: list[Observation]
) -> Problem | None:
    try:
        observation = await memory.do(action)
    except NotThereError:
        return None
    observations.append(observation)
    try:
        other = await stored.do(action)
    except NotThereError as error:
        return _problem(action, name, observation, f"it cannot be done: {error}")
    if other.errors and not observation.errors:
        raised = other.errors[0]
        return _problem(action, name, observation, f"it raises {type(raised).__name__}: {raised}")
    if signature_of(other.after) != signature_of(observation.after):
        return _problem(
            action, name, observation, f"it leads to {_where(other)}, in memory to {_where(observation)}"
        )
    if other.shown != observation.shown:
        return _problem(
            action, name, observation, f"it shows {other.shown!r}, in memory {observation.shown!r}"
        )
    return None


def _problem(action: Action, name: str, observation: Observation, what: str) -> Problem:
    place = observation.taken[-1].handler.place if observation.taken else None
    return Problem("store", f"{action.line()!r} comes out differently in {name}: {what}", place)


def _where(observation: Observation) -> str:
    return f"{observation.state!r} with {observation.data!r}" if observation.place else "the end"
