"""What people do in front of their phones: they write, send, edit, press, vote, pay; each becomes an update.

`People` is what conversations are made of, `Gestures` adds what makes no message. Both are methods of
`OfflineTelegram`.
"""

from typing import Any

from fsmkit.botapi.chats import chat as chat_of
from fsmkit.botapi.chats import deliver, invoice_of
from fsmkit.botapi.chats import user as user_of
from fsmkit.botapi.entities import clean, detect
from fsmkit.botapi.errors import Json
from fsmkit.botapi.formatting import MAX_TEXT
from fsmkit.botapi.keyboards import buttons_of
from fsmkit.botapi.sending import DEFAULTS, describe
from fsmkit.botapi.world import ChatRecord, World

PLAIN: dict[str, Json] = {
    "location": {"latitude": 48.2082, "longitude": 16.3738},
    "contact": {"phone_number": "+4310000000", "first_name": "Contact"},
    "dice": {"emoji": "🎲", "value": 4},
    "venue": {
        "location": {"latitude": 48.2082, "longitude": 16.3738},
        "title": "Venue",
        "address": "Street 1",
    },
    "web_app_data": {"data": "data", "button_text": "Open"},
    "users_shared": {"request_id": 1, "users": [{"user_id": 2}]},
    "chat_shared": {"request_id": 1, "chat_id": -100},
    "successful_payment": {
        "currency": "EUR",
        "total_amount": 100,
        "invoice_payload": "payload",
        "telegram_payment_charge_id": "t1",
        "provider_payment_charge_id": "p1",
    },
    "refunded_payment": {
        "currency": "XTR",
        "total_amount": 100,
        "invoice_payload": "payload",
        "telegram_payment_charge_id": "t1",
    },
}
"""What people send that is no file, where nobody says anything else."""

POLL: Json = {
    "id": "1",
    "question": "Poll?",
    "options": [
        {"text": "Yes", "voter_count": 0, "persistent_id": "0"},
        {"text": "No", "voter_count": 0, "persistent_id": "1"},
    ],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": False,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": True,
    "members_only": False,
}
"""A poll that somebody sends, where a test does not care which."""


