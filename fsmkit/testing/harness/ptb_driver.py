"""The driver on PTB: a real application on an offline Telegram, with fsmkit's flows or without.

What `fsmkit.testing.Chat` and `fsmkit chat` drive. Beside it stands the driver without PTB,
`fsmkit.testing.harness.engine_driver`.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from telegram.ext import Application

from fsmkit.botapi.errors import Json
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.people import POLL
from fsmkit.botapi.request import AnyApplication, AnyBuilder, OfflineRequest, process
from fsmkit.engine.engine import Engine
from fsmkit.flow.flow import Flow
from fsmkit.stores.protocol import Store
from fsmkit.telegram.attach import attach
from fsmkit.telegram.handler import FlowHandler
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import Action, Killed
from fsmkit.testing.harness.background import JOB_PATIENCE
from fsmkit.testing.harness.driver import Driver
from fsmkit.testing.harness.faults import FragileStore
from fsmkit.testing.harness.instrument import watch
from fsmkit.testing.harness.rendering import Screen, content_of
from fsmkit.testing.harness.screen import KilledError, Message, NotThereError, ShownButton

Flows = tuple[Flow[Any], ...]


Build = Callable[[AnyBuilder], AnyApplication]
"""Makes an application with a builder that has the token and the way to the offline Telegram."""

SENDING = ("sendMessage", "sendPhoto", "sendDocument", "editMessageText", "editMessageCaption")


class PTBDriver(Driver):
    """A PTB application on an offline Telegram, and people who talk to it.

    Args:
        bot: The flows, or an application, or what makes one with a builder.
        store: Where conversations are kept; by default in memory. Not with an application, which has its own.
        clock: The bot's clock.
        load: Makes the flows anew for a restart.
        resources: What handlers find in `ctx.resources`.
        chat: Where people talk to the bot; `None`: each in the private chat with it.
        offline: The Telegram of an application that was built on one.
        first_id: The number from which updates and messages are counted.
        lang: People's language code.
        options: Further arguments of `attach`.

    Attributes:
        app: The application.
        offline: The Telegram.
        flows: The flows; none for an application.
    """

    def __init__(
        self,
        bot: "Flows | AnyApplication | Build",
        *,
        store: Store | None = None,
        clock: ManualClock,
        load: Callable[[], Flows] | None = None,
        resources: Any = None,
        chat: int | None = None,
        offline: OfflineTelegram | None = None,
        first_id: int = 1,
        lang: str = "en",
        **options: Any,
    ) -> None:
        super().__init__(clock, chat)
        self.on_error: Callable[[Exception], None] | None = None
        """Told of what handlers raise, as it happens."""
        self._load = load
        self._options = {"resources": resources, **options}
        self._lang = lang
        self._bot = bot
        self.store: Store = FragileStore(clock) if store is None else store
        self.offline = offline or OfflineTelegram(_token(bot), clock=clock, first_id=first_id)
        self.flows: Flows = bot if isinstance(bot, tuple) else ()
        self._screen = Screen(
            self.offline,
            self.where(1),
            lambda line: self.lines.append(line),
            first_id=first_id,
            numbered=False,
        )
        self._mine: dict[int, int] = {}
        self._known: set[int] = set()
        self._albums = 0
        self.app, self.engine = self._build(self.flows)

    def _build(self, flows: Flows) -> tuple[AnyApplication, Engine | None]:
        if isinstance(self._bot, tuple):
            app = self.offline.builder().build()
            engine: Engine | None = attach(app, *flows, store=self.store, clock=self.clock, **self._options)
        else:
            app = self._bot if isinstance(self._bot, Application) else self._bot(self.offline.builder())
            _put_offline(app, self.offline)
            engine = _engine_of(app)
        if engine is not None:
            engine.face.busy, engine.face.patience = _always, inf  # deadlines fire when the clock is moved
            watch(engine, lambda taken: self.taken.append(taken))
        app.add_error_handler(self._failed)
        return app, engine

    async def _failed(self, _update: object, context: Any) -> None:
        """PTB's error handler."""
        self.errors.append(context.error)
        if self.on_error is not None:
            self.on_error(context.error)

    # -- its life ----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Starts the application, and what hangs on its start."""
        await self.app.initialize()
        if self.app.post_init is not None:
            await self.app.post_init(self.app)
        await self.app.start()

    async def close(self) -> None:
        """Stops the application; what is stored stays."""
        await self.app.stop()
        if self.app.post_stop is not None:
            await self.app.post_stop(self.app)
        await self.app.shutdown()

    async def restart(self) -> None:
        """Another application on the same store, with newly made flows where that is possible."""
        if isinstance(self._bot, Application):
            raise NotThereError("Chat(app) has only this one application: give what makes it, Chat(build)")
        flows = self._load() if self._load is not None else self.flows
        built = self._build(flows)
        await self.close()
        self.flows = flows
        self.app, self.engine = built
        if isinstance(self.store, FragileStore):
            self.store.restore(self.store.snapshot())
        await self.open()
        await self.sweep()

    async def deploy(self, load: Callable[[], Flows]) -> None:
        """Another application, with another version of the flows, on the same store."""
        if not isinstance(self._bot, tuple):
            raise NotThereError("another version can only be deployed where the bot was given as flows")
        self._load = load
        await self.restart()

    # -- people ------------------------------------------------------------------------------------

    def prepare(self, action: Action) -> Json:
        """The update of an action, as Telegram sends it."""
        self._introduce(action.user)
        try:
            update = self._update(action)
        except LookupError as error:
            raise NotThereError(str(error)) from error
        self.offline.take_updates()
        if "message" in update:
            self._mine[action.user] = update["message"]["message_id"]
        return update

    def _update(self, action: Action) -> Json:
        person: dict[str, Any] = {"user": action.user, "chat": self.chat}
        if isinstance(action, actions.Say):
            if not action.text.strip():
                raise NotThereError("Telegram sends no text of blanks only")
            return self.offline.say(action.text, user=action.user, chat=self.chat)
        if isinstance(action, actions.Press):
            shown = self.find(action.user, action.button, stale=action.stale, nth=action.nth)
            return self.offline.press_data(shown.data or "", message_id=shown.message, **person)
        if isinstance(action, actions.PressData):
            return self.offline.press_data(action.data, **person)
        if isinstance(action, actions.Content):
            fields = action.fields or (POLL if action.kind == "poll" else {})
            return self.offline.send(action.kind, caption=action.caption, **person, **dict(fields))
        if isinstance(action, actions.EditLast):
            if action.user not in self._mine:
                raise NotThereError("nothing was said yet that could be edited")
            return self.offline.edit(self._mine[action.user], action.text, user=action.user, chat=self.chat)
        if isinstance(action, actions.Gesture):
            newest = max((bubble.message for bubble in self.bubbles(action.user) if bubble.own), default=1)
            return self.offline.gesture(
                action.kind, action.what, message_id=newest, **person, **dict(action.fields)
            )
        raise NotThereError(f"{action!r} makes no update")

    def prepare_album(self, action: actions.Album) -> Sequence[Json]:
        """The updates of an album's messages."""
        self._introduce(action.user)
        self._albums += 1
        updates = [
            self.offline.send(
                kind,
                user=action.user,
                chat=self.chat,
                caption=action.caption if number == 0 else None,
                group=str(self._albums),
            )
            for number, kind in enumerate(action.kinds)
        ]
        self.offline.take_updates()
        self._mine[action.user] = updates[-1]["message"]["message_id"]
        return updates

    def last_said(self, user: int) -> int | None:
        """The id of a person's last message."""
        return self._mine.get(user)

    def _introduce(self, user: int) -> None:
        if user not in self._known:
            self._known.add(user)
            self.offline.add_user(user, first_name=f"User {user}", language_code=self._lang)

    async def give(self, update: Any) -> None:
        """Gives an update to the application, and what comes of it meanwhile."""
        try:
            await process(self.app, [update])
            await self.offline.feed(self.app)
        except Exception as error:  # of a check_update, which PTB lets through
            self.errors.append(error)

    async def _rest(self) -> None:
        """Waits for what was left behind: handlers that do not block, deliveries, jobs of states."""
        pending = [task for task in asyncio.all_tasks() if _is_left_behind(task.get_name())]
        if pending:
            await asyncio.wait(pending, timeout=JOB_PATIENCE)
        if any(task.get_name().startswith("fsmkit outbox ") for task in asyncio.all_tasks()):
            await asyncio.sleep(0)  # most of them wait for the clock, the others go on now
        await super()._rest()
        self._screen.show()
        for user in self._known:
            rows = (row for bubble in self.bubbles(user) for row in bubble.buttons)
            self.note_buttons(self.where(user), [shown for row in rows for shown in row])

    def bubbles(self, user: int = 1) -> list[Message]:
        """The messages that are visible now, oldest first."""
        return [_bubble(message) for message in self.offline.messages(self.where(user))]

    # -- mishaps -----------------------------------------------------------------------------------

    def refuse(self, nth: int, wait: float | None) -> None:
        """Lets Telegram refuse one of the next messages."""
        countdown = _Countdown(nth)
        for method in SENDING if nth else ():
            if wait is None:
                self.offline.fail(method, status=400, description="Bad Request: by order", when=countdown)
            else:
                self.offline.fail(method, retry_after=int(wait), when=countdown)

    async def kill(self, action: Killed) -> None:
        """Carries an action out, is killed meanwhile, and starts anew."""
        if action.at == "before":
            await self.restart()
            await self._carry_out(action.action)
            return
        if action.at == "reply":
            for method in SENDING:
                self.offline.fail(method, when=_Countdown(action.nth, kill=True))
        elif isinstance(self.store, FragileStore):
            self.store.killed_before = action.nth
        else:
            raise NotThereError("only with the default store can a bot be killed before a store operation")
        try:
            await self._carry_out(action.action)
        except KilledError:
            self.errors.clear()
            await self.restart()
            if action.again and self._last is not None:
                await self.arrive(self._last)
        finally:
            if isinstance(self.store, FragileStore):
                self.store.killed_before = 0


