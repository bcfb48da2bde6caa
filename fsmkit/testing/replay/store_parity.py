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
from fsmkit.testing.harness.actions import Act, Restart
from fsmkit.testing.harness.engine_driver import DirectStage
from fsmkit.testing.harness.observation import Moment, signature_of
from fsmkit.testing.harness.screen import NotThereError

Different = tuple[Problem, tuple[Moment, ...]]


@contextlib.asynccontextmanager
async def opened(url: str) -> AsyncGenerator[Store]:
    """The store of a URL, closed at the end; `sqlite:` without a file is one in a temporary directory.

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
    conversations: Iterable[Sequence[Act]], memory: DirectStage, stored: DirectStage, name: str
) -> AsyncIterator[Different]:
    """What comes out differently in a store.

    Args:
        conversations: What is done in each; the bot is started anew at the end.
        memory: The bot with its rows in memory.
        stored: The same bot in the store.
        name: Of the store, for people.
    """
    for acts in conversations:
        memory.renew()
        memory.reset()
        stored.renew()
        stored.beside(memory)
        moments: list[Moment] = []
        try:
            for act in (*acts, Restart()):
                problem = await _step(act, memory, stored, name, moments)
                if problem is not None:
                    yield problem, tuple(moments)
                    break
        finally:
            for user in {1, *(act.user for act in acts)}:
                for key in stored.keys(user):
                    await stored.running.store.forget(key)


async def _step(
    act: Act, memory: DirectStage, stored: DirectStage, name: str, moments: list[Moment]
) -> Problem | None:
    try:
        moment = await memory.do(act)
    except NotThereError:
        return None
    moments.append(moment)
    try:
        other = await stored.do(act)
    except NotThereError as error:
        return _problem(act, name, moment, f"it cannot be done: {error}")
    if other.errors and not moment.errors:
        raised = other.errors[0]
        return _problem(act, name, moment, f"it raises {type(raised).__name__}: {raised}")
    if signature_of(other.after) != signature_of(moment.after):
        return _problem(act, name, moment, f"it leads to {_where(other)}, in memory to {_where(moment)}")
    if other.shown != moment.shown:
        return _problem(act, name, moment, f"it shows {other.shown!r}, in memory {moment.shown!r}")
    return None


def _problem(act: Act, name: str, moment: Moment, what: str) -> Problem:
    place = moment.taken[-1].handler.place if moment.taken else None
    return Problem("store", f"{act.line()!r} comes out differently in {name}: {what}", place)


def _where(moment: Moment) -> str:
    return f"{moment.state!r} with {moment.data!r}" if moment.place else "the end"
