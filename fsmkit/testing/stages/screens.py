"""What people see on the direct stage: messages as data, changed by effects as Telegram would change them."""

from collections.abc import Iterator
from typing import Any

import attrs

from fsmkit.effects import MEDIA, Bound, Delete, Edit, Reply, Send
from fsmkit.markup import Button, Keyboard
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.testing.stages.sights import Bubble, Shown


@attrs.define
class Screens:
    """The messages of all chats.

    Attributes:
        chats: By chat the visible messages by id.
        last: Id of the newest message.
    """

    chats: dict[int, dict[int, Bubble]] = attrs.field(factory=dict[int, dict[int, Bubble]])
    last: int = 0

    def copy(self) -> "Screens":
        """The same as it stands now."""
        return Screens({chat: dict(screen) for chat, screen in self.chats.items()}, self.last)

    def of(self, chat: int) -> list[Bubble]:
        """The visible messages of a chat, oldest first."""
        return [bubble for _, bubble in sorted(self.chats.get(chat, {}).items())]

    def write(self, chat: int, text: str) -> int:
        """A person writes; the id of the message."""
        self.last += 1
        self.chats.setdefault(chat, {})[self.last] = Bubble(self.last, text, own=False)
        return self.last

    def send(self, effect: Send, codec: ButtonCodec) -> tuple[int, list[str]]:
        """The bot writes; the id of the message, and what is seen."""
        self.last += 1
        return self.last, self._put(self.last, effect.reply, effect, codec, "")

    def edit(self, effect: Edit, codec: ButtonCodec) -> list[str]:
        """The bot changes a message, or takes its buttons away; what is seen."""
        if effect.reply is not None:
            return self._put(effect.message, effect.reply, effect, codec, "(edited) ")
        screen = self.chats.get(int(effect.to.chat), {})
        old = screen.get(effect.message)
        if old is None or not old.buttons:
            return []
        screen[effect.message] = attrs.evolve(old, buttons=())
        return [f"(buttons taken away) {old.text}"]

    def delete(self, effect: Delete) -> list[str]:
        """The bot deletes messages; what is seen."""
        screen = self.chats.get(int(effect.to.chat), {})
        gone = [screen.pop(message) for message in effect.messages if message in screen]
        return [f"(deleted) {bubble.text if bubble.own else 'your message'}" for bubble in gone]

    def _put(
        self, number: int, reply: Reply, effect: Send | Edit, codec: ButtonCodec, mark: str
    ) -> list[str]:
        screen = self.chats.setdefault(int(effect.to.chat), {})
        rows = tuple(
            tuple(_shown(number, button, codec, effect.bound) for button in row) for row in reply.buttons
        )
        media = next((f"({name}) " for name in MEDIA if getattr(reply, name)), "")
        bubble = Bubble(number, media + reply.text, rows)
        if screen.get(number) == bubble:
            return []  # "message is not modified"
        screen[number] = bubble
        return [mark + bubble.text, *_under(reply, rows)]


def _shown(number: int, button: Button, codec: ButtonCodec, bound: Bound) -> Shown:
    if button.callback_data is not None:
        return Shown(number, button.text, button.callback_data)
    return Shown(number, button.text, None if button.action is not None else codec.encode(button, bound))


def _under(reply: Reply, rows: tuple[tuple[Shown, ...], ...]) -> Iterator[str]:
    """Keyboards, as lines."""
    yield from ("  " + " ".join(f"[{shown.text}]" for shown in row) for row in rows)
    keys: Any = reply.keyboard.keys if isinstance(reply.keyboard, Keyboard) else reply.keyboard
    if reply.remove_keyboard:
        yield "  (no keyboard)"
    for row in keys:
        yield "  " + " ".join(f"({getattr(key, 'text', key)})" for key in row)
