"""The driver of a bot of any make: PTB's application as the bot's own program has made it."""

import asyncio
import random
from collections.abc import Sequence
from math import inf
from typing import Any, cast

import attrs
import msgspec

from fsmkit.botapi.api import Call
from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.engine.engine import Engine
from fsmkit.interpreter.row import Frame, Row, Snapshot
from fsmkit.testing.any_bot.slots import (
    AnyConversation,
    CallbackRun,
    Slot,
    conversations_of,
    slots_of,
    state_name,
    watch_callbacks,
)
from fsmkit.testing.any_bot.standing import Standing
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.actions import Action, Restart
from fsmkit.testing.harness.job_queue import ClockedJobs
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.ptb_driver import PTBDriver
from fsmkit.testing.harness.screen import ShownButton

NOTHING = msgspec.Raw(b"null")


@attrs.frozen(eq=False, slots=False)
class BotObservation(Observation):
    """What came of an action, in a bot without flows.

    Attributes:
        stood: In which ConversationHandlers the person stood before it, and in which state of each.
        stands: Likewise now.
        runs: The callbacks that ran.
        calls: The bot's requests.
        query: The id of the callback query that it made.
        sent: The buttons that stand under messages which the bot has sent or edited since.
        jobs: How many jobs wait in the JobQueue now, against before.
        tasks: How many tasks the bot has begun that go on.
        walled: Whether it was refused something that it may not do while it is tested.
        took: Seconds of the bot's clock for which it went on.
    """

    stood: tuple[tuple[AnyConversation, Any], ...] = ()
    stands: tuple[tuple[AnyConversation, Any], ...] = ()
    runs: tuple[CallbackRun, ...] = ()
    calls: tuple[Call, ...] = ()
    query: str | None = None
    sent: tuple[ShownButton, ...] = ()
    jobs: int = 0
    tasks: int = 0
    walled: bool = False
    took: float = 0.0

    @property
    def handled(self) -> bool:
        """Whether somebody took what was done."""
        return bool(self.runs or self.shown) or self.before != self.after


class BotDriver(PTBDriver):
    """An application that its own program has made, and people who talk to it.

    Args:
        app: The application.
        clock: The clock that its program runs on.
        offline: The Telegram that it talks to.
        chat: Where people talk to it; `None`: each in the private chat with it.
        engine: Runs its flows, where its ConversationHandlers were moved.

    Attributes:
        slots: The application's handlers.
    """

    def __init__(
        self,
        app: AnyApplication,
        *,
        clock: ManualClock,
        offline: OfflineTelegram,
        chat: int | None = None,
        engine: Engine | None = None,
    ) -> None:
        self._line = ""
        self.slots: list[Slot] = []
        self.runs: list[CallbackRun] = []
        self._said: dict[str, int] = {}
        super().__init__(app, clock=clock, offline=offline, chat=chat)
        self.adopt(app, engine)

    def adopt(self, app: AnyApplication, engine: Engine | None = None) -> None:
        """Go on with another application, after a restart; the engine is that of its flows."""
        if app is not self.app:
            app.add_error_handler(self._failed)
        self.app, self._bot = app, app
        self._jobs = ClockedJobs(app)
        self.slots = slots_of(app)
        self.standing = Standing(conversations_of(app))
        watch_callbacks(self.slots, lambda: len(self.offline.calls), self._draw, self.runs.append)
        self.engine = engine
        if engine is not None:
            engine.face.busy, engine.face.patience = _always, inf  # deadlines fire when the clock is moved

    def _draw(self) -> None:
        """Let a callback have the same chance, whatever was done before and beside it."""
        random.seed(f"{self._line} {len(self.runs)}")

    async def begin(self, started: bool) -> None:
        """Start the application as `run_polling` does, as far as its program has not done so."""
        if not started:
            await self.open()
            return
        self._open = True
        await self.app.initialize()
        if not self.app.running:
            await self.app.start()

    def stands(self, user: int) -> tuple[tuple[AnyConversation, Any], ...]:
        """Return where a person stands."""
        return tuple(self.standing.of(self.who(user), self.where(user)))

    async def row(self, user: int) -> Row:
        """Return where a person stands, as a row: a frame for each ConversationHandler."""
        if self.engine is not None:
            return await super().row(user)
        frames = tuple(
            Frame(conversation.name or "conversation", 1, state_name(conversation, state), NOTHING)
            for conversation, state in self.stands(user)
        )
        return Row(snapshots={"bot": Snapshot(frames)} if frames else {})

    async def do(self, action: Action) -> BotObservation:
        """Carry an action out, and all that comes of it.

        Raises:
            NotThereError: If it cannot be done now; nothing was done.
        """
        line = f"{action.by()}{action.line()}"
        self._said[line] = self._said.get(line, 0) + 1
        self._line = f"{line} {self._said[line]}"
        random.seed(self._line)  # the same chance, whatever was done before
        begun = self.clock.now()
        stood, calls, jobs = self.stands(action.user), len(self.offline.calls), self._waiting()
        queries, tasks = set(self.offline.world.queries), asyncio.all_tasks()
        self.runs.clear()
        plain = await super().do(action)
        for run in self.runs:
            self.standing.follow(action.user, run)
        made = tuple(self.offline.calls[calls:])
        runs = tuple(
            attrs.evolve(run, calls=(run.calls[0] - calls, run.calls[1] - calls)) for run in self.runs
        )
        asked = [query for query in self.offline.world.queries if query not in queries]
        return BotObservation(
            plain.action,
            plain.before,
            await self.row(action.user),
            None,
            plain.shown,
            cast("Any", runs),  # a transcript asks for nothing but their texts
            plain.errors,
            stood=stood,
            stands=self.stands(action.user),
            runs=runs,
            calls=made,
            query=asked[0] if asked else None,
            sent=self._sent(action.user, made),
            jobs=self._waiting() - jobs,
            tasks=len(asyncio.all_tasks() - tasks),
            took=self.clock.now() - begun,
        )

    async def restarted(self, action: Restart, before: Row) -> BotObservation:
        """Return what came of a restart, once the new application runs."""
        return BotObservation(
            action,
            before,
            await self.row(action.user),
            None,
            (),
            (),
            tuple(self.errors),
            stands=self.stands(action.user),
        )

    def stale(self, user: int) -> list[ShownButton]:
        """Return the buttons that are to be seen under older messages, the newest first."""
        visible = set(self.pressable(user))
        return [shown for shown in super().stale(user) if shown in visible]

    def jobs_due(self) -> bool:
        """Return whether a job waits for its time."""
        return self._jobs.next_due() is not None

    def _sent(self, user: int, calls: Sequence[Call]) -> tuple[ShownButton, ...]:
        """Return the buttons under the messages that the bot has just sent or edited in a person's chat."""
        here = self.where(user)
        numbers = {
            call.result["message_id"]
            for call in calls
            if isinstance(call.result, dict) and call.result.get("chat", {}).get("id") == here
        }
        return tuple(shown for shown in self.pressable(user) if shown.message in numbers)

    def _waiting(self) -> int:
        queue: Any = self.app._job_queue  # pyright: ignore[reportPrivateUsage]  # the property warns where there is none
        return 0 if queue is None else len(queue.jobs())


def _always() -> bool:
    return True
