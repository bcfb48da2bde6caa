"""What a step wants done in the world: data, stored with the commit and carried out after it.

`Reply` is what users write; the effects are what the engine makes of it. Nothing here knows how a message is
sent; what stands under one is in `fsmkit.markup`.
"""

import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, TypedDict, Unpack

import attrs
import msgspec

from fsmkit.markup import Button as Button  # `Reply` and `Button` are what users write of a message
from fsmkit.markup import ButtonRows, Keyboard, KeyRows, Keys, as_keyboard
from fsmkit.markup import Buttons as Buttons
from fsmkit.markup import rows_of_buttons as rows_of_buttons

MEDIA = ("photo", "document", "video", "animation", "audio", "voice", "video_note", "sticker")
"""Files that a message may carry, one at a time, by the name of the argument and of the Bot API's field."""

BARE_MEDIA = ("video_note", "sticker")
"""Those that have no caption."""


class ScreenOptions(TypedDict, total=False):
    """What may stand beside the text of `Reply`, `ctx.reply` and `ctx.show`; `Reply` says what each is."""

    buttons: Buttons
    photo: str | None
    document: str | None
    video: str | None
    animation: str | None
    audio: str | None
    voice: str | None
    video_note: str | None
    sticker: str | None
    parse_mode: str | None
    silent: bool
    protect_content: bool
    link_preview: bool | None
    reply_to: int | None
    extra: Mapping[str, Any]


class ReplyOptions(ScreenOptions, total=False):
    """What a message may have and the one screen of a conversation may not: it cannot be edited."""

    keyboard: Keyboard | Keys
    remove_keyboard: bool


_files_of: Callable[[Any], tuple[str | None, ...]] = operator.attrgetter(*MEDIA)  # at once: for each message


