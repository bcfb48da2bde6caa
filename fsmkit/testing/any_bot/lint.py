"""What a bot's handlers show as they are declared: who is never asked, and states that nothing leads out of.
Filters are asked, not read: a handler is in the shadow of an earlier one if that takes all of its samples,
from everybody, in private chats and in groups. Filters that look at what samples do not vary are left
alone.
"""

import ast
import inspect
import linecache
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from telegram.ext import CallbackQueryHandler, CommandHandler, ConversationHandler, MessageHandler, filters

from fsmkit.botapi.request import AnyApplication
from fsmkit.flow.locations import location_of
from fsmkit.telegram.conversation_handler.adapters import returned_by
from fsmkit.testing.any_bot.offers import GROUP, all_filters, candidates, takes, words_of
from fsmkit.testing.any_bot.slots import SYMBOLS, AnyConversation, Slot, state_name
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Action, Say

VARIED = (
    filters.Command,
    filters.Regex,
    filters.Text,
    filters.User,
    filters.Chat,
    type(filters.COMMAND),
    type(filters.UpdateType.EDITED_MESSAGE),
)
"""Filters that may be negated in a handler that casts a shadow."""


def shadowed(slots: Sequence[Slot], app: AnyApplication, users: Iterable[int]) -> list[Problem]:
    """Return the handlers that are never asked, since an earlier one takes all that is theirs.

    Args:
        slots: The application's handlers.
        app: The application.
        users: People whose messages are tried.
    """
    found: dict[str, Problem] = {}
    people = list(users)
    for asked in _lists(slots):
        for number, slot in enumerate(asked):
            samples = _samples(slot, people, app)
            for earlier in asked[:number] if samples else ():
                if _casts(earlier, slot) and all(_taken(earlier, sample, app) for sample in samples):
                    found.setdefault(slot.place, _shadow(earlier, slot, samples))
                    break
    for problem in _commands_lost(slots, people, app):
        found.setdefault(str(problem.message.split(" never")[0]), problem)
    return list({(problem.code, problem.message): problem for problem in found.values()}.values())


