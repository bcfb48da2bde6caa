"""`OfflineTelegram`: the Bot API in memory, to test any bot made with python-telegram-bot.

The bot under test is the real one, with its handlers, its `Bot` and its `Application`; only the requests end
in memory, where they are judged as Telegram would. The model stands in the modules beside this one.
"""

import copy
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from fsmkit.botapi.api import BotApi, Call
from fsmkit.botapi.chats import PERMISSIONS, change_bot, deliver, member
from fsmkit.botapi.chats import chat as chat_of
from fsmkit.botapi.chats import user as user_of
from fsmkit.botapi.errors import Json, order
from fsmkit.botapi.people import Gestures, migrate
from fsmkit.botapi.sending import describe
from fsmkit.botapi.world import UpdateQueue, World
from fsmkit.clock import Clock, SystemClock
from fsmkit.errors import requires_extra

if TYPE_CHECKING:
    from fsmkit.botapi.request import AnyApplication, AnyBuilder, OfflineRequest

__all__ = ["Call", "OfflineTelegram"]


class OfflineTelegram(Gestures):
    """A Telegram of one's own: people, chats, and the Bot API for one bot.

    Args:
        token: The bot's token, any text; the number before the colon is its id, if there is one.
        clock: Gives the dates of messages and the age of things; by default the system's.
        username: The bot's user name, without `@`.
        first_id: The number from which updates and messages are counted. A bot whose store outlives this
            Telegram needs a higher one each time: it remembers which updates it has handled.
        privacy: Whether the bot is in privacy mode: of groups it sees commands, mentions and replies to it.
        business_echoes: Whether the bot gets updates of what it sends and edits itself in business chats.

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
        privacy: bool = False,
        business_echoes: bool = False,
    ) -> None:
        number = token.partition(":")[0]
        bot_id = int(number) if number.isdecimal() else 42
        bot: Json = {"id": bot_id, "is_bot": True, "first_name": username, "username": username}
        world = World(token, clock or SystemClock(), bot, UpdateQueue(first_id), first_id=first_id)
        world.privacy, world.business_echoes = privacy, business_echoes
        super().__init__(world)
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
        """Return a new request object for `ApplicationBuilder.request`, `.get_updates_request` or `Bot`."""
        from fsmkit.botapi.request import OfflineRequest

        return OfflineRequest(self._api)

    def builder(self) -> "AnyBuilder":
        """Return an `ApplicationBuilder` whose bot has this token and talks to nobody but this Telegram.

        It takes every setting; those of the network (`connect_timeout`, `proxy`, `request`, `token`, …) are
        without effect.
        """
        from fsmkit.botapi.request import OfflineBuilder

        return OfflineBuilder(self._api)

    async def feed(self, app: "AnyApplication") -> int:
        """Give all updates that wait to an initialized application, in order, each to its end.

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
        """Wait until the bot is in a long poll: it has fetched all updates, if not handled them."""
        await self._world.queue.waiting.wait()

    def serve(self, port: int = 0) -> AbstractAsyncContextManager[str]:
        """Serve the same Bot API on a loopback port, in this event loop; needs the extra `test`.

        Returns:
            A context that gives the address: `base_url(f"{url}/bot")`, `base_file_url(f"{url}/file/bot")`.
        """
        with requires_extra("test"):
            from fsmkit.botapi.server import serve

        return serve(self._api, port)

    # --- beside what people do (`People`, `Gestures`) ---

    def update(self, **fields: Any) -> Json:
        """Queue any other update, as Telegram would send it, for example `update(poll_answer={…})`.

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
        photos: Sequence[bytes] = (),
    ) -> Json:
        """Add a user who has opened the chat with the bot, so that the bot may write first.

        Args:
            user_id: The user's id.
            first_name: The name; by default one is made up.
            username: The public name, without `@`.
            language_code: The language of the user's app.
            is_bot: Whether it is another bot.
            photos: The user's profile photos, the newest first.
        """
        names = {"first_name": first_name, "username": username}
        given = {name: value for name, value in names.items() if value is not None}
        user = user_of(self._world, user_id, language_code=language_code, is_bot=is_bot, **given)
        if not is_bot:
            chat_of(self._world, user_id, **given)
        if photos:
            files = [self._world.store_file("photo", photo) for photo in photos]
            self._world.profile_photos[user_id] = [describe("photo", file, {})["photo"] for file in files]
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
        """Add a group or a channel that the bot is in.

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
        chat = chat_of(self._world, chat_id, **fields)
        chat.bot_status, chat.bot_limits = bot_status, {}
        chat.declared = True
        return dict(chat.info)

    def add_member(self, chat: int, user: int, *, status: str = "member", **fields: Any) -> Json:
        """Put somebody into a group, without an update.

        Args:
            chat: The group.
            user: Who it is.
            status: `member`, `administrator`, `creator`, `restricted`, `left` or `kicked`.
            fields: Other fields of the `ChatMember`, for example `can_be_edited`.
        """
        there = member(user_of(self._world, user), status, **fields)
        chat_of(self._world, chat).members[user] = there
        return there

    def block(self, user: int) -> Json:
        """Let a user block the bot: it is told (`my_chat_member`), and may not write there any more."""
        return change_bot(self._world, user, "kicked", by=user)

    def unblock(self, user: int) -> Json:
        """Let a user unblock the bot: it may write again."""
        return change_bot(self._world, user, "member", by=user)

    def kick(self, chat: int, *, by: int = 1) -> Json:
        """Let somebody throw the bot out of a group."""
        return change_bot(self._world, chat, "kicked", by=by)

    def restrict(self, chat: int, *, by: int = 1, is_member: bool = True, **permissions: bool) -> Json:
        """Let somebody restrict the bot in a supergroup; what is not permitted is refused from now on.

        Args:
            chat: The supergroup.
            by: Who does it.
            is_member: Whether the bot is still in it; one that was thrown out may stay restricted.
            permissions: What it still may: `can_send_messages`, `can_send_photos`, ….
        """
        limits = {**dict.fromkeys(PERMISSIONS, False), **permissions, "is_member": is_member}
        return change_bot(self._world, chat, "restricted", by=by, **limits)

    def migrate(self, chat: int, to: int) -> list[Json]:
        """Make a supergroup of a group: two service messages, and the old id is refused from now on."""
        return migrate(self._world, chat, to)

    # --- what is to be seen, and what goes wrong ---

    def messages(self, chat: int) -> list[Json]:
        """Return the messages that are visible now, oldest first, as they stand after edits."""
        return [dict(message) for _, message in sorted(chat_of(self._world, chat).messages.items())]

    def texts(self, chat: int) -> list[str]:
        """Return texts and captions of the bot's own visible messages, oldest first."""
        own = chat_of(self._world, chat).own
        shown = [message for message in self.messages(chat) if message["message_id"] in own]
        return [
            text for message in shown if (text := message.get("text", message.get("caption"))) is not None
        ]

    def inline_message(self, inline_message_id: str) -> Json:
        """Return what a message of inline mode shows, as far as the bot has edited it.

        Raises:
            KeyError: If nobody has chosen it, nor pressed a button under it.
        """
        shown = self._world.inline[inline_message_id]
        return {name: value for name, value in shown.items() if name not in ("inline", "unseen")}

    @property
    def calls(self) -> list[Call]:
        """Every request of the bot that named a known method, in order."""
        return self._api.calls

    def calls_of(self, method: str) -> list[Call]:
        """Return the requests of one method, in order."""
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
        """Let the next requests go wrong.

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
