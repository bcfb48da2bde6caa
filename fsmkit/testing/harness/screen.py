"""What is seen on a driver, what cannot be done there, and what is on its way to the bot."""

from typing import Any

import attrs


class NotThereError(LookupError):
    """An action that cannot be done: a button that is not on the screen, a message that is gone."""


class KilledError(BaseException):
    """The process ends here, as far as the bot can tell; no handler of exceptions may see it."""


@attrs.frozen
class ShownButton:
    """An inline button that was shown.

    Attributes:
        message: The message that shows it.
        text: What is written on it.
        data: Its callback data; `None` for a link.
    """

    message: int
    text: str
    data: str | None = None


@attrs.frozen
class Message:
    """A message on the screen.

    Attributes:
        message: Its id.
        text: What is written, the caption, or the kind of content in brackets.
        buttons: Rows of inline buttons.
        own: Whether the bot wrote it.
    """

    message: int
    text: str
    buttons: tuple[tuple[ShownButton, ...], ...] = ()
    own: bool = True


@attrs.frozen
class FromOutside:
    """An event from outside on its way; when it comes again, it has the same id."""

    event: Any
    user: int
    id: tuple[str, int]
