"""The command menu: what Telegram lists beside the input field, made of the flows' commands.

Telegram knows one list for each scope and language and shows the nearest that there is, whole. So each
language for which some command has a description gets a list of all commands of its scope; what is missing
in it stands there in the default.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from telegram import (
    Bot,
    BotCommand,
    BotCommandScope,
    BotCommandScopeAllGroupChats,
    BotCommandScopeAllPrivateChats,
    Chat,
    Message,
    MessageEntity,
    Update,
    User,
)

from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Flow, in_language
from fsmkit.flow.handlers import Handler
from fsmkit.flow.matchers import AllOf, AnyOf, Matcher
from fsmkit.telegram.event import read_update
from fsmkit.telegram.matchers import Command

MAX_COMMANDS = 100
"""Commands of one list, https://core.telegram.org/bots/api#setmycommands."""

SCOPES: dict[str, BotCommandScope] = {
    "private": BotCommandScopeAllPrivateChats(),
    "group": BotCommandScopeAllGroupChats(),
}
"""Where commands are listed, with Telegram's name of it."""

Menu = dict[str, str]
"""Descriptions by command, in the order in which they are listed."""

_CHATS = {Chat.PRIVATE: "private", Chat.GROUP: "group", Chat.SUPERGROUP: "group"}

_log = logging.getLogger("fsmkit")


def commands_of(matcher: Matcher) -> Iterator[Command]:
    """Yield the commands that a matcher wants, alone or with others."""
    if isinstance(matcher, Command):
        yield matcher
    elif isinstance(matcher, AnyOf | AllOf):
        for part in matcher.matchers:
            yield from commands_of(part)


def command_menus(flows: Iterable[Flow[Any]]) -> dict[tuple[str, str], Menu]:
    """Return what Telegram's menu shows, by scope and language; the language `""` is for all others.

    Args:
        flows: The flows, in order; of two descriptions of a command in one scope the first counts.

    Raises:
        DefinitionError: If no command has a description, or there are too many.
    """
    listed: dict[str, dict[str, Command]] = {scope: {} for scope in SCOPES}
    for flow in flows:
        for handler in flow.handlers:
            for command in commands_of(handler.matcher):
                for scope in _scopes(flow, handler, command) if command.description is not None else ():
                    listed[scope].setdefault(command.names[0], command)
    if not any(listed.values()):
        raise DefinitionError(
            "command_menu=True, and no command has a description",
            place=None,
            remedy='Write on=command("start", description="Begin")',
        )
    menus: dict[tuple[str, str], Menu] = {}
    for scope, commands in listed.items():
        if len(commands) > MAX_COMMANDS:
            raise DefinitionError(
                f"{len(commands)} commands have a description for {scope} chats; Telegram lists "
                f"{MAX_COMMANDS}",
                place=None,
                remedy="Leave description= out where a command need not be found",
            )
        languages = dict.fromkeys(lang for command in commands.values() for lang in command.languages)
        for lang in ("", *languages):
            menu = {name: _described(command, lang) for name, command in commands.items()}
            if not lang or menu != menus[scope, ""]:
                menus[scope, lang] = menu
    return menus


async def set_command_menus(bot: Bot, menus: dict[tuple[str, str], Menu]) -> None:
    """Tell Telegram the menus; a scope without commands loses those that an earlier version had there.

    What Telegram refuses, or cannot be reached for, is logged: the bot works without its menu.
    """
    for (scope, lang), menu in menus.items():
        commands = [BotCommand(name, description) for name, description in menu.items()]
        try:
            if commands:
                await bot.set_my_commands(commands, SCOPES[scope], lang or None)
            else:
                await bot.delete_my_commands(SCOPES[scope], lang or None)
        except Exception as error:
            named = f" in {lang!r}" if lang else ""
            _log.warning("the command menu of %s chats%s was not set: %r", scope, named, error)


def _described(command: Command, lang: str) -> str:
    given = command.description
    own = given.get(lang) if lang and not isinstance(given, str | None) else None
    return own or in_language(given, "") or ""


def _scopes(flow: Flow[Any], handler: Handler, command: Command) -> set[str]:
    """Return where a command is listed: where it can be typed so that its handler wants it.

    A handler that wants it nowhere by itself (it needs arguments, or is one person's) is no matter here.
    """
    wanted = {scope for chat, scope in _CHATS.items() if _is_wanted(handler, command.names[0], chat)}
    scopes = wanted or set(SCOPES)
    shared = flow.key.by_chat or flow.key.by_topic
    return (scopes & {"group"}) or scopes if shared else scopes


def _is_wanted(handler: Handler, name: str, chat: str) -> bool:
    message = Message(
        1,
        datetime.fromtimestamp(0, UTC),
        Chat(1 if chat == Chat.PRIVATE else -1, chat),
        User(1, "Somebody", is_bot=False),
        text=f"/{name}",
        entities=[MessageEntity(MessageEntity.BOT_COMMAND, 0, len(name) + 1)],
    )
    return handler.wants(read_update(Update(1, message=message), None)) is not None