class _Countdown:
    """Counts requests, and is true, or kills, at the one that was ordered."""

    def __init__(self, nth: int, *, kill: bool = False) -> None:
        self._left = nth
        self._kill = kill

    def __call__(self, _params: Json) -> bool:
        self._left -= 1
        if self._left == 0 and self._kill:
            raise KilledError("before a reply")
        return self._left == 0


def _engine_of(app: AnyApplication) -> Engine | None:
    handlers: Iterable[Any] = (handler for group in app.handlers.values() for handler in group)
    return next((handler.engine for handler in handlers if isinstance(handler, FlowHandler)), None)


def _put_offline(app: AnyApplication, offline: OfflineTelegram) -> None:
    """Lets an application's bot talk to the offline Telegram, whatever it was built with."""
    if not isinstance(app.bot.request, OfflineRequest):
        # PTB has no public way to change them, and handlers and fsmkit's delivery know this bot already.
        app.bot._request = (offline.request(), offline.request())  # pyright: ignore[reportPrivateUsage]


def _token(bot: Any) -> str:
    return str(bot.bot.token) if isinstance(bot, Application) else "42:OFFLINE"


def _bubble(message: Json) -> Message:
    number = message["message_id"]
    rows = message.get("reply_markup", {}).get("inline_keyboard", [])
    buttons = tuple(
        tuple(ShownButton(number, button["text"], button.get("callback_data")) for button in row)
        for row in rows
    )
    own = bool(message.get("from", {}).get("is_bot"))
    return Message(number, content_of(message), buttons, own)


def _is_left_behind(name: str) -> bool:
    return "process_update_non_blocking" in name


def _always() -> bool:
    return True
