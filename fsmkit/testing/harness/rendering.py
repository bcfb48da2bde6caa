"""What the person sees: each request of the bot that changes the chat, as lines of text."""

from collections.abc import Callable, Iterator
from typing import Any

from fsmkit.botapi.api import Call
from fsmkit.botapi.errors import Json
from fsmkit.botapi.keyboards import buttons_of
from fsmkit.botapi.offline import OfflineTelegram

MEDIA = ("photo", "document", "video", "animation", "audio", "voice", "video_note", "sticker")


EDITS = ("editMessageText", "editMessageCaption", "editMessageReplyMarkup")


DELETES = ("deleteMessage", "deleteMessages")


VERDICTS = ("answerPreCheckoutQuery", "answerShippingQuery")


class Screen:
    """Shows what a bot does in the private chat with one person.

    Args:
        offline: The Telegram that the bot talks to.
        user: The person.
        out: Prints a line.
        first_id: The number from which messages of this chat are counted.
        numbered: Whether inline buttons are shown with numbers.

    Attributes:
        latest: Id of the message of the bot that was shown last, `None` before the first.
    """

    def __init__(
        self,
        offline: OfflineTelegram,
        user: int,
        out: Callable[[str], None],
        *,
        first_id: int = 1,
        numbered: bool = True,
    ) -> None:
        self._numbered = numbered
        self._offline = offline
        self._user = user
        self._out = out
        self._first_id = first_id
        self._seen = 0
        self.texts: dict[tuple[Any, int], str] = {}
        """What messages say, by chat and id, as they were last shown."""
        self.latest: int | None = None

    def show(self) -> bool:
        """Show what has happened since the last call; return whether there was anything to see."""
        shown = False
        calls = self._offline.calls[self._seen :]
        self._seen += len(calls)
        for call in calls:
            shown = self.draw(call) or shown
        return shown

    def draw(self, call: Call) -> bool:
        """Show what a request has changed; return whether there is anything to see."""
        lines = list(self._lines(call))
        for line in lines:
            self._out(line)
        return bool(lines)

    def buttons(self, message: int) -> list[Json]:
        """Return the inline buttons under a message, row by row; none if it is gone."""
        return next((buttons_of(m) for m in self._visible() if m["message_id"] == message), [])

    def latest_with_buttons(self) -> int | None:
        """Return the newest message that has buttons, the one shown last before all others."""
        if self.latest is not None and self.buttons(self.latest):
            return self.latest
        return next((m["message_id"] for m in reversed(self._visible()) if buttons_of(m)), None)

    def _visible(self) -> list[Json]:
        return self._offline.messages(self._user)

    def _lines(self, call: Call) -> Iterator[str]:
        if call.error is not None:
            return
        if call.method in EDITS:
            yield from self._edited(call)
        elif call.method in DELETES:
            yield from self._deleted(call.params)
        elif call.method == "answerCallbackQuery":
            yield from _answer(call.params)
        elif call.method in VERDICTS:
            yield verdict(bool(call.params.get("ok")), call.params.get("error_message") or "")
        elif call.method == "sendChatAction":
            yield f"({call.params['action']}…)"
        elif call.method.startswith(("send", "forward", "copy")):
            yield from self._message(call, "")

    def _edited(self, call: Call) -> Iterator[str]:
        gone = call.method == "editMessageReplyMarkup" and not call.params.get("reply_markup")
        if not gone:
            yield from self._message(call, "(edited) ")
        elif isinstance(call.result, dict):
            yield f"(buttons taken away) {content_of(call.result)}"

    def _message(self, call: Call, mark: str) -> Iterator[str]:
        if not isinstance(call.result, dict):  # an inline message, which stands in no chat of ours
            return
        message: Json = call.result
        if "chat" not in message:  # a copy is answered with its number only
            where = call.params["chat_id"]
            there = self._offline.messages(where) if isinstance(where, int) else []
            message = next((m for m in there if m["message_id"] == message["message_id"]), message)
        self.latest = message["message_id"]
        if "chat" in message:
            self.texts[message["chat"]["id"], message["message_id"]] = content_of(message)
        yield mark + content_of(message)
        yield from _inline_keyboard(message, self._numbered)
        yield from _reply_keyboard(call.params.get("reply_markup"))

    def _deleted(self, params: Json) -> Iterator[str]:
        for message in params.get("message_ids") or [params["message_id"]]:
            unknown = "your message" if message >= self._first_id else "a message of an earlier chat"
            yield f"(deleted) {self.texts.get((params.get('chat_id'), message), unknown)}"


def verdict(approved: bool, why_not: str) -> str:
    """Return what a person sees who is about to pay."""
    return "(approved)" if approved else f"(declined) {why_not}"


def content_of(message: Json) -> str:
    """Return what a message says, or what it brings, in brackets."""
    text = message.get("text")
    if text is not None:
        return str(text)
    return " ".join(part for part in (_attachment(message), message.get("caption")) if part)


def _attachment(message: Json) -> str:
    for kind in MEDIA:
        if kind in message:
            content = message[kind][-1] if kind == "photo" else message[kind]
            return f"[{kind} {content.get('file_name') or content['file_id']}]"
    if "location" in message:
        return f"[location {message['location']['latitude']}, {message['location']['longitude']}]"
    if "contact" in message:
        return f"[contact {message['contact']['first_name']} {message['contact']['phone_number']}]"
    if "invoice" in message:
        invoice = message["invoice"]
        return f"[invoice {invoice['title']}, {invoice['total_amount']} {invoice['currency']}]"
    return "[message]"


def _inline_keyboard(message: Json, numbered: bool) -> Iterator[str]:
    number = 0
    for row in message.get("reply_markup", {}).get("inline_keyboard", []):
        shown: list[str] = []
        for button in row:
            number += 1
            link = f" -> {button['url']}" if "url" in button else ""
            shown.append(f"[{number}] {button['text']}{link}" if numbered else f"[{button['text']}{link}]")
        yield "  " + ("  " if numbered else " ").join(shown)


def _reply_keyboard(markup: Any) -> Iterator[str]:
    """Return a keyboard of texts, which Telegram does not give back with the message."""
    if not isinstance(markup, dict):
        return
    if markup.get("remove_keyboard"):
        yield "  (no keyboard)"
    for row in markup.get("keyboard", []):
        texts = (button if isinstance(button, str) else button["text"] for button in row)
        yield "  " + " ".join(f"({text})" for text in texts)


def _answer(params: Json) -> Iterator[str]:
    if params.get("text"):
        yield f"({'alert' if params.get('show_alert') else 'notice'}) {params['text']}"
    elif params.get("url"):
        yield f"(opens {params['url']})"