def _lists(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Yield handlers of which PTB asks the first that takes an update, and no more."""
    groups: dict[Any, list[Slot]] = {}
    for slot in slots:
        if not slot.around or (slot.role == "entry" and len(slot.around) == 1):
            groups.setdefault(slot.group, []).append(slot)
        if slot.role == "state":
            groups.setdefault((slot.key[:-1]), []).append(slot)
        elif slot.role == "entry":
            groups.setdefault((id(slot.around[-1]), "entry"), []).append(slot)
    for key, asked in groups.items():
        if not isinstance(key, int):
            yield asked
            continue
        # In the shadow of a conversation stands nobody for certain: it takes what its state wants.
        yield from (
            [*(each for each in asked[:at] if not each.around), slot] for at, slot in enumerate(asked)
        )


Sample = tuple[Action, int, int | None]


def _samples(slot: Slot, users: Sequence[int], app: AnyApplication) -> list[Sample]:
    if isinstance(slot.handler, CallbackQueryHandler) and not _has_plain_pattern(slot):
        return []
    return [
        (action, user, chat)
        for action in dict.fromkeys(candidates(slot))
        for user in users
        for chat in (None, GROUP)
        if takes(slot, action, user, chat, app)
    ]


def _has_plain_pattern(slot: Slot) -> bool:
    pattern = getattr(slot.handler, "pattern", None)
    return pattern is None or hasattr(pattern, "pattern")


def _taken(slot: Slot, sample: Sample, app: AnyApplication) -> bool:
    return takes(slot, sample[0], sample[1], sample[2], app)


def _casts(earlier: Slot, slot: Slot) -> bool:
    """Return whether a handler may be held against another: it is understood, and does something else."""
    if inspect.unwrap(earlier.handler.callback) == inspect.unwrap(slot.handler.callback):
        return False
    if type(earlier.handler) not in (CommandHandler, MessageHandler, CallbackQueryHandler):
        return False
    if isinstance(earlier.handler, CallbackQueryHandler) and not _has_plain_pattern(earlier):
        return False
    for each in all_filters(getattr(earlier.handler, "filters", None)):
        if not type(each).__module__.startswith("telegram.ext"):
            return each is None
        inner = getattr(each, "inv_filter", None)
        if inner is not None and not all(
            isinstance(part, VARIED) or hasattr(part, "base_filter") for part in all_filters(inner)
        ):
            return False
    return True


def _shadow(earlier: Slot, slot: Slot, samples: Sequence[Sample]) -> Problem:
    where = f" in state {state_name(slot.around[-1], slot.state)}" if slot.role == "state" else ""
    return Problem(
        "shadowed",
        f"{slot.name} never runs{where}: {earlier.name}, which is asked before it, takes all its events, "
        f"such as {samples[0][0].line()}",
        registered_at(slot),
    )


def _commands_lost(slots: Sequence[Slot], users: Sequence[int], app: AnyApplication) -> Iterator[Problem]:
    """Yield commands among the fallbacks that a state's handler for texts takes for a text."""
    for fallback in slots:
        if fallback.role != "fallback" or not isinstance(fallback.handler, CommandHandler):
            continue
        command = Say(f"/{min(fallback.handler.commands)}")
        by: dict[str, tuple[Slot, list[str]]] = {}
        for slot in slots:
            if slot.role != "state" or slot.around[-1] is not fallback.around[-1] or slot.state in SYMBOLS:
                continue
            if isinstance(slot.handler, MessageHandler) and _takes_for_text(slot, command, users[0], app):
                known = by.setdefault(slot.place, (slot, []))
                known[1].append(state_name(slot.around[-1], slot.state))
        for slot, states in by.values():
            if any(
                each.role == "state"
                and each.around[-1] is slot.around[-1]
                and each.state == slot.state
                and isinstance(each.handler, CommandHandler)
                and each.handler.commands & fallback.handler.commands
                for each in slots
            ):
                continue
            yield Problem(
                "shadowed",
                f"{command.text} never reaches {fallback.name} in state {', '.join(dict.fromkeys(states))}: "
                f"{slot.name} takes it for a text. Write `filters.TEXT & ~filters.COMMAND`",
                registered_at(slot),
            )


def _takes_for_text(slot: Slot, command: Say, user: int, app: AnyApplication) -> bool:
    if not all(
        type(each).__module__.startswith("telegram.ext")
        for each in all_filters(getattr(slot.handler, "filters", None))
    ):
        return False
    both = (command, Say("Ann"))
    return all(takes(slot, each, user, None, app) for each in both) and not any(
        word.startswith("/") for word in words_of(slot.handler.callback)
    )


def registered_at(slot: Slot) -> str:
    """Return `file:line` where a handler is made, as far as the source shows it; else its callback's."""
    function = inspect.unwrap(slot.handler.callback)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return slot.place
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return slot.place
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _last_name(node.func) == type(slot.handler).__name__
        if any(_last_name(each) == code.co_name for each in (*node.args, *(k.value for k in node.keywords)))
    ]
    file = location_of(function).rpartition(":")[0]
    return f"{file}:{lines[0]}" if len(lines) == 1 else slot.place


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def no_exits(slots: Sequence[Slot]) -> Iterator[Problem]:
    """Yield the states in which one can come to stand and that nothing leads out of."""
    conversations = dict.fromkeys(slot.around[-1] for slot in slots if slot.around)
    for conversation in conversations:
        own = [slot for slot in slots if slot.around and slot.around[-1] is conversation]
        returns = {slot: _returns(slot) for slot in own}
        for state in conversation.states:
            if state in SYMBOLS or conversation.conversation_timeout or conversation.allow_reentry:
                continue
            into = [slot for slot in own if state in (returns[slot] or ()) and slot.state != state]
            asked = [s for s in own if s.role == "fallback" or (s.role == "state" and s.state == state)]
            if not into or _nested(conversation, state) or any(returns[slot] is None for slot in asked):
                continue
            if asked and len(_real_states(conversation)) < 2:
                continue  # a menu that is always there
            if all(each in (None, state) for slot in asked for each in returns[slot] or ()):
                name = state_name(conversation, state)
                why = (
                    "no handler of it, and no fallback, leads anywhere else"
                    if asked
                    else "it has no handlers"
                )
                yield Problem(
                    "no-exit",
                    f"{into[0].name} leads to state {name}, and nothing leads out of it: {why}",
                    asked[0].place if asked else into[0].place,
                )


def _real_states(conversation: AnyConversation) -> list[Any]:
    return [state for state in conversation.states if state not in SYMBOLS]


def _nested(conversation: AnyConversation, state: Any) -> bool:
    handlers = (*conversation.states[state], *conversation.fallbacks)
    return any(isinstance(handler, ConversationHandler) for handler in handlers)


def _returns(slot: Slot) -> list[Any] | None:
    """Return all that a callback may return, `None` where that cannot be told."""
    callback = slot.handler.callback
    function = getattr(callback, "__wrapped__", callback)
    if hasattr(function, "__wrapped__"):
        return None  # what decorates it may return something else
    return returned_by(getattr(function, "__func__", function))
