"""What must be so of every conversation with a bot, without anybody's saying what is right there.

Each oracle judges the last observation. What cannot be told for certain is no finding: a bot that is right is
never accused.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from telegram.ext import ConversationHandler

from fsmkit.flow.locations import location_in_user_code
from fsmkit.testing.any_bot.bot_driver import BotObservation
from fsmkit.testing.any_bot.slots import SYMBOLS, AnyConversation, CallbackRun, state_name
from fsmkit.testing.findings import Problem
from fsmkit.testing.harness.actions import Content, EditLast, Press, Say, shortened

SPEAKS = ("send", "forward", "copy", "edit", "delete", "answer", "setMessageReaction", "stop", "pin")
"""Beginnings of the methods that somebody sees something of."""

UNKNOWN_HERE = (
    *("offlinetelegram does not know", "chat not found", "user not found"),
    *("not authorized", "authorization denied"),
)
"""What is refused since the Telegram in memory lacks it (a method, or whom only the real one knows), or by
the walls in the words of SQLite."""

EDITED = "edited-message"
"""The code of what is told of all its places together, since a bot that has it has it everywhere."""

BARE = re.compile(r"<(b|i|u|s|strong|em|code|pre|tg-spoiler|blockquote|a)(?: [^<>]*)?>[^<>]*</\1>")
"""Markup of Telegram's HTML."""

Past = Sequence[BotObservation]


def judge_bot(past: Past) -> list[Problem]:
    """Return what is wrong with the last observation of a conversation."""
    return [problem for oracle in BOT_ORACLES for problem in oracle(past)]


def raises(past: Past) -> Iterator[Problem]:
    """Check that no handler, job or filter raises."""
    last = past[-1]
    for error in last.errors:
        if is_ours(error) or _is_meant(error, last):
            continue
        said = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())
        where = location_in_user_code(error) or _place_of_run(last)
        if type(error).__module__ == "telegram.error" and type(error).__name__ in ("BadRequest", "Forbidden"):
            yield Problem("refused", f"Telegram refuses what the bot sends: {error}", where)
        elif isinstance(last.action, EditLast) and "'NoneType' object has no attribute" in said:
            yield Problem(
                EDITED,
                f"{said}: with an edited message `update.message` is None. Write `update.effective_message`, "
                f"or leave edited messages out with `filters.UpdateType.MESSAGE`",
                where,
            )
        else:
            yield Problem("raised", said, where)


def is_ours(error: BaseException) -> bool:
    """Return whether an exception comes of the test itself: a wall, or what its Telegram lacks."""
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        if getattr(each, "fsmkit_wall", False) or any(said in str(each).lower() for said in UNKNOWN_HERE):
            return True
        todo += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return False


def _is_meant(error: BaseException, last: BotObservation) -> bool:
    """Return whether an exception is a way of the bot's own to say no: of its own class, and answered."""
    own = type(error).__module__ not in ("builtins",) and not type(error).__module__.startswith("telegram")
    answered = any(run.raised is error for run in last.runs) and bool(last.shown)
    return own and answered and type(error).__module__ == "__main__"


def _place_of_run(last: BotObservation) -> str | None:
    ordered = sorted(last.runs, key=lambda run: run.raised is not None)
    return ordered[-1].place if ordered else None


def press_answered(past: Past) -> Iterator[Problem]:
    """Check that a press which a callback has handled is answered: else the button shows a clock for long."""
    last = past[-1]
    if not isinstance(last.action, Press) or last.query is None or not last.runs or last.errors:
        return
    if last.jobs > 0 or last.tasks > 0 or last.walled:
        return
    answers = [call for call in last.calls if call.method == "answerCallbackQuery"]
    if not answers:
        run = last.runs[-1]
        name = run.slots[0].name
        yield Problem(
            "press-unanswered",
            f"{name} handles the press of {last.action.line()} and never answers it: the button shows a "
            f"clock until Telegram gives up. Add `await update.callback_query.answer()`",
            run.place,
        )


def button_works(past: Past) -> Iterator[Problem]:
    """Check that somebody takes the press of a button that was just shown."""
    last = past[-1]
    if not isinstance(last.action, Press) or last.action.stale or last.runs or last.errors or len(past) < 2:
        return
    before = past[-2]
    shown = [button for button in before.sent if button.text == last.action.button]
    if before.action.user != last.action.user or not shown or last.calls or not before.runs:
        return
    stands = ", ".join(_named(each, state) for each, state in last.stood) or "no conversation"
    yield Problem(
        "dead-button",
        f"no handler takes the press of {last.action.line()} (data {shortened(shown[0].data or '')!r}), "
        f"which {before.runs[-1].slots[0].name} has just shown; the person is in {stands}",
        before.runs[-1].place,
    )


