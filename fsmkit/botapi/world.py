"""What the model knows: the bot, users, chats with their messages, files, pressed buttons.

Data only: what requests do to it stands in `sending`, `groups` and `account`, what people do in `people`.
Tables (`dict`, `set`) are changed in place; the JSON objects in them are replaced, never changed, so that
worlds, updates and the log can share them.
"""

import asyncio
from collections.abc import Collection
from typing import Any, TypeVar

import attrs

from fsmkit.botapi.errors import ApiError, Json, conflict
from fsmkit.clock import Clock

OPT_IN = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
"""Kinds that Telegram sends only where `allowed_updates` names them."""

OTHER_POLL = "terminated by other getUpdates request; make sure that only one bot instance is running"


class UpdateQueue:
    """Updates in order, numbered without gaps.

    Args:
        first_id: The id of the first update.
    """

    def __init__(self, first_id: int = 1) -> None:
        self._next_id = first_id
        self._pending: list[Json] = []
        self._allowed: Collection[str] | None = None
        self._poll: asyncio.Future[ApiError | None] | None = None
        self.waiting = asyncio.Event()
        """Set while a poll waits, which means that it found nothing to take."""

    def __len__(self) -> int:
        return len(self._pending)

    def copy(self) -> "UpdateQueue":
        """Return a queue of the same updates, in which no poll waits."""
        twin = UpdateQueue(self._next_id)
        twin._pending = self._pending.copy()
        twin._allowed = self._allowed
        return twin

    def put(self, kind: str, payload: object) -> Json:
        """Give an update its number, queue it, and wake the poll that waits."""
        update = {"update_id": self._next_id, kind: payload}
        self._next_id += 1
        self._pending.append(update)
        self._end_poll(None)
        return update

    def take_all(self) -> list[Json]:
        """Empty the queue; return what was in it, oldest first."""
        taken, self._pending = self._pending, []
        return taken

    def interrupt(self, error: ApiError | None = None) -> None:
        """End the poll that waits, with an error or with what there is."""
        self._end_poll(error)

    async def poll(
        self, *, offset: int = 0, limit: int = 100, timeout: float = 0, allowed: Collection[str] | None = None
    ) -> list[Json]:
        """Answer one `getUpdates`.

        Args:
            offset: The first id to give; what is before it is confirmed. Negative: so many from the end.
            limit: At most so many updates, 1 to 100.
            timeout: Seconds of real time to wait while there is none.
            allowed: The kinds to give from now on; empty: the usual ones; `None`: as before.

        Raises:
            ApiError: 409 when a newer poll, or `setWebhook`, ended this one.
        """
        self._end_poll(conflict(OTHER_POLL))
        if allowed is not None:
            self._allowed = allowed
        self._confirm(offset)
        # An update that came may be of a kind that was not asked for, so waiting starts anew after it.
        end = asyncio.get_running_loop().time() + timeout
        while not self._pending and (left := end - asyncio.get_running_loop().time()) > 0:
            if not await self._wait(left):
                break
            self._drop_unwanted()
        return [dict(update) for update in self._pending[: min(max(limit, 1), 100)]]

    async def _wait(self, seconds: float) -> bool:
        """Wait for a sign; return whether to look again."""
        poll = self._poll = asyncio.get_running_loop().create_future()
        self.waiting.set()
        try:
            error = await asyncio.wait_for(poll, seconds)
        except TimeoutError:
            return False
        finally:
            # A newer poll may have taken the place meanwhile; it must not be cleared.
            if self._poll is poll:
                self._poll = None
                self.waiting.clear()
        if error is not None:
            raise error
        return bool(self._pending)

    def _end_poll(self, error: ApiError | None) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(error)

    def _confirm(self, offset: int) -> None:
        if offset > 0:
            self._pending = [update for update in self._pending if update["update_id"] >= offset]
        elif offset < 0:
            self._pending = self._pending[offset:]
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        self._pending = [update for update in self._pending if self._wanted(update)]

    def _wanted(self, update: Json) -> bool:
        kind = next(key for key in update if key != "update_id")
        return kind in self._allowed if self._allowed else kind not in OPT_IN


@attrs.define
class ChatRecord:
    """One chat, as the bot sees it.

    Attributes:
        info: The `chat` object of its messages.
        messages: The visible messages by id, in order.
        own: Ids of those that the bot sent.
        markups: Ids of those of the bot's that came with a markup other than an inline keyboard.
        invoices: The payloads of the bot's invoices, by message id; Telegram shows them to nobody.
        threads: Topics by the id of their thread, as the `ForumTopic` that they are.
        members: What people are in the chat: `ChatMember` objects by user id.
        links: Invite links that the bot made, by their address.
        pinned: Ids of pinned messages, the newest last.
        details: What `getChat` shows beside `info`.
        last_id: The newest message's id.
        bot_status: What the bot is there.
        bot_limits: For a restricted bot the other fields of its `ChatMember`.
        migrated_to: The supergroup that this group has become.
        declared: Whether a test has described the chat; the others are what messages make of them.
    """

    info: Json
    messages: dict[int, Json] = attrs.field(factory=dict[int, Json])
    own: set[int] = attrs.field(factory=set[int])
    markups: set[int] = attrs.field(factory=set[int])
    invoices: dict[int, str] = attrs.field(factory=dict[int, str])
    threads: dict[int, Json] = attrs.field(factory=dict[int, Json])
    members: dict[int, Json] = attrs.field(factory=dict[int, Json])
    links: dict[str, Json] = attrs.field(factory=dict[str, Json])
    pinned: tuple[int, ...] = ()
    details: Json = attrs.field(factory=dict[str, Any])
    last_id: int = 0
    bot_status: str = "member"
    bot_limits: Json = attrs.field(factory=dict[str, Any])
    migrated_to: int | None = None
    declared: bool = False

    @property
    def private(self) -> bool:
        """Whether this is the chat with one user."""
        return bool(self.info["type"] == "private")

    @property
    def bot_gone(self) -> bool:
        """Whether the bot is out of the chat; somebody restricted may be in it or not."""
        if self.bot_status == "restricted":
            return not self.bot_limits.get("is_member", True)
        return self.bot_status in {"left", "kicked"}

    @property
    def bot_administers(self) -> bool:
        """Whether the bot is an administrator; one of this model has all rights."""
        return self.bot_status in {"administrator", "creator"}

    def next_id(self) -> int:
        """Return a new message id."""
        self.last_id += 1
        return self.last_id


