"""What people may do with a bot: what its handlers take, by their filters, patterns, commands, constants.

Each input is asked back with the handler's `check_update`, in a Telegram of its own, so that what is not
understood of a filter costs examples and is never wrong.
"""

import enum
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import CodeType, FunctionType, ModuleType
from typing import Any

import attrs
from telegram.ext import CallbackQueryHandler, CommandHandler, ConversationHandler, MessageHandler, filters

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.testing.any_bot.slots import Slot
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import Action, Content, EditLast, Gesture, PressData, Say
from fsmkit.testing.harness.events import gesture_of, update_of
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.inputs.handlers import TEXTS as TEXTS_FOR_FLOWS
from fsmkit.testing.inputs.reading import constants_of
from fsmkit.testing.inputs.values import matching

GROUP = -100
"""A group in which people talk to a bot that is made for groups."""

MARKUP = "a_b <c> & *d"
"""A text that breaks markup into which it is put as it is."""

TEXTS = (*TEXTS_FOR_FLOWS[:3], MARKUP, *(text for text in TEXTS_FOR_FLOWS[3:] if len(text) < 100))
"""What is written where anything is taken; nothing that is as long as Telegram lets it be.

Most bots would fail on that, and nobody writes it.
"""

MOST = 14
"""Inputs of one handler."""

MOST_HINTS = 4
"""Words of the bot's that are written to it."""

LATER = 1_800_500_000.0
"""A time soon after conversations begin."""

MOST_VALUES = 12
"""Constants of one kind that are tried with one handler."""

GESTURES: tuple[Action, ...] = (
    Gesture("inline", "Ann"),
    Gesture("inline"),
    Gesture("message_reaction"),
    Gesture("chat_join_request"),
)
"""What people do that makes no message, and for which the bot need have done nothing before.

A payment, a vote or what a web app sends belongs to something that the bot has sent: one that comes of
nothing would be forged, and nobody has to bear it.
"""

CONTENTS = ("photo", "document", "location", "contact", "voice", "video", "audio", "sticker", "dice")
"""What is sent to those who take it."""

RARE = ("venue", "video_note", "poll")
"""What is seldom sent, to those who take it."""

SPECIAL = re.compile(
    r"ADMIN|OWNER|STAFF|OPERATOR|MODERATOR|SUDO|DEV|MANAGER|USER|CHAT|GROUP|CHANNEL|(^|_)ID", re.I
)
"""Names of constants that hold ids."""


@attrs.frozen
class Places:
    """Ids that a bot's code names.

    Attributes:
        people: Of people who may do more than others.
        chats: Of groups and channels.
        names: Public names of channels.
    """

    people: tuple[int, ...] = ()
    chats: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def filters_in(given: Any) -> Iterator[Any]:
    """Yield a filter, and those that it is made of; the parts of a negation are left out."""
    yield given
    if isinstance(given, filters._MergedFilter):  # pyright: ignore[reportPrivateUsage]
        for part in (given.base_filter, given.and_filter, given.or_filter):
            if part:
                yield from filters_in(part)
    elif isinstance(given, filters._XORFilter):  # pyright: ignore[reportPrivateUsage]
        yield from filters_in(given.base_filter)
        yield from filters_in(given.xor_filter)


def all_filters(given: Any) -> Iterator[Any]:
    """Yield a filter and all that it is made of."""
    for each in filters_in(given):
        yield each
        if isinstance(each, filters._InvertedFilter):  # pyright: ignore[reportPrivateUsage]
            yield from all_filters(each.inv_filter)


def places_of(slots: Iterable[Slot], modules: Iterable[ModuleType]) -> Places:
    """Return the ids that filters and constants name.

    Args:
        slots: The bot's handlers.
        modules: The bot's own modules.
    """
    people: dict[int, None] = {}
    chats: dict[int, None] = {}
    names: dict[str, None] = {}
    for slot in slots:
        for each in all_filters(getattr(slot.handler, "filters", None)):
            if isinstance(each, filters.User):
                people |= dict.fromkeys(sorted(each.user_ids))
            elif isinstance(each, filters.Chat):
                people |= dict.fromkeys(sorted(i for i in each.chat_ids if i > 0))
                chats |= dict.fromkeys(sorted(i for i in each.chat_ids if i < 0))
    for name, value in _constants(modules):
        if isinstance(value, str) and re.fullmatch(r"@[A-Za-z]\w{3,31}", value):
            names[value[1:]] = None
        elif isinstance(value, int) and value < -99:
            chats[value] = None
        elif isinstance(value, int) and value > 0 and (SPECIAL.search(name) or value > 99_999):
            people[value] = None
    return Places(tuple(people), tuple(chats), tuple(names))


