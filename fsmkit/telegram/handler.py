"""`FlowHandler`: the one handler through which an application's updates come to the flows.

What becomes of an update is in `fsmkit.telegram.intake`. What PTB is told afterwards is the contract here: an
event that a flow consumed, or on which its handler raised, goes to no other handler of the bot; any other
goes on.
"""

from typing import Any

from telegram import Update
from telegram.ext import Application, ApplicationHandlerStop, BaseHandler, CallbackContext

from fsmkit.engine.engine import Engine
from fsmkit.telegram.in_state import note_passed_on
from fsmkit.telegram.intake import Checked, Intake
from fsmkit.telegram.lifecycle import Lifecycle


class FlowHandler(BaseHandler[Update, Any, None]):
    """The PTB handler that passes updates to the engine; `attach` creates it, alone in its group.

    Args:
        engine: Runs the flows.
        intake: Turns updates into events for the engine.
        life: Starts the engine if nobody has.
        group: The group of the handler, in which it is the only one.
    """

    __slots__ = ("_engine", "_group", "_intake", "_life")

    def __init__(self, engine: Engine, intake: Intake, life: Lifecycle, group: int) -> None:
        super().__init__(unused, block=True)  # explicit: `Defaults(block=False)` must not reach it
        self._engine = engine
        self._intake = intake
        self._life = life
        self._group = group

    @property
    def engine(self) -> Engine:
        """What runs the flows."""
        return self._engine

    def check_update(self, update: object) -> Checked | None:
        """Return the event of an update that has a usable key; cheap, and without I/O."""
        return self._intake.read(update) if isinstance(update, Update) else None

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
            raise TypeError("FlowHandler.handle_update takes what its check_update returned")
        try:
            if not self._engine.running or len(application.handlers[self._group]) != 1:
                await self._life.ensure(application, self._group)
            outcome = await self._intake.take(check_result, context)
            if outcome.kind == "passed":
                await note_passed_on(update, check_result.event, self._engine, self._intake)
        except Exception as error:
            if not self._intake.is_to_be_taken_again(update, error):
                await application.process_error(update, error)
            raise ApplicationHandlerStop from error
        if outcome.kind != "passed":
            raise ApplicationHandlerStop


async def unused(_update: Update, _context: Any) -> None:
    """Stand in for PTB's callback; `handle_update` is overridden instead."""
