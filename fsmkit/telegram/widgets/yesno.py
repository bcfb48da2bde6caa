"""Yes or no: `("call", sure, YesNo("Delete it?"))` returns `True` or `False`."""

import attrs

from fsmkit.flow.context import Context
from fsmkit.flow.flow import Flow, Text, in_language
from fsmkit.flow.messages import Button
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import End
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.matchers import button
from fsmkit.telegram.widgets._shared import PRESS, Words, spoken


@options_checked
@attrs.frozen
class YesNo:
    """What is asked.

    Attributes:
        question: The question.
    """

    question: str


@options_checked
def yes_no(
    name: str = "yes_no", *, yes: Text = "Yes", no: Text = "No", otherwise: Words = PRESS
) -> Flow[YesNo]:
    """Make a flow that asks a question with two buttons and returns a bool.

    Args:
        name: Its name; a bot may have several.
        yes: The text on the first button: a text, or a mapping of languages to texts.
        no: The text on the second button.
        otherwise: The reply to somebody who writes instead of pressing.

    Example:
        >>> sure = yes_no(no="Never")
        >>> list(sure.states)
        ['asked']
    """
    flow = Flow(name, data=YesNo)
    flow.state("asked", otherwise=spoken(otherwise))

    @flow.on_enter("asked")
    def show(ctx: Context[YesNo]) -> None:
        words = [
            Button(in_language(yes, ctx.lang) or "+", "yes"),
            Button(in_language(no, ctx.lang) or "-", "no"),
        ]
        ctx.show(ctx.data.question, buttons=words)

    @flow.defstate("asked", on=button("yes", "no"))
    def pressed(event: TelegramEvent, ctx: Context[YesNo]) -> End[bool]:
        answer = event.value == "yes"
        ctx.show(f"{ctx.data.question} {in_language(yes if answer else no, ctx.lang) or ''}".rstrip())
        return ("end", answer)

    return flow
