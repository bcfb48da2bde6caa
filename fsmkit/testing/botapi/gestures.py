"""What people do beside writing and pressing: they react, vote, pay, ask to join, connect their business."""

from typing import Any

from fsmkit.testing.botapi.chats import chat as chat_of
from fsmkit.testing.botapi.chats import user as user_of
from fsmkit.testing.botapi.people import People
from fsmkit.testing.botapi.updates import deliver
from fsmkit.testing.botapi.wire import Json

ADDRESS: Json = {
    "country_code": "AT",
    "state": "",
    "city": "Wien",
    "street_line1": "Street 1",
    "street_line2": "",
    "post_code": "1010",
}


class Gestures(People):
    """More of what people do; as there, each method returns its update, which also waits in the queue."""

    def react(self, message_id: int, *emoji: str, user: int = 1, chat: int | None = None) -> Json:
        """A user sets the reactions to a message; without emoji they are taken away."""
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
        """A user votes in a poll, by the numbers of its options: what each voted for, then the count.

        Raises:
            LookupError: If the message is no poll of the bot's.
        """
        where = chat_of(self._world, user if chat is None else chat)
        poll: Any = where.messages.get(message_id, {}).get("poll")
        if poll is None or message_id not in where.own:
            raise LookupError(f"message {message_id} is no poll of the bot's")
        for number in options:
            poll["options"][number]["voter_count"] += 1
        poll["total_voter_count"] += 1
        ids = [poll["options"][number]["persistent_id"] for number in options]
        answer = {
            "poll_id": poll["id"],
            "user": user_of(self._world, user),
            "option_ids": list(options),
            "option_persistent_ids": ids,
        }
        answers = [] if poll["is_anonymous"] else [deliver(self._world, "poll_answer", answer)]
        return [*answers, deliver(self._world, "poll", poll)]

    def checkout(
        self, payload: str, *, user: int = 1, amount: int = 100, currency: str = "EUR", **more: Any
    ) -> Json:
        """A user presses "Pay": once the bot has said yes, the message of the payment follows by itself."""
        asked = {"invoice_payload": payload, "total_amount": amount, "currency": currency, **more}
        return deliver(self._world, "pre_checkout_query", self._asked(user, asked))

    def ship(self, payload: str, *, user: int = 1, **address: str) -> Json:
        """A user has given an address for an invoice whose price depends on it."""
        asked = {"invoice_payload": payload, "shipping_address": {**ADDRESS, **address}}
        return deliver(self._world, "shipping_query", self._asked(user, asked))

    def ask_to_join(self, chat: int, *, user: int = 1) -> Json:
        """A user asks to join a group; the bot may write to that user until it has decided."""
        chat_of(self._world, user)
        request = {
            "chat": chat_of(self._world, chat).info,
            "from": user_of(self._world, user),
            "user_chat_id": user,
            "date": self._world.date(),
        }
        return deliver(self._world, "chat_join_request", request)

    def connect(self, connection: str, *, user: int = 1, enabled: bool = True) -> Json:
        """The owner of a business account connects the bot to it, or ends that."""
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
        """A user does something that makes no message, whatever the bot has shown before.

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
