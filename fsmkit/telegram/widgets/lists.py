"""Several of a list: `("call", toppings, MultiSelect("Which?", names))` returns a tuple of those chosen."""

import re
from collections.abc import Callable
from typing import TypeVar

import attrs

from fsmkit.flow.context import Context
from fsmkit.flow.flow import Flow, Text, in_language
from fsmkit.flow.messages import Button, Reply
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import End, Result, Stay
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.matchers import button
from fsmkit.telegram.widgets._shared import PAGE, PRESS, Words, pages, spoken, turner


@options_checked
@attrs.frozen
class MultiSelect:
    """What is shown.

    Attributes:
        question: The question.
        options: The options.
        chosen: The options that are chosen already.
        page: The page that is shown, counted from 0.
    """

    question: str
    options: tuple[str, ...]
    chosen: tuple[str, ...] = ()
    page: int = 0


@options_checked
def multi_select(
    name: str = "multi_select",
    *,
    least: int = 0,
    most: int | None = None,
    per_page: int = 8,
    done: Text = "Done",
    too_few: Text = "Choose at least {n}.",
    too_many: Text = "Choose at most {n}.",
    otherwise: Words = PRESS,
) -> Flow[MultiSelect]:
    """Make a flow in which options are ticked; it returns a tuple of those chosen, in their order.

    Args:
        name: Its name; a bot may have several.
        least: How many have to be chosen.
        most: How many may be chosen, `None`: all.
        per_page: Options on a page, 90 at most.
        done: The text on the last button; like the next two a text, or texts by language.
        too_few: The reply to somebody who has chosen too few.
        too_many: The reply to somebody who chooses one too many.
        otherwise: The reply to somebody who writes instead of pressing.

    Example:
        >>> toppings = multi_select("toppings", most=3)
        >>> list(toppings.states)
        ['open']
    """
    flow = Flow(name, data=MultiSelect)
    flow.state("open", otherwise=spoken(otherwise))

    def screen(data: MultiSelect, lang: str | None) -> Reply:
        first = data.page * per_page
        numbered = list(enumerate(data.options))[first : first + per_page]
        rows = [[Button(f"✓ {o}" if o in data.chosen else o, str(number))] for number, o in numbered]
        last = [[Button(in_language(done, lang) or "✓", "done")]]
        return Reply(data.question, buttons=[*rows, *turner(data.page, pages(data.options, per_page)), *last])

    _show_pages(flow, "open", screen)

    @flow.defstate("open", on=button(re.compile(r"\d+")))
    def tick(event: TelegramEvent, ctx: Context[MultiSelect]) -> Stay[MultiSelect]:
        ticked = {*ctx.data.chosen} ^ {ctx.data.options[int(ctx.match[0])]}
        if most is not None and len(ticked) > max(most, len(ctx.data.chosen)):
            ctx.answer((in_language(too_many, ctx.lang) or "").replace("{n}", str(most)), alert=True)
            return ("stay",)
        changed = attrs.evolve(ctx.data, chosen=tuple(o for o in ctx.data.options if o in ticked))
        ctx.show(screen(changed, ctx.lang))
        return ("stay", changed)

    @flow.defstate("open", on=button("done"))
    def finish(event: TelegramEvent, ctx: Context[MultiSelect]) -> Result:
        if len(ctx.data.chosen) < least:
            ctx.answer((in_language(too_few, ctx.lang) or "").replace("{n}", str(least)), alert=True)
            return ("stay",)
        ctx.show(f"{ctx.data.question} {', '.join(ctx.data.chosen)}".rstrip())
        return ("end", ctx.data.chosen)

    return flow


@options_checked
@attrs.frozen
class PagedList:
    """What is shown.

    Attributes:
        title: The text above the list.
        items: The items.
        page: The page that is shown, counted from 0.
    """

    title: str
    items: tuple[str, ...]
    page: int = 0


_Pages = TypeVar("_Pages", MultiSelect, PagedList)


@options_checked
def paged_list(
    name: str = "paged_list", *, per_page: int = 8, close: Text = "Close", otherwise: Words = PRESS
) -> Flow[PagedList]:
    """Make a flow that shows a list page by page; it returns the pressed item, `None` if it was closed.

    Args:
        name: Its name; a bot may have several.
        per_page: Items on a page, 90 at most.
        close: The text on the last button: a text, or a mapping of languages to texts.
        otherwise: The reply to somebody who writes instead of pressing.

    Example:
        >>> catalogue = paged_list("catalogue", per_page=5)
        >>> list(catalogue.states)
        ['shown']
    """
    flow = Flow(name, data=PagedList)
    flow.state("shown", otherwise=spoken(otherwise))

    def screen(data: PagedList, lang: str | None) -> Reply:
        first = data.page * per_page
        numbered = list(enumerate(data.items))[first : first + per_page]
        rows = [[Button(item, str(number))] for number, item in numbered]
        last = [[Button(in_language(close, lang) or "x", "close")]]
        return Reply(data.title, buttons=[*rows, *turner(data.page, pages(data.items, per_page)), *last])

    _show_pages(flow, "shown", screen)

    @flow.defstate("shown", on=button(re.compile(r"\d+")))
    def choose(event: TelegramEvent, ctx: Context[PagedList]) -> End[str]:
        item = ctx.data.items[int(ctx.match[0])]
        ctx.show(f"{ctx.data.title} {item}")
        return ("end", item)

    @flow.defstate("shown", on=button("close"))
    def leave(event: TelegramEvent, ctx: Context[PagedList]) -> End:
        ctx.show(ctx.data.title)
        return ("end",)

    return flow


def _show_pages(flow: Flow[_Pages], state: str, screen: Callable[[_Pages, str | None], Reply]) -> None:
    """Show the page where a list stands, and turn to another one."""

    @flow.on_enter(state)
    def show(ctx: Context[_Pages]) -> None:
        ctx.show(screen(ctx.data, ctx.lang))

    @flow.defstate(state, on=button(PAGE))
    def turn(event: TelegramEvent, ctx: Context[_Pages]) -> Stay[_Pages]:
        turned = attrs.evolve(ctx.data, page=int(ctx.match[1]))
        ctx.show(screen(turned, ctx.lang))
        return ("stay", turned)
