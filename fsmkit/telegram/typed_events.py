"""What events of some matchers have for sure, for type checkers; in a running bot all are `TelegramEvent`."""

from typing import TYPE_CHECKING, Generic, TypeVar

from fsmkit.telegram.event import TelegramEvent

V = TypeVar("V")

if TYPE_CHECKING:

    class TextEvent(TelegramEvent):
        """An event of `text()`, or of a handler without `on=`: it has a text."""

        text: str  # pyright: ignore[reportIncompatibleVariableOverride]

    class CommandEvent(TelegramEvent):
        """An event of `command()`: it has a text and the command's name."""

        text: str  # pyright: ignore[reportIncompatibleVariableOverride]
        command: str  # pyright: ignore[reportIncompatibleVariableOverride]

    class PressEvent(TelegramEvent, Generic[V]):
        """An event of `button()`: its value has the type of the button's values."""

        value: V

else:
    TextEvent = CommandEvent = TelegramEvent

    class PressEvent:
        """Stands in annotations, as `PressEvent[Item]`."""

        def __class_getitem__(cls, _value):
            """Return what a press is when the bot runs."""
            return TelegramEvent
