"""`Chat`: a person's side of a conversation, synchronous, for tests that read like what happens.

It drives a real PTB application on an offline Telegram: `fsmkit.testing.harness.ptb_driver` carries out the
actions of `fsmkit.testing.harness.actions`.
"""

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Self

from telegram.ext import Application

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.flow.flow import Flow
from fsmkit.stores.protocol import Store
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.findings import transcript
from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import Action
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.loop import new_loop
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.screen import NotThereError
from fsmkit.testing.loading import reloader

START = 1_800_000_000.0
"""2027-01-15T08:00:00Z, where a chat's clock begins."""


class _Core:
    """What all the people of a chat share: the driver, its event loop, and what has happened."""

    _running: ClassVar[weakref.WeakValueDictionary[int, "_Core"]] = weakref.WeakValueDictionary()
    """Those whose bot was given, by its identity: an application runs once, whoever talks to it."""

    @classmethod
    def of(cls, bot: Any, make: Callable[[], Driver]) -> Self:
        """Return what runs an application already, else a new one."""
        known = cls._running.get(id(bot)) if isinstance(bot, Application) else None
        if isinstance(known, cls) and known.close.alive:
            return known
        core = cls(make)
        if isinstance(bot, Application):
            cls._running[id(bot)] = core
        return core

    def __init__(self, make: Callable[[], Driver]) -> None:
        _refuse_running_loop()
        self.runner = asyncio.Runner(loop_factory=new_loop)
        self.observations: list[Observation] = []
        self.driver = make()
        self.runner.run(self.driver.open())
        self.close = weakref.finalize(self, _close, self.runner, self.driver)


