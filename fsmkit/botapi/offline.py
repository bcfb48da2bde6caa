"""`OfflineTelegram`: the Bot API in memory, to test any bot made with python-telegram-bot.

The bot under test is the real one, with its handlers, its `Bot` and its `Application`; only the requests end
in memory, where they are judged as Telegram would. The model stands in `fsmkit.botapi`.
"""

import copy
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from fsmkit.botapi import chats as _chats
from fsmkit.botapi import people as _membership
from fsmkit.botapi.api import BotApi, Call
from fsmkit.botapi.chats import deliver
from fsmkit.botapi.errors import Json, order
from fsmkit.botapi.people import Gestures
from fsmkit.botapi.world import UpdateQueue, World
from fsmkit.clock import Clock, SystemClock
from fsmkit.errors import requires_extra

if TYPE_CHECKING:
    from fsmkit.botapi.request import AnyApplication, AnyBuilder, OfflineRequest

__all__ = ["Call", "OfflineTelegram"]


class OfflineTelegram(Gestures):
    """A Telegram of one's own: people, chats, and the Bot API for one bot.

    Args:
        token: The bot's token; the number before the colon is its id.
        clock: Gives the dates of messages and the age of things; by default the system's.
        username: The bot's user name, without `@`.
        first_id: The number from which updates and messages are counted. A bot whose store outlives this
            Telegram needs a higher one each time: it remembers which updates it has handled.

    Attributes:

    Example:
        >>> offline = OfflineTelegram()
        >>> offline.say("/start")["message"]["entities"]
        [{'type': 'bot_command', 'offset': 0, 'length': 6}]
    """

    def __init__(
        self,
        token: str = "42:OFFLINE",
        *,
        clock: Clock | None = None,
        username: str = "offline_bot",
        first_id: int = 1,
    ) -> None:
        bot_id = int(token.partition(":")[0])
        bot: Json = {"id": bot_id, "is_bot": True, "first_name": username, "username": username}
        super().__init__(World(token, clock or SystemClock(), bot, UpdateQueue(first_id), first_id=first_id))
        self._api = BotApi(self._world)

    @property
    def world(self) -> World:
        """All that there is, which can be copied; another one may be put in its place."""
        return self._world

    @world.setter
    def world(self, world: World) -> None:
        self._world = self._api.world = world
        self._api.calls.clear()

    @property
    def api(self) -> BotApi:
        """What answers the bot."""
        return self._api

    # --- the bot's side ---

    def request(self) -> "OfflineRequest":
        """A new request object for `ApplicationBuilder.request`, `.get_updates_request` or `Bot`."""
        from fsmkit.botapi.request import OfflineRequest

        return OfflineRequest(self._api)

    def builder(self) -> "AnyBuilder":
        """An `ApplicationBuilder` with the token and both requests set."""
        from fsmkit.botapi.request import offline_builder

        return offline_builder(self._api)

    async def feed(self, app: "AnyApplication") -> int:
        """Gives all updates that wait to an initialized application, in order, each to its end.

        Returns:
            How many there were, those that came meanwhile included.
        """
        from fsmkit.botapi.request import process

        count = 0
        while updates := self._world.queue.take_all():
            await process(app, updates)
            count += len(updates)
        return count

    def take_updates(self) -> list[Json]:
        """Take the updates that wait out of the queue, oldest first: for tests that give them by hand."""
        return copy.deepcopy(self._world.queue.take_all())

    async def polled(self) -> None:
        """Waits until the bot is in a long poll: it has fetched all updates, if not handled them."""
        await self._world.queue.waiting.wait()

    def serve(self, port: int = 0) -> AbstractAsyncContextManager[str]:
        """The same Bot API on a loopback port, in this event loop; needs the extra `test`.

        Returns:
            A context that gives the address: `base_url(f"{url}/bot")`, `base_file_url(f"{url}/file/bot")`.
        """
        with requires_extra("test"):
            from fsmkit.botapi.server import serve

        return serve(self._api, port)

    # --- beside what people do (`People`, `Gestures`) ---

    def update(self, **fields: Any) -> Json:
        """Any other update, as Telegram would send it: `update(poll_answer={…})`; the id is given to it.

        Raises:
            ValueError: If there is not exactly one field; an update has one.
        """
        if len(fields) != 1:
            raise ValueError(f"an update has exactly one field beside its id, got {sorted(fields)}")
        [(kind, payload)] = fields.items()
        return deliver(self._world, kind, copy.deepcopy(payload))

    # --- who and where ---

    def add_user(
        self,
        user_id: int,
        *,
        first_name: str | None = None,
        username: str | None = None,
        language_code: str = "en",
        is_bot: bool = False,
    ) -> Json:
        """A user who has opened the chat with the bot, so that the bot may write first."""
        names = {"first_name": first_name, "username": username}
        given = {name: value for name, value in names.items() if value is not None}
        user = _chats.user(self._world, user_id, language_code=language_code, is_bot=is_bot, **given)
        if not is_bot:
            _chats.chat(self._world, user_id, **given)
        return dict(user)

    def add_chat(
        self,
        chat_id: int,
        *,
        type: str = "supergroup",  # noqa: A002  the Bot API's name
        title: str | None = None,
        username: str | None = None,
        is_forum: bool = False,
        bot_status: str = "member",
    ) -> Json:
        """A group or a channel that the bot is in.

        Args:
            chat_id: Its id, negative.
            type: `group`, `supergroup` or `channel`.
            title: What it is called.
            username: Its public name, without `@`.
            is_forum: Whether it has topics.
            bot_status: What the bot is there; an `administrator` may delete what others wrote.
        """
        fields: Json = {"type": type, "title": title or f"Chat {chat_id}"}
        fields |= {"username": username} if username else {}
        fields |= {"is_forum": True} if is_forum else {}
        chat = _chats.chat(self._world, chat_id, **fields)
        chat.bot_status = bot_status
        chat.declared = True
        return dict(chat.info)

    def block(self, user: int) -> Json:
        """A user blocks the bot: it is told (`my_chat_member`), and may not write there any more."""
        return _membership.bot_status(self._world, user, "kicked", by=user)

    def unblock(self, user: int) -> Json:
        """A user lets the bot write again."""
        return _membership.bot_status(self._world, user, "member", by=user)

    def kick(self, chat: int, *, by: int = 1) -> Json:
        """Somebody throws the bot out of a group."""
        return _membership.bot_status(self._world, chat, "kicked", by=by)

    def migrate(self, chat: int, to: int) -> list[Json]:
        """A group becomes a supergroup: two service messages, and the old id is refused from now on."""
        return _membership.migrate(self._world, chat, to)

    # --- what is to be seen, and what goes wrong ---

    def messages(self, chat: int) -> list[Json]:
        """The messages that are visible now, oldest first, as they stand after edits."""
        return [dict(message) for _, message in sorted(_chats.chat(self._world, chat).messages.items())]

    def texts(self, chat: int) -> list[str]:
        """Texts and captions of the bot's own visible messages, oldest first."""
        own = _chats.chat(self._world, chat).own
        shown = [message for message in self.messages(chat) if message["message_id"] in own]
        return [
            text for message in shown if (text := message.get("text", message.get("caption"))) is not None
        ]

    @property
    def calls(self) -> list[Call]:
        """Every request of the bot that named a known method, in order."""
        return self._api.calls

    def calls_of(self, method: str) -> list[Call]:
        """The requests of one method, in order."""
        return [call for call in self.calls if call.method == method]

    @property
    def answered(self) -> dict[str, list[Json]]:
        """For each pressed button the answers that it got, by the id of its callback query."""
        return {query_id: list(query.answers) for query_id, query in self._world.queries.items()}

    def fail(
        self,
        method: str = "*",
        *,
        status: int | None = None,
        retry_after: int | None = None,
        description: str | None = None,
        times: int = 1,
        drop: bool = False,
        after: bool = False,
        when: Callable[[Json], bool] | None = None,
    ) -> None:
        """The next requests go wrong.

        Args:
            method: Which; `*`: every method but `getUpdates`, whose polls would use the failures up.
            status: The HTTP status; by default 429 with `retry_after`, else 502.
            retry_after: Seconds that Telegram asks to wait.
            description: The sentence of the answer.
            times: How many requests.
            drop: The connection breaks instead of an answer.
            after: The request is carried out first; without `status` its answer is then lost.
            when: Only requests whose decoded parameters satisfy it.
        """
        self._api.faults.append(
            order(
                method,
                status=status,
                retry_after=retry_after,
                description=description,
                times=times,
                drop=drop,
                after=after,
                when=when,
            )
        )
