"""What the model knows: the bot, users, chats with their messages, files, pressed buttons.

Data only; what requests do to it stands in `sending`, `editing` and their neighbours, and what people do in
`people`.
"""

from typing import Any

import attrs

from fsmkit.clock import Clock
from fsmkit.testing.botapi.queue import UpdateQueue
from fsmkit.testing.botapi.wire import Json

BOT_GONE = frozenset({"left", "kicked"})


@attrs.define
class Chat:
    """One chat, as the bot sees it.

    Attributes:
        info: The `chat` object of its messages.
        messages: The visible messages by id, in order.
        own: Ids of those that the bot sent.
        threads: Ids of the topics that exist.
        last_id: The id of the newest message; ids rise per chat.
        bot_status: What the bot is here, as in `ChatMember.status`.
        migrated_to: The supergroup that this group became.
        declared: Somebody said what it is; otherwise it is whatever the first message needs it to be.
    """

    info: Json
    messages: dict[int, Json] = attrs.field(factory=dict[int, Json])
    own: set[int] = attrs.field(factory=set[int])
    threads: set[int] = attrs.field(factory=set[int])
    last_id: int = 0
    bot_status: str = "member"
    migrated_to: int | None = None
    declared: bool = False

    @property
    def private(self) -> bool:
        """Whether this is the chat with one user."""
        return bool(self.info["type"] == "private")

    def next_id(self) -> int:
        """A new message id."""
        self.last_id += 1
        return self.last_id


@attrs.define
class Query:
    """A question that may be answered: a pressed button, an inline query, a payment.

    Attributes:
        at: When it was asked, in seconds of the clock.
        answers: The parameters of each answer to it.
        content: What was asked.
    """

    at: float
    answers: list[Json] = attrs.field(factory=list[Json])
    content: Json = attrs.field(factory=dict[str, Any])


@attrs.frozen
class StoredFile:
    """A file that `getFile` finds."""

    file_id: str
    path: str
    content: bytes


@attrs.define
class World:
    """Everything that one bot can see.

    Attributes:
        token: The bot's token; its number is the bot's id.
        clock: Gives the dates of messages and the age of things.
        bot: The bot's own `User` object.
        first_id: The number from which messages of a chat are counted.
    """

    token: str
    clock: Clock
    bot: Json
    queue: UpdateQueue = attrs.field(factory=UpdateQueue)
    users: dict[int, Json] = attrs.field(factory=dict[int, Json])
    chats: dict[int, Chat] = attrs.field(factory=dict[int, Chat])
    files: dict[str, StoredFile] = attrs.field(factory=dict[str, StoredFile])
    queries: dict[str, Query] = attrs.field(factory=dict[str, Query])
    other_queries: dict[str, Query] = attrs.field(factory=dict[str, Query])
    reactions: dict[tuple[int, int, int], list[Json]] = attrs.field(
        factory=dict[tuple[int, int, int], list[Json]]
    )
    join_requests: set[tuple[int, int]] = attrs.field(factory=set[tuple[int, int]])
    inline: dict[str, Json] = attrs.field(factory=dict[str, Json])
    business: set[str] = attrs.field(factory=set[str])
    commands: dict[str, list[Json]] = attrs.field(factory=dict[str, list[Json]])
    webhook: Json = attrs.field(factory=dict[str, Any])
    serial: int = 0
    first_id: int = 1

    def date(self) -> int:
        """The time for a message, in whole seconds.

        Never 0: a message of date 0 is Telegram's sign for one that is no longer accessible, and a clock of
        tests begins there.
        """
        return max(1, int(self.clock.now()))

    def number(self) -> int:
        """A number that was not used before, for ids of files and queries."""
        self.serial += 1
        return self.serial

    def store_file(self, kind: str, content: bytes, name: str = "") -> StoredFile:
        """Keeps a file and gives it an id."""
        number = self.number()
        file_id = f"{kind}-{number}-{self.bot['id']}"
        suffix = f".{name.rpartition('.')[2]}" if "." in name else ""
        stored = StoredFile(file_id, f"{kind}s/file_{number}{suffix}", content)
        self.files[file_id] = stored
        return stored