@attrs.frozen
class OpenQuery:
    """A question that may be answered: a pressed button, an inline query, a payment.

    Attributes:
        kind: The field of `Update` in which it came.
        at: When it was asked, in seconds of the clock.
        answers: The parameters of each answer to it.
        content: What was asked.
    """

    kind: str
    at: float
    answers: tuple[Json, ...] = ()
    content: Json = attrs.field(factory=dict[str, Any])


@attrs.frozen
class StoredFile:
    """A file that `getFile` finds."""

    file_id: str
    path: str
    content: bytes


Tables = TypeVar("Tables", bound="World | ChatRecord")


def _with_own_tables(record: Tables) -> Tables:
    """Return a copy of a record with tables of its own, whose values it shares."""
    # `attrs.evolve` takes several times as long: it goes through the arguments of `__init__`.
    twin = object.__new__(type(record))
    for field in attrs.fields(type(record)):
        value = getattr(record, field.name)
        setattr(twin, field.name, value.copy() if isinstance(value, (dict, set)) else value)
    return twin


@attrs.define
class World:
    """Everything that one bot can see.

    Attributes:
        token: The bot's token; its number is the bot's id.
        clock: Gives the dates of messages and the age of things.
        bot: The bot's own `User` object.
        first_id: The number from which messages of a chat are counted.
        privacy: Whether the bot sees of groups only what is meant for it.
        business_echoes: Whether the bot is told of what it does itself in business chats.
    """

    token: str
    clock: Clock
    bot: Json
    queue: UpdateQueue = attrs.field(factory=UpdateQueue, repr=False)
    users: dict[int, Json] = attrs.field(factory=dict[int, Json])
    chats: dict[int, ChatRecord] = attrs.field(factory=dict[int, ChatRecord])
    files: dict[str, StoredFile] = attrs.field(factory=dict[str, StoredFile])
    queries: dict[str, OpenQuery] = attrs.field(factory=dict[str, OpenQuery])
    other_queries: dict[str, OpenQuery] = attrs.field(factory=dict[str, OpenQuery])
    reactions: dict[tuple[int, int, int], list[Json]] = attrs.field(
        factory=dict[tuple[int, int, int], list[Json]]
    )
    join_requests: set[tuple[int, int]] = attrs.field(factory=set[tuple[int, int]])
    inline: dict[str, Json] = attrs.field(factory=dict[str, Json])
    business: dict[str, Json] = attrs.field(factory=dict[str, Json])
    invoice_links: dict[str, Json] = attrs.field(factory=dict[str, Json])
    payments: dict[str, Json] = attrs.field(factory=dict[str, Json])
    profile_photos: dict[int, list[Json]] = attrs.field(factory=dict[int, list[Json]])
    profile: dict[str, Any] = attrs.field(factory=dict[str, Any])
    commands: dict[str, list[Json]] = attrs.field(factory=dict[str, list[Json]])
    webhook: Json = attrs.field(factory=dict[str, Any])
    serial: int = 0
    first_id: int = 1
    privacy: bool = False
    business_echoes: bool = False

    def copy(self, *, clock: Clock | None = None) -> "World":
        """Return a world in the same condition; what happens in one does not show in the other.

        A poll that waits belongs to the bot of this world, not to the copy.

        Args:
            clock: The clock of the copy; by default the two have one in common.
        """
        twin = _with_own_tables(self)
        twin.clock = clock or self.clock
        twin.queue = self.queue.copy()
        twin.chats = {chat_id: _with_own_tables(chat) for chat_id, chat in self.chats.items()}
        return twin

    def date(self) -> int:
        """Return the time for a message, in whole seconds.

        Never 0: a message of date 0 is Telegram's sign for one that is no longer accessible, and a clock of
        tests begins there.
        """
        return max(1, int(self.clock.now()))

    def number(self) -> int:
        """Return a number that was not used before, for ids of files and queries."""
        self.serial += 1
        return self.serial

    def store_file(self, kind: str, content: bytes, name: str = "") -> StoredFile:
        """Keep a file and give it an id."""
        number = self.number()
        file_id = f"{kind}-{number}-{self.bot['id']}"
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        stored = StoredFile(file_id, f"{kind}s/file_{number}{suffix}", content)
        self.files[file_id] = stored
        return stored
