"""A long list, page by page: `("call", catalogue, PagedList("Which?", titles))` returns the chosen item."""

import re

import attrs

from fsmkit.context import Context
from fsmkit.effects import Button, Reply
from fsmkit.flow import Flow, Text, in_language
from fsmkit.results import End, Stay
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.matchers import button
from fsmkit.telegram.widgets.words import PAGE, PRESS, Words, pages, spoken, turner


@attrs.frozen
class PagedList:
    """What is shown.

    Attributes:
        title: What stands above the list.
        items: The items.
        page: The page that is shown, counted from 0.
    """

    title: str
    items: tuple[str, ...]
    page: int = 0


def paged_list(
    name: str = "paged_list", *, per_page: int = 8, close: Text = "Close", otherwise: Words = PRESS
) -> Flow[PagedList]:
    """A flow that shows a list page by page and returns the item that was pressed, `None` if it was closed.

    Args:
        name: Its name; a bot may have several.
        per_page: Items of a page, 90 at most.
        close: What is written on the last button: a text, or a mapping of languages to texts.
        otherwise: What is said to somebody who writes instead of pressing.

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

    @flow.on_enter("shown")
    def show(ctx: Context[PagedList]) -> None:
        ctx.show(screen(ctx.data, ctx.lang))

    @flow.defstate("shown", on=button(PAGE))
    def turn(event: TelegramEvent, ctx: Context[PagedList]) -> Stay[PagedList]:
        turned = attrs.evolve(ctx.data, page=int(ctx.match[1]))
        ctx.show(screen(turned, ctx.lang))
        return ("stay", turned)

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
