"""`FlowHandler`: the one handler through which an application's updates come to the flows.

What becomes of an update is in `fsmkit.telegram.intake`. What PTB is told afterwards is the contract here: an
event that a flow consumed, or on which its handler raised, goes to no other handler of the bot; any other
goes on.
"""

from typing import Any

from telegram import Update
from telegram.ext import Application, ApplicationHandlerStop, BaseHandler, CallbackContext

from fsmkit.engine.engine import Engine
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.in_state import note_passed_on
from fsmkit.telegram.intake import AnyApplication, Checked, Intake
from fsmkit.telegram.lifecycle import Lifecycle
from fsmkit.telegram.raw_update import RawUpdate


class FlowHandler(BaseHandler[Update, Any, None]):
    """The PTB handler that passes updates to the engine; `attach` creates it, alone in its group.

    Args:
        application: Whose updates they are.
        engine: Runs the flows.
        intake: Turns updates into events for the engine.
        life: Starts the engine if nobody has.
        group: The group of the handler, in which it is the only one.
    """

    __slots__ = ("_application", "_engine", "_life", "_passed", "group", "intake")

    def __init__(
        self, application: AnyApplication, engine: Engine, intake: Intake, life: Lifecycle, group: int
    ) -> None:
        super().__init__(unused, block=True)  # explicit: `Defaults(block=False)` must not reach it
        self._application = application
        self._engine = engine
        self.intake = intake
        self._life = life
        self.group = group
        self._passed: dict[int, RawUpdate | None] = {}
        """By `id(update)`: updates that the flows have let pass on the fast lane."""

    @property
    def engine(self) -> Engine:
        """What runs the flows."""
        return self._engine

    def check_update(self, update: object) -> "Checked | RawUpdate | None":
        """Return the event of an update that has a usable key; cheap, and without I/O."""
        if self._passed and id(update) in self._passed:
            return self._passed[id(update)]
        return self.intake.read(update) if isinstance(update, Update) else None

    async def handle_update(
        self,
        update: Update,
        application: Application[Any, Any, Any, Any, Any, Any],
        check_result: object,
        context: CallbackContext[Any, Any, Any, Any],
    ) -> None:
        """Handle a checked update; see the module for what it raises.

        Raises:
            ApplicationHandlerStop: If no other handler of the bot may see the update.
        """
        if not isinstance(check_result, Checked):
            if not isinstance(check_result, RawUpdate):
                raise TypeError("FlowHandler.handle_update takes what its check_update returned")
            _go_on_with(context, check_result.context)
            return
        try:
            if not self._engine.running or len(application.handlers[self.group]) != 1:
                await self._life.ensure(application, self.group)
            outcome = await self.intake.take(check_result, context)
            if outcome.kind == "passed":
                await note_passed_on(check_result.event, self._engine, self.intake)
        except Exception as error:
            await self._report(check_result.event, error)
            raise ApplicationHandlerStop from error
        if outcome.kind != "passed":
            raise ApplicationHandlerStop

    # -- on the fast lane ----------------------------------------------------------------------------

    async def handle_event(self, checked: Checked, context: Any) -> None:
        """Have an update handled by the flows, then by the bot's other handlers if no flow has taken it.

        Args:
            checked: The update.
            context: What makes PTB's context of it if it is asked for.
        """
        try:
            if not self._engine.running or len(self._application.handlers[self.group]) != 1:
                await self._life.ensure(self._application, self.group)
            outcome = await self.intake.take(checked, context)
            if outcome.kind != "passed":
                return
            await note_passed_on(checked.event, self._engine, self.intake)
        except Exception as error:
            await self._report(checked.event, error)
        else:
            await self._pass_on(checked.event)

    async def _pass_on(self, event: TelegramEvent) -> None:
        """Give an update to the bot's other handlers, without asking the flows again."""
        update, raw = event.update, event.raw
        self._passed[id(update)] = raw if raw is not None and raw.has_context else None
        try:
            await self._application.process_update(update)
        finally:
            del self._passed[id(update)]

    async def _report(self, event: TelegramEvent, error: Exception) -> None:
        """Tell the error handlers what was raised, unless the update is taken again."""
        if not self.intake.is_to_be_taken_again(event.number, error):
            await self._application.process_error(event.update, error)


def _go_on_with(context: Any, made: Any) -> None:
    """Let PTB's context have what the flows' handlers have left in the one that was made for them."""
    context.__dict__.update(made.__dict__)
    context.args, context.matches = made.args, made.matches


async def unused(_update: Update, _context: Any) -> None:
    """Stand in for PTB's callback; `handle_update` is overridden instead."""
