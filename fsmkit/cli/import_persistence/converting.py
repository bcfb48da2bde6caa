"""Conversations of ConversationHandlers become those of the flows that were made of them."""

import asyncio
import enum
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from fsmkit.cli.errors import CommandError
from fsmkit.cli.import_persistence.reading import Named, Persisted, read_persistence
from fsmkit.cli.output import prints_to_stderr
from fsmkit.cli.run import default_store
from fsmkit.cli.tables import columns
from fsmkit.engine.engine import Engine
from fsmkit.errors import UnstorableData
from fsmkit.flow.context import evolve
from fsmkit.keys import Key
from fsmkit.stores.urls import open_store, probe
from fsmkit.telegram.conversation_handler.chart import (
    Chain,
    Conversation,
    Level,
    asked_in,
    nested_in,
    states_of,
)
from fsmkit.telegram.conversation_handler.flow import MovedFlow
from fsmkit.telegram.run import TOKEN
from fsmkit.testing.loading import Flows, load

ENDED = -1
"""What PTB stores for a conversation that is over."""


@attrs.frozen
class NotTaken:
    """A conversation that was not taken.

    Attributes:
        conversation: Name of the ConversationHandler.
        key: Its key there.
        reason: Why not.
    """

    conversation: str
    key: Any
    reason: str


@attrs.define
class ImportReport:
    """What was taken, and what was not.

    Attributes:
        dry_run: Whether nothing was to be written.
        taken: How many conversations, by flow and state.
        there: How many the store had already, by flow.
        left_over: How many nested ones stand apart from the conversation around them, by name.
        unknown: How many there are of ConversationHandlers that no flow was made of, by name.
        problems: Those that could not be taken.
        strange: Names of classes and functions that were not loaded.
    """

    dry_run: bool
    taken: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    there: Counter[str] = attrs.field(factory=Counter)
    left_over: Counter[str] = attrs.field(factory=Counter)
    unknown: Counter[str] = attrs.field(factory=Counter)
    problems: list[NotTaken] = attrs.field(factory=list)
    strange: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether all was taken that is a conversation."""
        return not self.problems and not self.unknown


@attrs.frozen
class FoundConversation:
    """One conversation of the file.

    Attributes:
        flow: The flow that it becomes one of.
        name: Name of the ConversationHandler.
        key: Its key there.
        states: What the file has for the ConversationHandler and those nested in it, by name.
    """

    flow: MovedFlow
    name: str
    key: Any
    states: dict[str, Any]


async def take(file: Path, flows: Flows, url: str, *, bot: int | str, dry_run: bool) -> ImportReport:
    """Read a persistence and write its conversations into a store.

    Args:
        file: The persistence.
        flows: The flows, among them those made by `from_conversation_handler`.
        url: The store.
        bot: The bot's id, part of every key.
        dry_run: Whether nothing is written.

    Raises:
        CommandError: If it cannot be done; nothing was written.
    """
    moved = [flow for flow in flows if isinstance(flow, MovedFlow)]
    if not moved:
        raise CommandError("the file has no flow that from_conversation_handler(...) made: give it one")
    persisted = read_persistence(file)
    report = ImportReport(dry_run, strange=persisted.strange)
    store = open_store(url)
    await probe(store)
    try:
        engine = Engine(*flows, store=store)
        engine.bot = bot
        for found in _found(persisted, moved, report):
            await _take(engine, found, persisted, report)
    finally:
        await store.close()
    return report


async def _take(engine: Engine, found: FoundConversation, persisted: Persisted, report: ImportReport) -> None:
    flow = found.flow
    try:
        chain = _chain(flow.chart.top, found, report)
        if not chain:
            return
        key = _key(flow, found.key, engine.bot)
        state = flow.chart.name_of(chain) or ""
        data = _data(flow, found.key, persisted)
        if (await engine.get_state(flow, key))[0] is not None:
            report.there[flow.name] += 1
            return
        if report.dry_run:
            engine.table_of(flow).codec.encode(data)
        else:
            await engine.set_state(flow, key, state, data)
    except (_NotTakenError, UnstorableData) as error:
        report.problems.append(NotTaken(found.name, found.key, str(error)))
        return
    report.taken[flow.name, state] += 1


class _NotTakenError(Exception):
    """Why a conversation cannot be taken."""


def _found(persisted: Persisted, flows: list[MovedFlow], report: ImportReport) -> Iterator[FoundConversation]:
    """Yield the conversations of the file, those of nested ConversationHandlers with the one around them."""
    known: set[str] = set()
    for flow in flows:
        top = flow.chart.top
        names = [each.name for each in (top, *nested_in(top)) if each.name is not None]
        known.update(names)
        held = {name: persisted.conversations.get(name, {}) for name in names}
        for key in dict.fromkeys(key for states in held.values() for key in states):
            states = {name: states[key] for name, states in held.items() if key in states}
            yield FoundConversation(flow, top.name or flow.name, key, states)
    for name, states in persisted.conversations.items():
        if name not in known and states:
            report.unknown[name] += len(states)


def _chain(top: Conversation, found: FoundConversation, report: ImportReport) -> Chain:
    """Where a conversation stands; what is nested in another place than that is left over."""
    states = {
        each.name: _own(each, found.states[each.name])
        for each in (top, *nested_in(top))
        if each.name is not None and each.name in found.states
    }
    chain = _deepest(top, states)
    on_chain = {level.conversation.name for level in chain}
    for name, state in states.items():
        if state is not None and name not in on_chain:
            report.left_over[name] += 1
    return chain


def _deepest(conversation: Conversation, states: dict[str, Any]) -> Chain:
    level = Level(conversation, states.get(conversation.name or ""))
    for nested in asked_in(level):
        inner = _deepest(nested, states)
        if inner:
            return (level, *inner)
    return () if level.state is None else (level,)


def _own(conversation: Conversation, stored: Any) -> Any:
    """Return the ConversationHandler's own object for a stored state, `None` for one that is over."""
    if stored == ENDED or stored is None:
        return None
    for state in states_of(conversation):
        if _is(state, stored):
            return state
    raise _NotTakenError(
        f"the state {stored!s} is not a state of the ConversationHandler {conversation.name!r}"
    )