def _constants(modules: Iterable[ModuleType]) -> Iterator[tuple[str, Any]]:
    """Yield constants at the top level of modules, those in collections and classes, and in functions."""
    for module in modules:
        for name, value in list(vars(module).items()):
            if name.startswith("__"):
                continue
            if isinstance(value, FunctionType) and value.__module__ == module.__name__:
                # Numbers in functions are ids only where they are as long as ids are.
                yield from (("", each) for each in _in_code(value.__code__))
            elif isinstance(value, type) and value.__module__ == module.__name__:
                held = vars(value).items()
                yield from ((each, one) for each, one in held if _is_plain(one) and not each.startswith("_"))
                functions = (one for _, one in held if isinstance(one, FunctionType))
                yield from (("", one) for each in functions for one in _in_code(each.__code__))
            elif not name.islower() or SPECIAL.search(name):
                yield from ((name, each) for each in _plain_in(value))


def _in_code(code: CodeType) -> Iterator[Any]:
    for value in code.co_consts:
        if isinstance(value, CodeType):
            yield from _in_code(value)
        elif _is_plain(value) and not (isinstance(value, int) and abs(value) <= 99_999):
            yield value


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool | enum.Enum)


def _plain_in(value: Any) -> Iterator[Any]:
    """Yield what a constant holds: itself, or the elements, keys and members of what it is."""
    if _is_plain(value):
        yield value
    elif isinstance(value, list | tuple | set | frozenset | dict):
        yield from (each for each in list(value)[:MOST_VALUES] if _is_plain(each))
    elif isinstance(value, type) and issubclass(value, enum.Enum):
        yield from (each.value for each in list(value)[:MOST_VALUES] if _is_plain(each.value))


def words_of(callback: Any) -> list[str]:
    """Return texts that a callback may be waiting for: constants of its own, and those that it names."""
    function = inspect.unwrap(callback)
    function = getattr(function, "__func__", function)
    texts, numbers = constants_of(function)
    found = [*texts[:MOST_VALUES], *map(str, numbers[:4])]
    code, scope = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    for name in code.co_names if code is not None else ():
        value = scope.get(name)
        if not isinstance(value, ModuleType | FunctionType):
            found += map(str, list(_plain_in(value))[:MOST_VALUES])
    written = (_as_date(text.strip()) for text in found)
    return list(dict.fromkeys(text for text in written if 0 < len(text) <= 40 and "\n" not in text))


def _as_date(text: str) -> str:
    """Return what is to be written where a callback reads a date by a format; else the text."""
    if not re.search(r"%[dmYHMy]", text):
        return text
    try:
        return datetime.fromtimestamp(LATER, UTC).strftime(text)
    except ValueError:
        return text


def hints_in(shown: Iterable[str]) -> list[str]:
    """Return what a bot has shown that somebody may write as it is: `31.12.2030`, `10:30`, `A-12`."""
    words = re.findall(r"(?<![\w.])(?=[\w.:/-]*\d)\w[\w.:/-]*\w", "\n".join(shown))
    return list(dict.fromkeys(words))[:MOST_HINTS]


class Offers:
    """What people may do with one bot; worked out once, for all runs of its program."""

    def __init__(self) -> None:
        self._known: dict[Any, tuple[Action, ...]] = {}

    def of(self, slot: Slot, user: int, chat: int | None, app: AnyApplication) -> tuple[Action, ...]:
        """Return what a handler takes from a person, the plainest first; buttons are on the screen.

        Args:
            slot: The handler.
            user: The person.
            chat: Where; `None`: in the private chat.
            app: The application, whose bot the updates belong to.
        """
        key = (slot.key, user, chat)
        if key not in self._known:
            taken = (action for action in candidates(slot) if takes(slot, action, user, chat, app))
            self._known[key] = tuple(dict.fromkeys(taken))[:MOST]
        return self._known[key]