def _as_extra(extra: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return dict(extra) if extra else None


@attrs.frozen
class Reply:
    """A message to a person.

    Args:
        text: The text; the caption where there is a file.
        buttons: Rows of inline buttons; a flat list is one row, a string its own value.
        keyboard: Rows of a reply keyboard, or a `Keyboard` with options.
        photo: File id, URL or path of a photo; so with the other files, of which there is one at most.
        document: A file.
        parse_mode: `"HTML"`, `"MarkdownV2"` or `None` (as the application's `Defaults` say, else plain text).
        remove_keyboard: Takes the reply keyboard away.
        silent: Sends without a sound.
        video: A video.
        animation: A video without sound, or a GIF.
        audio: A piece of music.
        voice: A voice message (OGG with OPUS, MP3 or M4A).
        video_note: A round video; without a caption.
        sticker: A sticker; without a caption.
        protect_content: Forbids to forward and to save it.
        link_preview: Whether the first link is shown with a preview; `None`: as `Defaults` say.
        reply_to: Id of the message that it replies to; if that is gone, it is sent all the same.
        extra: Further parameters of the Bot API's method, by its names: `{"message_effect_id": "5104..."}`.

    Raises:
        TypeError: If Telegram could not send such a message.

    Example:
        >>> Reply("Sure?", buttons=["Yes", "No"]).buttons[0][0].value
        'Yes'
    """

    text: str = ""
    buttons: ButtonRows = attrs.field(default=(), converter=rows_of_buttons)
    keyboard: Keyboard | KeyRows = attrs.field(default=(), converter=as_keyboard)
    photo: str | None = None
    document: str | None = None
    parse_mode: str | None = None
    remove_keyboard: bool = attrs.field(default=False, kw_only=True)
    silent: bool = attrs.field(default=False, kw_only=True)
    video: str | None = attrs.field(default=None, kw_only=True)
    animation: str | None = attrs.field(default=None, kw_only=True)
    audio: str | None = attrs.field(default=None, kw_only=True)
    voice: str | None = attrs.field(default=None, kw_only=True)
    video_note: str | None = attrs.field(default=None, kw_only=True)
    sticker: str | None = attrs.field(default=None, kw_only=True)
    protect_content: bool = attrs.field(default=False, kw_only=True)
    link_preview: bool | None = attrs.field(default=None, kw_only=True)
    reply_to: int | None = attrs.field(default=None, kw_only=True)
    extra: dict[str, Any] | None = attrs.field(default=None, kw_only=True, converter=_as_extra)

    def __attrs_post_init__(self) -> None:
        if type(self.text) is not str:
            raise TypeError(f"Reply(text={self.text!r}): a text is needed")
        if not any(_files_of(self)):
            if not self.text:
                raise TypeError("an empty Reply: Telegram sends no message without a text or a file")
            return
        files = [name for name in MEDIA if getattr(self, name)]
        if len(files) > 1:
            raise TypeError(f"Reply({self.text!r}): a message carries one file, not {' and '.join(files)}")
        if self.text and files[0] in BARE_MEDIA:
            raise TypeError(
                f"Reply({self.text!r}): a {files[0]} has no caption; say it in a message of its own"
            )

    @property
    def media(self) -> tuple[str, str] | None:
        """The file that it carries: its kind, and file id, URL or path."""
        return next(
            ((name, source) for name, source in zip(MEDIA, _files_of(self), strict=True) if source), None
        )

    @property
    def file(self) -> str:
        """The same as one text, `kind:source`; empty without a file."""
        return ":".join(self.media or ())


def as_reply(text: str | Reply, **options: Unpack[ReplyOptions]) -> Reply:
    """A `Reply` from a text and options, or from a `Reply` whose options may be overridden."""
    if isinstance(text, Reply):
        return attrs.evolve(text, **options) if options else text
    return Reply(text, **options)


def as_screen(reply: Reply) -> Reply:
    """The same; raises TypeError for what no edit can bring."""
    if reply.keyboard or reply.remove_keyboard:
        raise TypeError(f"a screen ({reply.text!r}) has no reply keyboard: send that with ctx.reply")
    return reply


class Address(msgspec.Struct, frozen=True, array_like=True):
    """Where effects go, and in which language.

    Attributes:
        chat: Chat id.
        thread: Forum topic id within the chat.
        business: Business connection to send through.
        user: The person spoken to.
        lang: That person's language code, as Telegram gives it.
    """

    chat: int | str
    thread: int | str | None = None
    business: int | str | None = None
    user: int | str | None = None
    lang: str | None = None


class Bound(msgspec.Struct, frozen=True, array_like=True):
    """The place in a conversation that a message's buttons belong to.

    Attributes:
        flow: Name of the flow.
        run: Number of the run, different each time that the flow is entered.
        entry: How often a state was entered in this run.
        owner: The only person who may press, or `None`: anybody in the chat.
        values: Values too long for a button, as text, which stand in the row; a button refers to one by
            position.
    """

    flow: str
    run: int
    entry: int
    owner: int | str | None = None
    values: tuple[str, ...] = ()


class Send(msgspec.Struct, frozen=True, tag="send", omit_defaults=True):
    """Send a message.

    Attributes:
        reply: The message.
        to: Where it goes.
        bound: What its buttons belong to.
        keep: What its message id is remembered for: `view`, `ephemeral` or nothing.
    """

    reply: Reply
    to: Address
    bound: Bound
    keep: str = ""

    @property
    def text(self) -> str:
        """The text of the message."""
        return self.reply.text


class Edit(msgspec.Struct, frozen=True, tag="edit", omit_defaults=True):
    """Change a message that was sent; without `reply`, take its buttons away.

    Attributes:
        to: Where it stands.
        message: Its message id.
        bound: What its new buttons belong to.
        reply: What it shows from now on.
        file: The file that it carries so far, as `View` has it.
    """

    to: Address
    message: int
    bound: Bound
    reply: Reply | None = None
    file: str = ""

    @property
    def text(self) -> str:
        """The new text of the message."""
        return self.reply.text if self.reply else ""


class Delete(msgspec.Struct, frozen=True, tag="delete"):
    """Delete messages; failures are ignored."""

    to: Address
    messages: tuple[int, ...]


class Answer(msgspec.Struct, frozen=True, tag="answer", omit_defaults=True):
    """Answer the press of a button: out of band, at once or not at all, never stored."""

    text: str = ""
    alert: bool = False


class Verdict(Answer, frozen=True, tag="verdict"):
    """Answer what Telegram asks before a payment; as out of band as the answer to a press.

    Attributes:
        approved: Whether the payment, or the shipping, may go ahead; else `text` says why not.
        shipping: Ways to ship: `(id, title, [(label, amount), ...])`, or PTB's `ShippingOption`.
    """

    approved: bool = False
    shipping: tuple[Any, ...] = ()


Effect: TypeAlias = Send | Edit | Delete | Answer
"""All that goes to a person."""
