"""`attach`: puts flows onto a PTB application."""

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from telegram.ext import Application, ExtBot

from fsmkit.clock import Clock
from fsmkit.engine.engine import Engine
from fsmkit.engine.observer import Observer
from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import calling_location
from fsmkit.flow.options import options_checked_with
from fsmkit.keys import Key
from fsmkit.stores.protocol import Store
from fsmkit.telegram.buttons import ButtonCodec
from fsmkit.telegram.command_menu import command_menus, set_command_menus
from fsmkit.telegram.delivery import Delivery
from fsmkit.telegram.fallbacks import UnclaimedPayments, UnclaimedPresses
from fsmkit.telegram.handler import FlowHandler
from fsmkit.telegram.intake import Intake
from fsmkit.telegram.lifecycle import AnyApplication, Lifecycle, group_taken
from fsmkit.telegram.update_processor import KeyedProcessor

if TYPE_CHECKING:  # it needs an extra
    from fsmkit.telegram.send_limits import SendLimits


@options_checked_with(Engine)
def attach(
    app: AnyApplication,
    *flows: Flow[Any],
    store: Store | str | None = None,
    clock: Clock | None = None,
    group: int = -1,
    resources: Any = None,
    answer_unclaimed: bool = True,
    button_keys: Sequence[str] | None = None,
    observers: Iterable[Observer] = (),
    command_menu: bool = False,
    send_limits: "SendLimits | None" = None,
    **options: Any,
) -> Engine:
    """Add flows to an application: they get its updates first, in a handler group of their own.

    Args:
        app: The application, built and not yet running.
        flows: The flows, in order of arbitration.
        store: Where conversations are stored: a store or its URL, for example `"sqlite:bot.db"`; by default
            in memory, where they are lost with the process.
        clock: The source of the time.
        group: The group of fsmkit's handler; the group must contain no other handler.
        resources: The object that handlers find in `ctx.resources`.
        answer_unclaimed: Whether presses that no handler of the bot takes are answered, and payments that
            none takes are declined.
        button_keys: Secrets, 16 characters or more, from which the keys of buttons are derived. The first
            one makes new buttons; buttons of all of them are accepted. By default only the bot's token.
        observers: Called for what the engine does: metrics, traces, tests (`fsmkit.engine.Observer`).
        command_menu: Whether Telegram's command menu is set at the start, from the descriptions of commands
            (`command("start", description="Begin")`).
        send_limits: Delays messages so that they stay within Telegram's limits
            (`fsmkit.telegram.send_limits`, with the extra `limits`). By default they are sent at once, and
            wait when Telegram says so.
        options: Further arguments of `Engine`.

    Returns:
        The engine, for events from outside; it starts and stops with the application.

    Raises:
        DefinitionError: If the flows do not fit together, the URL is not that of a store, the application
            cannot have flows or has some already, or the command menu is empty or too long.
    """
    check_application(app)
    if app.handlers.get(group):
        raise group_taken(group, f"it has {app.handlers[group][0]!r} already")
    engine, intake, life = wire(
        app,
        *flows,
        store=store,
        clock=clock,
        resources=resources,
        button_keys=button_keys,
        observers=observers,
        command_menu=command_menu,
        send_limits=send_limits,
        **options,
    )
    app.add_handler(FlowHandler(app, engine, intake, life, group), group)
    if answer_unclaimed:
        app.add_handler(UnclaimedPresses(app, intake), sys.maxsize)
        app.add_handler(UnclaimedPayments(app, intake), sys.maxsize)
    return engine


def wire(
    app: AnyApplication,
    *flows: Flow[Any],
    store: Store | str | None = None,
    clock: Clock | None = None,
    resources: Any = None,
    button_keys: Sequence[str] | None = None,
    observers: Iterable[Observer] = (),
    command_menu: bool = False,
    send_limits: "SendLimits | None" = None,
    **options: Any,
) -> tuple[Engine, Intake, Lifecycle]:
    """Make an engine that lives and talks with an application, and the way to it; no handler is added.

    The arguments are those of `attach`.
    """
    bot = app.bot
    names = {flow.name for flow in flows if isinstance(flow, Flow)}
    late = _Late()
    engine = Engine(
        *flows, store=store, clock=clock, deliver=late, resources=resources, observers=observers, **options
    )
    buttons = ButtonCodec(bot.token, names | set(engine.flows.tables), button_keys)
    delivery = late.delivery = Delivery(bot, buttons, engine.clock, send_limits)
    engine.bot = int(bot.token.partition(":")[0]) if bot.token.partition(":")[0].isdigit() else bot.token

    async def on_error(_key: Key | None, _event: Any, error: Exception) -> None:
        await app.process_error(None, error)

    engine.on_error = on_error
    if command_menu:
        menus = command_menus(table.flow for table in engine.flows.tables.values())
        engine.face.started = partial(set_command_menus, bot, menus)
    life = Lifecycle(app, engine)
    engine.face.busy = lambda: life.busy
    intake = Intake(app, engine, delivery, buttons)
    if isinstance(app.update_processor, KeyedProcessor):
        app.update_processor.serve(engine.flows.key_rules(), life, intake, engine.clock)
        engine.face.awaited = app.update_processor.awaited
        engine.face.concurrent = True
    return engine, intake, life


class _Late:
    """Delivery, which needs the engine's flows for its buttons, as the engine needs it for its outbox."""

    delivery: Delivery

    def __call__(self, key: Key, effect: Any) -> Any:
        return self.delivery(key, effect)


def check_application(app: Any, taker: str = "attach") -> None:
    """Check that flows can be put onto an application.

    Raises:
        DefinitionError: If it is none, has flows already, or replaces callback data.
    """
    place = calling_location()
    if not isinstance(app, Application):
        raise DefinitionError(
            f"{taker}() takes an Application first, got {app!r}",
            place=place,
            remedy="Write attach(Application.builder().token(...).build(), flow)",
        )
    if isinstance(app.bot, ExtBot) and app.bot.callback_data_cache is not None:
        raise DefinitionError(
            "the application has arbitrary_callback_data=True, which replaces fsmkit's own callback data",
            place=place,
            remedy="Remove it: fsmkit's buttons carry values of any length by themselves",
        )
    if any(isinstance(each, FlowHandler) for handlers in app.handlers.values() for each in handlers):
        raise DefinitionError(
            "attach() was called for this application before",
            place=place,
            remedy="Call it once, with all the flows: attach(app, first, second)",
        )