def _is(state: Any, stored: Any) -> bool:
    if isinstance(stored, Named):  # a class is known by its name: the bot's own file may have been `__main__`
        return (
            isinstance(state, enum.Enum)
            and type(state).__qualname__ == stored.name
            and stored.by is not None
            and (state.value if stored.by == "value" else state.name) == stored.given
        )
    if isinstance(state, tuple) and isinstance(stored, tuple) and len(state) == len(stored):
        return all(map(_is, state, stored))
    return bool(state == stored)


def _key(flow: MovedFlow, stored: Any, bot: int | str | None) -> Key:
    top = flow.chart.top
    wanted = [
        part
        for part, counts in (("chat", top.per_chat), ("user", top.per_user), ("message", top.per_message))
        if counts
    ]
    if not isinstance(stored, tuple) or len(stored) != len(wanted):
        raise _NotTakenError(f"the key must have {len(wanted)} parts ({', '.join(wanted)})")
    if not all(type(part) is int or type(part) is str for part in stored):
        raise _NotTakenError("a key consists of numbers and texts")
    given: dict[str, Any] = {"chat": None, "user": None, **dict(zip(wanted, stored, strict=True))}
    key = flow.key.key(**given, bot=bot)
    if key is None:
        raise _NotTakenError("the key names no user or chat")
    return key


def _data(flow: MovedFlow, key: Any, persisted: Persisted) -> Any:
    """Return what the flow carries of `user_data`, or of `chat_data`."""
    carrier, top = flow.carrier, flow.chart.top
    if carrier.source == "user_data":
        held = persisted.user_data.get(key[1 if top.per_chat else 0])
    else:
        held = persisted.chat_data.get(key[0])
    return evolve(carrier.data(), carrier.of(held))


FEW = 10
"""Problems and names that are listed for people; JSON has all."""


def import_persistence(
    file: str, target: str, url: str | None, *, bot: int | str | None, dry_run: bool
) -> ImportReport:
    """Take the conversations of a persistence into a store.

    Args:
        file: The persistence.
        target: `FILE[:FLOW]`.
        url: The store; by default that of `fsmkit run`.
        bot: The bot's id; by default that of the token in the environment.
        dry_run: Whether nothing is written.

    Raises:
        CommandError: If it cannot be done; nothing was written.
    """
    bot = _bot_of_token() if bot is None else bot
    if bot is None:
        raise CommandError(
            f"the file does not say whose conversations they are: name the bot with --bot ID, the number "
            f"before the colon of its token, or set {TOKEN}"
        )
    with prints_to_stderr():
        flows = load(target).flows
        return asyncio.run(take(Path(file), flows, url or default_store(target), bot=bot, dry_run=dry_run))


def as_lines(report: ImportReport) -> list[str]:
    """Return the outcome for a person."""
    lines: list[str] = []
    if report.taken:
        rows = [(flow, state, count) for (flow, state), count in sorted(report.taken.items())]
        lines += [*columns(["flow", "state", "to import" if report.dry_run else "imported"], rows), ""]
    for problem in report.problems[:FEW]:
        lines.append(f"not imported: {problem.conversation} {problem.key!r}: {problem.reason}")
    if len(report.problems) > FEW:
        lines.append(f"... and {len(report.problems) - FEW} more")
    for name, count in report.unknown.items():
        lines.append(f"not imported: {count} of {name!r}, for which the file has no flow")
    for name, count in report.left_over.items():
        lines.append(f"not imported: {count} of {name!r}, whose outer conversation is in another state")
    for name, count in report.there.items():
        lines.append(f"skipped: {count} of flow {name!r}, already in the store")
    if report.strange:
        more = f" and {len(report.strange) - FEW} more" if len(report.strange) > FEW else ""
        lines.append(f"not loaded (this is normal): {', '.join(report.strange[:FEW])}{more}")
    total = report.taken.total()
    said = "to import; nothing was written (--dry-run)" if report.dry_run else "imported"
    return [*lines, f"{total} conversation{'' if total == 1 else 's'} {said}"]


def as_json(report: ImportReport) -> dict[str, Any]:
    """Return the outcome for scripts; the shape is in docs/reference/cli.md."""
    return {
        "dry_run": report.dry_run,
        "taken": [
            {"flow": flow, "state": state, "conversations": count}
            for (flow, state), count in sorted(report.taken.items())
        ],
        "already_there": dict(report.there),
        "left_over": dict(report.left_over),
        "unknown": dict(report.unknown),
        "problems": [
            {"conversation": one.conversation, "key": repr(one.key), "reason": one.reason}
            for one in report.problems
        ],
        "not_loaded": list(report.strange),
    }


def _bot_of_token() -> int | None:
    number = os.environ.get(TOKEN, "").partition(":")[0]
    return int(number) if number.isdecimal() else None