def takes(slot: Slot, action: Action, user: int, chat: int | None, app: AnyApplication) -> bool:
    """Return whether a handler takes what a person does, by itself: where nobody is asked before it."""
    offline = OfflineTelegram(app.bot.token, clock=ManualClock(1_800_000_000.0))
    offline.add_user(user, first_name=f"User {user}")
    if chat is not None:
        offline.add_chat(chat)
    try:
        if isinstance(action, EditLast):
            said = offline.say("said before", user=user, chat=chat)["message"]["message_id"]
            given = offline.edit(said, action.text, user=user, chat=chat)
        else:
            given = gesture_of(offline, action, user=user, chat=chat)
    except (LookupError, ValueError, NotThereError):
        return False
    try:
        found = slot.handler.check_update(update_of(given, app.bot))
    except Exception:  # a filter of the bot's own that cannot bear it: the conversation will tell
        return True
    return found is not None and found is not False


def candidates(slot: Slot) -> Iterator[Action]:
    """Yield what a handler may take."""
    handler = slot.handler
    words = words_of(handler.callback)
    if isinstance(handler, CommandHandler):
        for name in sorted(handler.commands):
            yield Say(f"/{name}")
        for name in sorted(handler.commands):
            yield from (Say(f"/{name} {args}") for args in ("1", "a b", *words[:4]))
            yield EditLast(f"/{name}")
    elif isinstance(handler, MessageHandler):
        yield from _messages(handler, words)
    elif isinstance(handler, CallbackQueryHandler):
        pattern = handler.pattern
        if isinstance(pattern, re.Pattern):
            yield from map(PressData, matching(pattern))
        yield PressData("fsmkit")
    elif not isinstance(handler, ConversationHandler):
        yield from (*map(Say, TEXTS[:3]), *GESTURES)


def _messages(handler: Any, words: list[str]) -> Iterator[Action]:
    texts: dict[str, None] = {}
    for each in filters_in(handler.filters):
        pattern = getattr(each, "pattern", None)
        if isinstance(pattern, re.Pattern):
            texts |= dict.fromkeys(matching(pattern))
        given: Any = getattr(each, "strings", None)
        if isinstance(given, Iterable) and not isinstance(given, str):
            texts |= dict.fromkeys(map(str, given))
    yield from map(Say, list(texts)[:8])
    yield from map(Say, TEXTS[:4])
    yield from map(EditLast, list(texts)[:1] or ["Ann"])
    yield from map(Say, words)
    yield from map(Content, CONTENTS)
    yield from (Content(kind, "Ann") for kind in ("photo", "document"))
    yield from map(Say, TEXTS[4:])
    yield from map(Content, RARE)


def keys_shown(calls: Iterable[Any], chat: int) -> Mapping[str, Action]:
    """Return the keys of the reply keyboard that is on the screen, with what pressing each sends.

    Args:
        calls: The bot's requests.
        chat: The chat that the person looks at.
    """
    keys: dict[str, Action] = {}
    for call in calls:
        markup = call.params.get("reply_markup")
        if (
            call.error is not None
            or not isinstance(markup, dict)
            or call.params.get("chat_id") not in (chat, str(chat))
        ):
            continue
        if "keyboard" in markup or markup.get("remove_keyboard"):
            rows: Any = markup.get("keyboard", ())
            keys = dict(map(_key, (button for row in rows for button in row)))
    return keys


def _key(button: Any) -> tuple[str, Action]:
    if isinstance(button, str):
        return button, Say(button)
    text = str(button["text"])
    for field, kind in (("request_contact", "contact"), ("request_location", "location")):
        if button.get(field):
            return text, Content(kind)
    return text, Say(text)


def asked_for(offline: OfflineTelegram, chat: int) -> list[Action]:
    """Return what a bot has asked for by what it has sent: invoices to be paid, polls to vote in.

    Args:
        offline: The Telegram that it has sent them to.
        chat: Where.
    """
    there = offline.world.chats.get(chat)
    if there is None:
        return []
    payloads = dict.fromkeys(there.invoices[number] for number in there.messages if number in there.invoices)
    polls = [
        there.messages[number]["poll"]
        for number in there.own & there.messages.keys()
        if "poll" in there.messages[number]
    ]
    named = [poll["id"] for poll in polls if not poll["is_anonymous"] and not poll["is_closed"]]
    return [
        *(Gesture("pre_checkout_query", payload) for payload in payloads),
        *(Gesture("poll_answer", "0", {"poll_id": number}) for number in sorted(named)),
    ]