def states_exist(past: Past) -> Iterator[Problem]:
    """Check that callbacks return states that their ConversationHandler has."""
    for run in past[-1].runs:
        conversation = run.conversation
        if conversation is None or run.raised is not None or run.returned is None:
            continue
        if knows_state(conversation, run.returned):
            continue
        known = ", ".join(state_name(conversation, state) for state in conversation.states)
        yield Problem(
            "unknown-state",
            f"{run.slots[0].name} returns {run.returned!r}, which is not a state of its ConversationHandler "
            f"({known}): from there only fallbacks are asked",
            run.place,
        )


def knows_state(conversation: AnyConversation, returned: Any) -> bool:
    """Return whether what a callback returned means something to its ConversationHandler."""
    try:
        return (
            returned == ConversationHandler.END
            or (returned in conversation.states and returned not in SYMBOLS)
            or returned in (conversation.map_to_parent or {})
        )
    except TypeError:  # what cannot be a key
        return False


def one_conversation_each(past: Past) -> Iterator[Problem]:
    """Check that what is meant for one conversation is not taken by another that runs beside it."""
    last = past[-1]
    if len(past) < 2 or last.errors or not isinstance(last.action, Press | Say | Content):
        return
    yield from _taken_twice(last)
    before = past[-2]
    if before.action.user != last.action.user or last.action.line().startswith("/"):
        return
    asking = _who_asked(before, last)
    taking = next((run for run in last.runs if run.conversation is not None), None)
    if asking is None or taking is None or taking.conversation is None:
        return
    standing = [each for each, _ in last.stood]
    own, other = asking.slots[0].around[0], taking.slots[0].around[0]
    if own is other or own not in standing or other not in standing or taking.slots[0].role == "entry":
        return
    if any(run.conversation is not None and run.slots[0].around[0] is own for run in last.runs):
        return
    yield Problem(
        "taken-by-another",
        f"{asking.slots[0].name} has asked, and {taking.slots[0].name} of another conversation takes "
        f"{last.action.line()}: the person is in both",
        taking.place,
    )


def _who_asked(before: BotObservation, last: BotObservation) -> CallbackRun | None:
    """Return the callback of a conversation that has shown what is answered now."""
    for run in reversed(before.runs):
        made = before.calls[slice(*run.calls)]
        spoke = any(call.method.startswith(("send", "edit")) and call.error is None for call in made)
        if spoke and run.conversation is not None and run.raised is None:
            if isinstance(last.action, Press) and last.action.button not in {
                each.text for each in before.sent
            }:
                return None
            return run
    return None


def _taken_twice(last: BotObservation) -> Iterator[Problem]:
    """Yield a problem where two conversations in different groups have both taken one answer."""
    standing = {id(each) for each, _ in last.stood}
    runs = [
        run
        for run in last.runs
        if run.conversation is not None
        and run.slots[0].role == "state"
        and id(run.slots[0].around[0]) in standing
    ]
    for one, other in itertools.pairwise(runs):
        if one.slots[0].around[0] is other.slots[0].around[0] or one.slots[0].group == other.slots[0].group:
            continue
        yield Problem(
            "taken-twice",
            f"{one.slots[0].name} and {other.slots[0].name} of two conversations both take "
            f"{last.action.line()}",
            other.place,
        )


def no_silence(past: Past) -> Iterator[Problem]:
    """Check that who is taken to another state, or out of the conversation, sees something of it."""
    last = past[-1]
    if not isinstance(last.action, Say | Content | Press) or last.errors or last.walled:
        return
    if last.jobs > 0 or last.tasks > 0:
        return
    if any(call.method.startswith(SPEAKS) for call in last.calls):
        return
    for run in last.runs:
        conversation = run.conversation
        if conversation is None or run.raised is not None or not knows_state(conversation, run.returned):
            continue
        if (conversation.map_to_parent or {}).get(run.returned) is not None or last.stood == last.stands:
            continue
        yield Problem(
            "silent",
            f"{run.slots[0].name} takes {last.action.line()}, goes to "
            f"{state_name(conversation, run.returned)}, and says nothing",
            run.place,
        )
        return


def no_bare_tags(past: Past) -> Iterator[Problem]:
    """Check that markup of the bot's own is not shown as it was written."""
    last = past[-1]
    given = [
        str(getattr(each.action, name, "") or "") for each in past for name in ("text", "caption", "button")
    ]
    for number, call in enumerate(last.calls):
        if call.error is not None or not isinstance(call.result, dict) or call.params.get("parse_mode"):
            continue
        text = str(call.params.get("text", call.params.get("caption", "")) or "")
        found = BARE.search(text)
        if found is None or call.params.get("entities") or any(found[0] in said for said in given):
            continue
        run = next((run for run in last.runs if run.calls[0] <= number < run.calls[1]), None)
        if run is not None:
            yield Problem(
                "bare-tags",
                f"{run.slots[0].name} sends {shortened(found[0])!r} without parse_mode: people see the tags",
                run.place,
            )


def _named(conversation: AnyConversation, state: Any) -> str:
    return state_name(conversation, state)


BOT_ORACLES = (
    raises,
    press_answered,
    button_works,
    states_exist,
    one_conversation_each,
    no_silence,
    no_bare_tags,
)
"""All of them."""
