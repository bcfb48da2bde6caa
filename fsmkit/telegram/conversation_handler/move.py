"""`move`: a bot's ConversationHandlers become flows, each in its own place among the bot's handlers.

What PTB promises of a ConversationHandler's place holds for its flow: handlers before it in its group are
asked first, those behind it only if it does not take the update, and those of later groups in any case,
unless a callback raises `ApplicationHandlerStop`. Whether a flow takes an update is known only when its row
is read, which `check_update` cannot wait for. So a `MovedHandler` takes each update that has a key, and gives
what its flow passes to the handlers behind it by itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from telegram import Update
from telegram.ext import ApplicationHandlerStop, BaseHandler, ConversationHandler, ExtBot

from fsmkit.engine.engine import Engine
from fsmkit.flow.options import options_checked_with
from fsmkit.telegram.attach import check_application, wire
from fsmkit.telegram.conversation_handler.adapters import stops
from fsmkit.telegram.conversation_handler.chart import Conversation, unmovable
from fsmkit.telegram.conversation_handler.flow import DEFAULT_NAME, MovedFlow, from_conversation_handler
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.intake import Checked, Intake
from fsmkit.telegram.lifecycle import AnyApplication, Lifecycle


@options_checked_with(Engine)
def move(
    app: AnyApplication,
    *flows: MovedFlow,
    names: Mapping[Any, str] | None = None,
    **options: Any,
) -> Engine:
    """Replace each ConversationHandler of an application by a flow, in its own place and group.

    The `user_data` of people who are in a conversation are stored with it, as far as JSON has them, unless
    the application's persistence keeps them already; for what is not stored a line is logged.

    Args:
        app: The application, built, with all its handlers, and not yet running.
        flows: Flows that `from_conversation_handler` has made of some of them, to which handlers were added;
            the other ConversationHandlers are moved as they are.
        names: Names of states, as in `from_conversation_handler`.
        options: Further arguments of `attach` (`store`, `clock`, `resources`, `observers`, ...) and `Engine`.

    Returns:
        The engine; it starts and stops with the application.

    Raises:
        DefinitionError: If there is no ConversationHandler, or one that cannot be moved.

    Example:
        >>> from telegram.ext import Application, CommandHandler
        >>> async def start(update, context):
        ...     return 0
        >>> app = Application.builder().token("1:A").build()
        >>> app.add_handler(ConversationHandler([CommandHandler("start", start)], {0: []}, [], name="signup"))
        >>> engine = move(app)
        >>> app.handlers[0]
        [MovedHandler('signup')]
    """
    check_application(app, "move")
    places = list(_places(app))
    if not places:
        raise unmovable(
            "the application has no ConversationHandler", "Add its handlers first, then call move(app)"
        )
    made = {id(flow.chart.top): flow for flow in _moved(flows, places)}
    taken = {flow.name for flow in made.values()}
    data = None if _keeps_user_data(app) else dict
    for _, _, conversation in places:
        if id(conversation) not in made:
            name = _free_name(conversation.name or DEFAULT_NAME, taken)
            made[id(conversation)] = from_conversation_handler(
                conversation, data=data, name=name, names=names
            )
    engine, intake, life = wire(app, *made.values(), **options)
    for group, at, conversation in places:
        app.handlers[group][at] = MovedHandler(app, engine, intake, life, group, made[id(conversation)])
    return engine


class MovedHandler(FlowHandler):
    """The handler that stands where a ConversationHandler stood; `move` makes it.

    Args:
        application: Whose updates they are.
        engine: Runs the flows.
        intake: The way there.
        life: Starts the engine where nobody has.
        group: The group in which it stands.
        flow: The flow that was made of the ConversationHandler.
    """

    __slots__ = ("_flow",)

    def __init__(
        self,
        application: AnyApplication,
        engine: Engine,
        intake: Intake,
        life: Lifecycle,
        group: int,
        flow: MovedFlow,
    ) -> None:
        super().__init__(application, engine, intake, life, group)
        self._flow = flow

    @property
    def flow(self) -> MovedFlow:
        """The flow."""
        return self._flow

    def __repr__(self) -> str:
        return f"MovedHandler({self._flow.name!r})"

    def check_update(self, update: object) -> Checked | None:
        """Return the event of an update that has a key by the flow's rule."""
        checked = super().check_update(update)
        if not isinstance(checked, Checked):
            return None
        name = self._flow.name
        key = self.intake.key_of(checked.event, self._flow.key)
        if key is None:
            return None
        own = [table for _, tables in checked.keys for table in tables if table.name == name]
        return Checked(checked.event, [(key, own)], checked.foreign, checked.barred, name)

    async def handle_update(
        self, update: Update, application: Any, check_result: object, context: Any
    ) -> None:
        """Handle an update; give what the flow passes to the handlers behind it in the group.

        Raises:
            ApplicationHandlerStop: If a callback has raised it, or the update is to be taken once more.
        """
        if not isinstance(check_result, Checked):
            raise TypeError("MovedHandler.handle_update takes what its check_update returned")
        noted: list[ApplicationHandlerStop] = []
        token = stops.set(noted)
        try:
            await self._life.started()
            outcome = await self.intake.take(check_result, context)
        except Exception as error:
            if self.intake.is_to_be_taken_again(update.update_id, error):
                raise ApplicationHandlerStop from error
            raise
        finally:
            stops.reset(token)
        if noted:
            raise ApplicationHandlerStop
        if outcome.kind == "passed":
            await self._go_on(update, application, context)

    async def _go_on(self, update: Update, application: AnyApplication, context: Any) -> None:
        """Have the first of the handlers behind this one that wants an update handle it, as PTB does."""
        handlers = application.handlers[self.group]
        for handler in handlers[handlers.index(self) + 1 :]:
            check = handler.check_update(update)
            if check is None or check is False:
                continue
            handling = handler.handle_update(update, application, check, context)
            if _blocks(handler, application.bot):
                await handling
            else:
                name = f"Application:{application.bot.id}:process_update_non_blocking:{handler}"
                application.create_task(handling, update=update, name=name)
            return


def _blocks(handler: BaseHandler[Any, Any, Any], bot: Any) -> bool:
    """Return whether PTB waits for a handler: as was said to it, else to the bot's `Defaults`."""
    if isinstance(handler.block, bool):
        return handler.block
    defaults = bot.defaults if isinstance(bot, ExtBot) else None
    return bool(handler.block) if defaults is None else bool(defaults.block)


def _places(app: AnyApplication) -> Iterator[tuple[int, int, Conversation]]:
    for group, handlers in app.handlers.items():
        for at, handler in enumerate(handlers):
            if isinstance(handler, ConversationHandler):
                yield group, at, handler


def _moved(flows: Iterable[Any], places: Iterable[tuple[int, int, Conversation]]) -> Iterator[MovedFlow]:
    """Yield the flows that were given, each of which was made of a ConversationHandler of the application."""
    there = {id(conversation) for _, _, conversation in places}
    for flow in flows:
        if not isinstance(flow, MovedFlow) or id(flow.chart.top) not in there:
            raise unmovable(
                f"move() was given {flow!r}, which was made of no ConversationHandler of this application",
                "Add its ConversationHandler to the application; other flows go to attach()",
            )
        yield flow


def _free_name(wanted: str, taken: set[str]) -> str:
    """Return a name that no other flow has: by number, in the order of the handlers."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}-{number}"
    taken.add(name)
    return name


def _keeps_user_data(app: AnyApplication) -> bool:
    return app.persistence is not None and bool(app.persistence.store_data.user_data)