class Chat:
    """A person who talks to a bot, one thing after the other; each is done when the call returns.

    What a handler raises comes out of the call, with the transcript as a note. A button that is not there,
    and what `expect` does not find, is an `AssertionError` with the transcript.

    Args:
        bot: A flow, several flows, a PTB application, or a function that makes one with a builder (then
            `restart` works too).
        store: Where conversations are kept; by default in memory.
        clock: The bot's clock; by default one that begins on 2027-01-15.
        resources: What handlers find in `ctx.resources`.
        user: The person's id.
        chat: Id of a group in which it happens; by default the private chat with the bot.
        lang: The person's language code.
        offline: The Telegram that an application was built on, if it was.
        options: Further arguments of `attach`.

    Raises:
        DefinitionError: If the flows do not fit together.
        RuntimeError: If an event loop runs already: a test with `Chat` is a plain function.

    Example:
        >>> from fsmkit import Flow
        >>> from fsmkit.telegram import command
        >>> greet = Flow("greet")
        >>> _ = greet.state("name", prompt="Your name?")
        >>> @greet.defstate(None, on=command("start"))
        ... def start(event, ctx):
        ...     return ("transition", "name")
        >>> chat = Chat(greet)
        >>> chat.command("start").expect("Your name?").state
        'name'
    """

    def __init__(
        self,
        *bot: Any,
        store: Store | None = None,
        clock: ManualClock | None = None,
        resources: Any = None,
        user: int = 1,
        chat: int | None = None,
        lang: str = "en",
        offline: OfflineTelegram | None = None,
        **options: Any,
    ) -> None:
        flows = flows_in(bot)

        def make() -> Driver:
            from fsmkit.testing.harness.ptb_driver import PTBDriver

            return PTBDriver(
                flows or bot[0],
                store=store,
                clock=clock or ManualClock(START),
                load=reloader(flows) if flows else None,
                resources=resources,
                chat=chat,
                offline=offline,
                lang=lang,
                **options,
            )

        self.user = user
        self._place = chat
        self._core = _Core.of(bot[0] if bot and not flows else None, make)

    # -- what a person does ------------------------------------------------------------------------

    def say(self, text: str) -> Self:
        """Write a text; `/words` are commands."""
        return self.do(actions.Say(text, user=self.user))

    def command(self, name: str, *args: str) -> Self:
        """Write a command, without its slash, and words after it."""
        return self.say(" ".join([f"/{name.removeprefix('/')}", *args]))

    def press(self, button: str, *, stale: bool = False, nth: int = 0) -> Self:
        """Presses an inline button by what is written on it, the newest of that text.

        Args:
            button: Its text.
            stale: Presses an old one: not under the bot's last message, may it be on the screen or gone.
            nth: Not the newest of those, but the n-th before it.
        """
        return self.do(actions.Press(button, stale, nth, user=self.user))

    def content(self, kind: str, *, caption: str | None = None, **fields: Any) -> Self:
        """Send something that is no text.

        Args:
            kind: The field of the message: `photo`, `document`, `location`, `contact`, `voice`, `sticker`, …
            caption: The text under it.
            fields: Fields of the object, over sensible defaults.
        """
        return self.do(actions.Content(kind, caption, fields, user=self.user))

    def photo(self, caption: str | None = None, **fields: Any) -> Self:
        """Send a photo."""
        return self.content("photo", caption=caption, **fields)

    def document(self, caption: str | None = None, **fields: Any) -> Self:
        """Send a file: `document(file_name="cv.pdf")`."""
        return self.content("document", caption=caption, **fields)

    def location(self, latitude: float = 48.2082, longitude: float = 16.3738) -> Self:
        """Send a place."""
        return self.content("location", latitude=latitude, longitude=longitude)

    def contact(self, first_name: str = "Contact", phone_number: str = "+4310000000") -> Self:
        """Send a contact."""
        return self.content("contact", first_name=first_name, phone_number=phone_number)

    def album(self, *kinds: str, caption: str | None = None) -> Self:
        """Send an album: `album("photo", "video")`, two photos by default."""
        return self.do(actions.Album(kinds or ("photo", "photo"), caption, user=self.user))

    def gesture(self, kind: str, what: str = "", **fields: Any) -> Self:
        """Do something that makes no message.

        Args:
            kind: The kind of the event: `inline`, `chosen_inline_result`, `poll_answer`, `message_reaction`,
                `pre_checkout_query`, `shipping_query`, `purchased_paid_media`, `chat_join_request`.
            what: What was typed, the payload, the emoji, the number of the poll's option.
            fields: Fields of Telegram's object, over sensible defaults.
        """
        return self.do(actions.Gesture(kind, what, fields, user=self.user))

    def react(self, emoji: str = "\N{THUMBS UP SIGN}") -> Self:
        """Reacts to the bot's newest message."""
        return self.gesture("message_reaction", emoji)

    def pay(self, payload: str, **fields: Any) -> Self:
        """Pays an invoice; where the bot approves, the message of the payment follows."""
        return self.gesture("pre_checkout_query", payload, **fields)

    def edit(self, text: str) -> Self:
        """Edits the last message."""
        return self.do(actions.EditLast(text, user=self.user))

    # -- what else happens -------------------------------------------------------------------------

    def send(self, event: Any) -> Self:
        """Send an event from outside of Telegram, for this person's conversation."""
        return self.do(actions.Outside(event, user=self.user))

    def advance(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0, days: float = 0.0
    ) -> Self:
        """Lets time pass; what is due on the way happens at its time."""
        passed = timedelta(seconds=seconds, minutes=minutes, hours=hours, days=days)
        return self.do(actions.Wait(passed.total_seconds(), user=self.user))

    def until_deadline(self, offset: float = 0.0) -> Self:
        """Lets time pass until the next deadline.

        Args:
            offset: Seconds after it; negative: before.
        """
        return self.do(actions.Deadline(offset, user=self.user))

    def restart(self) -> Self:
        """Stop the bot and start it anew on the same store; flows of a module that can be run again are
        made anew, so that what stood in its globals is gone."""
        return self.do(actions.Restart(user=self.user))

    def deploy(self, *flows: Any) -> Self:
        """Stop the bot and start another version of its flows on the same store.

        Args:
            flows: The flows of that version.
        """
        later = flows_in(flows)
        versions = self._core.driver.versions
        versions.append(reloader(later) or (lambda: later))
        return self.do(actions.Deploy(len(versions) - 1, user=self.user))

    def duplicate(self) -> Self:
        """Give the last update once more."""
        return self.do(actions.Duplicate(user=self.user))

    def do(self, action: Action) -> Self:
        """Carries out any action of `fsmkit.testing.harness.actions`."""
        core = self._core
        _refuse_running_loop()
        try:
            observation = core.runner.run(self._here.do(action))
        except NotThereError as error:
            raise AssertionError(self._with_transcript(f"{action.line()}: {error}")) from None
        core.observations.append(observation)
        if observation.errors:
            raised = observation.errors[0]
            raised.add_note(self._with_transcript("in this conversation:"))
            raise raised
        return self

    def as_user(self, user: int, *, chat: int | None = None) -> "Chat":
        """Another person who talks to the same bot.

        Args:
            user: The person's id.
            chat: Id of a group in which that happens; by default where this one talks.
        """
        other = object.__new__(Chat)
        other.user, other._core = user, self._core
        other._place = self._place if chat is None else chat
        return other

    # -- what is to be seen ------------------------------------------------------------------------

    def expect(self, *texts: str) -> Self:
        """Check that what the person saw since the last action contains each of some texts.

        Raises:
            AssertionError: If it does not, with the transcript.
        """
        seen = "\n".join(self.shown)
        missing = [text for text in texts if text not in seen]
        if missing:
            raise AssertionError(
                self._with_transcript(f"expected {missing[0]!r}, but this was shown: {seen!r}")
            )
        return self

    @property
    def shown(self) -> list[str]:
        """What came of the last action, line by line."""
        return list(self._core.observations[-1].shown) if self._core.observations else []

    @property
    def screen(self) -> list[str]:
        """The bot's messages as this person sees them now, after edits and deletions, oldest first."""
        return [bubble.text for bubble in self._here.bubbles(self.user) if bubble.own]

    @property
    def buttons(self) -> list[str]:
        """What is written on the buttons on the screen, those of the newest message first."""
        return [shown.text for shown in self._here.pressable(self.user)]

    @property
    def state(self) -> str | None:
        """The state in which this person's conversation stands, `None` where none runs."""
        return self._now().state

    @property
    def flow(self) -> str | None:
        """Name of the flow that runs, `None` where none does."""
        return self._now().flow

    @property
    def data(self) -> Any:
        """Its data, `None` where none runs."""
        return self._now().data

    @property
    def transcript(self) -> str:
        """The conversation so far, with state, data and edges."""
        return transcript(self._core.observations)

    @property
    def observations(self) -> list[Observation]:
        """What came of each action so far."""
        return list(self._core.observations)

    @property
    def driver(self) -> Any:
        """The bot and its world: `driver.app`, `driver.engine`, `driver.offline`, `driver.clock`."""
        return self._core.driver

    def close(self) -> None:
        """Stop the bot; done by itself when nobody needs the chat any more."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Chat of user {self.user} in state {self.state!r}>"

    @property
    def _here(self) -> Driver:
        """The driver, in the chat in which this person talks."""
        self._core.driver.chat = self._place
        return self._core.driver

    def _now(self) -> Observation:
        driver = self._here
        row = self._core.runner.run(driver.row(self.user))
        return Observation(Action(), row, row, driver.engine.flows if driver.engine else None, (), (), ())

    def _with_transcript(self, said: str) -> str:
        return f"{said}\n\n{self.transcript}" if self._core.observations else said


def flows_in(given: tuple[Any, ...]) -> tuple[Flow[Any], ...]:
    """Return the flows, however they were given; none if it is an application.

    Raises:
        TypeError: If there is nothing.
    """
    if not given:
        raise TypeError("give a flow, several, or an application")
    if len(given) == 1 and isinstance(given[0], tuple | list):
        given = tuple(given[0])
    return tuple(given) if all(isinstance(item, Flow) for item in given) else ()


def _refuse_running_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("Chat runs an event loop of its own: write the test as `def`, not as `async def`")


def _close(runner: asyncio.Runner, driver: Driver) -> None:
    with contextlib.suppress(RuntimeError):
        _refuse_running_loop()  # another loop may run, where the garbage was collected
        runner.run(driver.close())
    with contextlib.suppress(RuntimeError):
        runner.close()