class People:
    """The other end of the conversation; each method returns its update, which also waits in the queue.

    By default it is user 1, in the private chat with the bot.

    Args:
        world: Where it takes place.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def say(
        self,
        text: str,
        *,
        user: int = 1,
        chat: int | None = None,
        thread: int | None = None,
        business: str | None = None,
        **more: Any,
    ) -> Json:
        """Write a text.

        As apps do, white space around it goes, and every 4,096 UTF-16 units are a message.

        Args:
            text: What is written; the entities that Telegram finds in it are added.
            user: Who writes.
            chat: Where.
            thread: The topic, which exists from now on.
            business: The business connection through which the bot sees the message.
            more: Other fields of the message; `reply_to_message` may be the id of a visible one.

        Returns:
            The update of the first message.

        Raises:
            ValueError: If there is nothing to send; no app sends that.
        """
        parts = _messages_of(text)
        if not parts:
            raise ValueError(f"nobody can send the text {text!r}: there is nothing in it")
        contents = [{**_with_entities(part, "text", "entities"), **more} for part in parts]
        first, *_ = [self._post(content, user, chat, thread, business) for content in contents]
        return first

    def send(
        self,
        kind: str,
        *,
        user: int = 1,
        chat: int | None = None,
        thread: int | None = None,
        caption: str | None = None,
        group: str | None = None,
        **content: Any,
    ) -> Json:
        """Send something that is no text.

        Args:
            kind: The field of the message: `photo`, `document`, `location`, `contact`, `voice`, ….
            user: Who sends it.
            chat: Where.
            thread: The topic.
            caption: The text under a file.
            group: The id of the album that it is a part of.
            content: Fields of the object, over sensible defaults; `data`: the bytes of a file.

        Raises:
            LookupError: If there are no defaults for this kind, and no content is given.
        """
        message = self._content(kind, content)
        if caption is not None and (text := clean(caption).strip()):
            message |= _with_entities(text, "caption", "caption_entities")
        if group is not None:
            message["media_group_id"] = group
        return self._post(message, user, chat, thread, None)

    def edit(self, message_id: int, text: str, *, user: int = 1, chat: int | None = None) -> Json:
        """Edit an own message.

        Raises:
            LookupError: If there is no such message of this user; says which there are.
        """
        old = self._own_message(message_id, user, chat)
        fields = ("text", "entities") if "text" in old else ("caption", "caption_entities")
        kept = {name: value for name, value in old.items() if name not in fields}
        return self._edited({**kept, **_with_entities(clean(text).strip(), *fields)})

    def move(
        self,
        message_id: int,
        latitude: float,
        longitude: float,
        *,
        user: int = 1,
        chat: int | None = None,
        last: bool = False,
    ) -> Json:
        """Move with a live location that is being shared: the message is edited.

        Args:
            message_id: The message of the location.
            latitude: Where the user is now, in degrees.
            longitude: Likewise.
            user: Who shares it.
            chat: Where.
            last: Sharing ends here.

        Raises:
            LookupError: If there is no such message, or it is no live location.
        """
        old = self._own_message(message_id, user, chat)
        point = old.get("location", {})
        if "live_period" not in point:
            raise LookupError(f"message {message_id} is not a live location")
        moved = {**point, "latitude": latitude, "longitude": longitude}
        if last:
            del moved["live_period"]
        return self._edited({**old, "location": moved})

    def _own_message(self, message_id: int, user: int, chat: int | None) -> Json:
        where = chat_of(self._world, user if chat is None else chat)
        own = [number for number, message in where.messages.items() if _wrote(user, message)]
        if message_id not in own:
            place = f"chat {where.info['id']}"
            raise LookupError(f"user {user} has no message {message_id} in {place}, only {own}")
        return where.messages[message_id]

    def _edited(self, message: Json) -> Json:
        new = {**message, "edit_date": self._world.date()}
        return deliver(self._world, _kind(new, edited=True), new)

    def press(
        self,
        button: str,
        *,
        user: int = 1,
        chat: int | None = None,
        message_id: int | None = None,
        inline_message_id: str | None = None,
        old: bool = False,
    ) -> Json:
        """Press an inline button that is on the screen, the newest if there are several.

        Args:
            button: Its text or its callback data.
            user: Who presses.
            chat: Where.
            message_id: Under which message; by default under any.
            inline_message_id: Under which message of inline mode, as the bot has edited it.
            old: The message is too old for Telegram to tell more of it than chat and id.

        Raises:
            LookupError: If there is none; says which there are.
        """
        if inline_message_id is not None:
            keys = buttons_of(self._world.inline.get(inline_message_id, {}))
            data = next((key.get("callback_data") for key in keys if button in key.values()), None)
            if not data:
                texts = [key["text"] for key in keys]
                raise LookupError(f"no button {button!r} under message {inline_message_id}, only {texts}")
            return self.press_data(data, user=user, inline_message_id=inline_message_id)
        where = chat_of(self._world, user if chat is None else chat)
        for number in sorted(where.messages, reverse=True):
            if message_id not in (None, number):
                continue
            for shown in buttons_of(where.messages[number]):
                data = shown.get("callback_data")
                if data and button in (shown["text"], data):
                    return self.press_data(data, user=user, chat=where.info["id"], message_id=number, old=old)
        place = f"chat {where.info['id']}" + ("" if message_id is None else f", message {message_id}")
        raise LookupError(f"no button {button!r} in {place}; on the screen: {_screen(where)}")

    def press_data(
        self,
        data: str,
        *,
        user: int = 1,
        chat: int | None = None,
        message_id: int | None = None,
        inline_message_id: str | None = None,
        old: bool = False,
    ) -> Json:
        """Press a button of any data: an old one, a forged one, one of an inline message.

        A message that is gone, or `old`, comes as Telegram then sends it, with chat, id and date 0 only;
        without an id it is the bot's newest.
        """
        query: Json = {
            "id": str(4_000_000_000_000 + self._world.number()),
            "from": user_of(self._world, user),
            "chat_instance": str(inline_message_id or (user if chat is None else chat)),
            "data": data,
        }
        if inline_message_id is not None:
            query["inline_message_id"] = inline_message_id
        else:
            where = chat_of(self._world, user if chat is None else chat)
            query["message"] = _shown(where, message_id, old=old)
        return deliver(self._world, "callback_query", query)

    def _content(self, kind: str, content: Json) -> Json:
        """Return the fields of a message of a kind; one without defaults is sent as it was given."""
        if kind in PLAIN:
            return {kind: {**PLAIN[kind], **content}}
        if kind not in DEFAULTS:
            if not content:
                known = ", ".join(sorted([*PLAIN, *DEFAULTS]))
                raise LookupError(f"no defaults for {kind!r}: give its fields, or send one of {known}")
            return {kind: content}
        data: Any = content.pop("data", None)
        name = str(content.get("file_name", ""))
        body = data if isinstance(data, bytes) else f"{kind} of an offline chat".encode()
        stored = self._world.store_file(kind, body, name)
        return describe(kind, stored, content)

    def _post(
        self, content: Json, user: int, chat: int | None, thread: int | None, business: str | None
    ) -> Json:
        where = chat_of(self._world, user if chat is None else chat)
        message: Json = {"message_id": where.next_id(), "date": self._world.date(), "chat": where.info}
        if where.info["type"] == "channel":
            message["sender_chat"] = where.info
        else:
            message["from"] = user_of(self._world, user)
        message |= _thread(where, thread)
        if business is not None:
            message["business_connection_id"] = business
        message |= content
        reply = message.get("reply_to_message")
        if isinstance(reply, int):
            message["reply_to_message"] = where.messages[reply]
        return deliver(self._world, _kind(message), message)


def _messages_of(text: str) -> list[str]:
    """Return the texts that an app makes of what somebody types."""
    units = clean(text).strip().encode("utf-16-le", "surrogatepass")
    parts: list[str] = []
    while units:
        # A character of two units is not cut in half.
        cut = 2 * MAX_TEXT - 2 * (len(units) > 2 * MAX_TEXT and 0xD8 <= units[2 * MAX_TEXT - 1] <= 0xDB)
        parts.append(units[:cut].decode("utf-16-le", "surrogatepass").strip())
        units = units[cut:]
    return [part for part in parts if part]


def _with_entities(text: str, field: str, entities_field: str) -> Json:
    entities = detect(text)
    return {field: text, **({entities_field: entities} if entities else {})}


def _kind(message: Json, *, edited: bool = False) -> str:
    """Return the field of `Update` in which a message comes."""
    if "business_connection_id" in message:
        return "edited_business_message" if edited else "business_message"
    if message["chat"]["type"] == "channel":
        return "edited_channel_post" if edited else "channel_post"
    return "edited_message" if edited else "message"


def _thread(where: ChatRecord, thread: int | None) -> Json:
    """Return the fields of a topic; in a group that is no forum, of the thread that replies make."""
    if thread is None:
        return {}
    if not where.declared:
        where.info = {**where.info, "is_forum": True}
    topic = {"is_topic_message": True} if where.info.get("is_forum") else {}
    return {"message_thread_id": thread, **topic}


def _shown(where: ChatRecord, message_id: int | None, *, old: bool) -> Json:
    """Return the message under which a button was; of one that is gone, its place and number only."""
    number = message_id if message_id is not None else max(where.own, default=where.last_id)
    found = None if old else where.messages.get(number)
    return found if found is not None else {"chat": where.info, "message_id": number, "date": 0}


def _wrote(user: int, message: Json) -> bool:
    # The bot's own messages have a sender too; a post in a channel has none, anybody there may edit it.
    sender = message.get("from")
    return sender is None or sender["id"] == user


def _screen(where: ChatRecord) -> str:
    shown = {
        number: [button["text"] for button in buttons_of(message)]
        for number, message in where.messages.items()
        if buttons_of(message)
    }
    return (
        ", ".join(f"{texts} under message {number}" for number, texts in shown.items()) or "no button at all"
    )


ADDRESS: Json = {
    "country_code": "AT",
    "state": "",
    "city": "Wien",
    "street_line1": "Street 1",
    "street_line2": "",
    "post_code": "1010",
}


class Gestures(People):
    """More of what people do; as in `People`, each method returns its update, which waits in the queue."""

    def react(self, message_id: int, *emoji: str, user: int = 1, chat: int | None = None) -> Json:
        """Set the reactions to a message; without emoji they are taken away."""
        where = chat_of(self._world, user if chat is None else chat)
        place = (where.info["id"], message_id, user)
        old = self._world.reactions.get(place, [])
        new: list[Json] = [{"type": "emoji", "emoji": one} for one in emoji]
        self._world.reactions[place] = new
        change = {
            "chat": where.info,
            "message_id": message_id,
            "user": user_of(self._world, user),
            "date": self._world.date(),
            "old_reaction": old,
            "new_reaction": new,
        }
        return deliver(self._world, "message_reaction", change)

    def vote(self, message_id: int, *options: int, user: int = 1, chat: int | None = None) -> list[Json]:
        """Vote in a poll, by the numbers of its options: what each voted for, then the count.

        Raises:
            LookupError: If the message is no poll of the bot's, or is closed.
        """
        where = chat_of(self._world, user if chat is None else chat)
        poll: Any = where.messages.get(message_id, {}).get("poll")
        if poll is None or message_id not in where.own:
            raise LookupError(f"message {message_id} is not a poll of the bot's")
        if poll["is_closed"]:
            raise LookupError(f"the poll in message {message_id} is closed")
        counted = [
            {**option, "voter_count": option["voter_count"] + (number in options)}
            for number, option in enumerate(poll["options"])
        ]
        poll = {**poll, "options": counted, "total_voter_count": poll["total_voter_count"] + 1}
        where.messages[message_id] = {**where.messages[message_id], "poll": poll}
        ids = [counted[number]["persistent_id"] for number in options]
        answer = {
            "poll_id": poll["id"],
            "user": user_of(self._world, user),
            "option_ids": list(options),
            "option_persistent_ids": ids,
        }
        answers = [] if poll["is_anonymous"] else [deliver(self._world, "poll_answer", answer)]
        return [*answers, deliver(self._world, "poll", poll)]

    def checkout(
        self,
        payload: str,
        *,
        user: int = 1,
        amount: int | None = None,
        currency: str | None = None,
        **more: Any,
    ) -> Json:
        """Press "Pay": once the bot has said yes, the message of the payment follows in the invoice's chat.

        Args:
            payload: The payload of the invoice; where several have it, the newest is paid.
            user: Who pays.
            amount: By default the invoice's, or 100 where the bot has sent none.
            currency: By default the invoice's, or `EUR`.
            more: Other fields of the query, for example `order_info`.
        """
        links = (link for link in self._world.invoice_links.values() if link["payload"] == payload)
        sold = invoice_of(self._world, payload, user)
        invoice = sold[1]["invoice"] if sold else next(links, {"total_amount": 100, "currency": "EUR"})
        price = {
            "total_amount": invoice["total_amount"] if amount is None else amount,
            "currency": currency or invoice["currency"],
        }
        asked = {"invoice_payload": payload, **price, **more}
        return deliver(self._world, "pre_checkout_query", self._asked(user, asked))

    def ship(self, payload: str, *, user: int = 1, **address: str) -> Json:
        """Give an address for an invoice whose price depends on it."""
        asked = {"invoice_payload": payload, "shipping_address": {**ADDRESS, **address}}
        return deliver(self._world, "shipping_query", self._asked(user, asked))

    def ask_to_join(self, chat: int, *, user: int = 1) -> Json:
        """Ask to join a group; the bot may write to that user until it has decided."""
        chat_of(self._world, user)
        request = {
            "chat": chat_of(self._world, chat).info,
            "from": user_of(self._world, user),
            "user_chat_id": user,
            "date": self._world.date(),
        }
        return deliver(self._world, "chat_join_request", request)

    def connect(self, connection: str, *, user: int = 1, enabled: bool = True) -> Json:
        """Connect the bot to the business account that the user owns, or end that."""
        chat_of(self._world, user)
        about = {
            "id": connection,
            "user": user_of(self._world, user),
            "user_chat_id": user,
            "date": self._world.date(),
            "is_enabled": enabled,
        }
        return deliver(self._world, "business_connection", about)

    def gesture(
        self,
        kind: str,
        what: str = "",
        *,
        user: int = 1,
        chat: int | None = None,
        message_id: int = 1,
        **fields: Any,
    ) -> Json:
        """Do something that makes no message, whatever the bot has shown before.

        Args:
            kind: The kind of the event: `inline`, `poll_answer`, `message_reaction`, `pre_checkout_query`, ….
            what: What was typed, the payload, the emoji, the number of the option.
            user: Who does it.
            chat: Where.
            message_id: For a reaction the message reacted to.
            fields: Fields of Telegram's object.

        Raises:
            LookupError: If there is no such kind.
            ValueError: If the option of a poll is no number.
        """
        person = user_of(self._world, user)
        match kind:
            case "message_reaction":
                return self.react(message_id, what or "\N{THUMBS UP SIGN}", user=user, chat=chat)
            case "pre_checkout_query":
                return self.checkout(what or "payload", user=user, **fields)
            case "shipping_query":
                return self.ship(what or "payload", user=user, **fields)
            case "chat_join_request":
                return self.ask_to_join(int(fields.get("chat", -100)), user=user)
            case "poll_answer":
                vote = {"option_ids": [int(what or 0)], "option_persistent_ids": [what or "0"]}
                return deliver(self._world, kind, {"poll_id": "1", "user": person, **vote, **fields})
            case "inline":
                typed = {**self._asked(user, {}), "query": what, "offset": "", **fields}
                return deliver(self._world, "inline_query", typed)
            case "chosen_inline_result":
                chosen = {"result_id": what or "1", "from": person, "query": "", **fields}
                return deliver(self._world, kind, chosen)
            case "purchased_paid_media":
                bought = {"from": person, "paid_media_payload": what or "payload", **fields}
                return deliver(self._world, kind, bought)
            case _:
                raise LookupError(f"there is no gesture {kind!r}")

    def _asked(self, user: int, content: Json) -> Json:
        number = str(5_000_000_000_000 + self._world.number())
        return {"id": number, "from": user_of(self._world, user), **content}


def migrate(world: World, old: int, new: int) -> list[Json]:
    """Make a supergroup of a group: the two service messages, and the old id is refused from now on."""
    before = chat_of(world, old, type="group")
    after = chat_of(world, new, type="supergroup", title=before.info["title"])
    updates = [
        _service(world, old, {"migrate_to_chat_id": new}),
        _service(world, new, {"migrate_from_chat_id": old}),
    ]
    before.migrated_to = new
    after.bot_status = before.bot_status
    return updates


def _service(world: World, chat_id: int, content: Json) -> Json:
    where = chat_of(world, chat_id)
    message = {"message_id": where.next_id(), "date": world.date(), "chat": where.info, **content}
    return deliver(world, "message", message)
