"""`ask`: one question as an ordinary state with two handlers, one for answers and one for what is none.

The second stays in the state, so a question that is asked again adds nothing to the history; how often it
was, is counted in the row (`ctx.retries`).
"""

import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from fsmkit.errors import DefinitionError, UnstorableData
from fsmkit.flow.flow import Flow, Text, in_language
from fsmkit.flow.locations import calling_location
from fsmkit.flow.messages import Reply
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import Result
from fsmkit.flow.states import END, Prompt, State, Symbol
from fsmkit.interpreter.codec import Typed
from fsmkit.telegram.forms.questions import SKIPPED, Question, ReadyQuestion, make_ready
from fsmkit.telegram.matchers import text

Goal = str | State | Symbol
"""Where a handler leads: a state or `END`."""

YES_NO: dict[Any, Text] = {True: "Yes", False: "No"}


@attrs.frozen(eq=False)
class Patience:
    """How often a question is asked again, and what happens then.

    Attributes:
        retries: How often; `None`: for ever.
        goal: Where it leads then.
        text: What is said then.
        ephemeral: Whether what is said to a wrong answer is deleted when the state is left.
    """

    retries: int | None = None
    goal: Goal = END
    text: Text = None
    ephemeral: bool = False


@options_checked
def ask(
    flow: Flow[Any],
    name: str,
    *,
    prompt: Prompt | Mapping[str, str],
    to: Goal,
    parse: Any = None,
    retry: Text = None,
    choices: Iterable[Any] | Mapping[Any, Text] = (),
    optional: bool = False,
    into: str | Callable[[Any, Any], Any] | None = None,
    max_retries: int | None = None,
    give_up: Goal = END,
    sorry: Text = None,
    skip: Text = "Skip",
    columns: int = 3,
    **state: Any,
) -> State:
    """Declare a state that asks a question until the answer is valid.

    If the flow has handlers for that state that were declared before, they get its messages first.

    Args:
        flow: The flow.
        name: Name of the state.
        prompt: The prompt; see `Question`, for `parse`, `retry`, `choices` and `columns` too.
        to: The next state, or `END` (with the data as the result).
        parse: How a text becomes the answer.
        retry: The reply to an answer that is not valid.
        choices: Values that are offered as buttons.
        optional: Whether a Skip button and `/skip` leave the question out; the answer is then the default of
            the field, else `None`.
        into: Where the answer is stored: a field of the data (by default the one named like the state), or a
            function of `(ctx, answer)` that returns the data.
        max_retries: How often it is asked again; with one more wrong answer it gives up. `None`: no limit.
        give_up: The next state after that, or `END`.
        sorry: The text that is sent then.
        skip: The text on the Skip button.
        columns: Buttons in a row.
        state: Further arguments of `flow.state`: `ttl`, `ephemeral`, `renamed_from`.

    Returns:
        The state.

    Raises:
        DefinitionError: If the question cannot be asked like this.

    Example:
        >>> flow = Flow("signup")
        >>> age = ask(flow, "age", prompt="How old are you?", parse=int, max_retries=3, to="city")
        >>> city = ask(flow, "city", prompt="Where?", choices=["Graz", "Wien"], optional=True, to=END)
        >>> [handler.targets for handler in flow.handlers]
        [('city',), (END,), (END,), None]
    """
    place = calling_location()
    for option, goal in (("to", to), ("give_up", give_up)):
        _check_goal(option, goal, place)
    question = Question(prompt, parse=parse, retry=retry, choices=choices, optional=optional, columns=columns)
    asked = make_ready(question, skip=skip, yes_no=YES_NO, place=place)
    into = name if into is None else into
    keep = _keeping(flow, into, place)
    if not callable(into):
        _check_storable(flow, into, asked, place)

    def read(event: Any, ctx: Any) -> Any:  # a form's looks at `ctx` too
        return asked.read(event)

    declared = _state(flow, name, asked, state)
    patience = Patience(max_retries, give_up, sorry, bool(state.get("ephemeral")))
    put_handlers(flow, name, asked, read, keep, to, patience)
    return declared


def _check_goal(option: str, goal: Any, place: str | None) -> None:
    """Raise DefinitionError for what is meant as a goal and is a result or nothing."""
    if not isinstance(goal, str | State | Symbol):
        raise DefinitionError(
            f"{option}={goal!r} is not a state",
            place=place,
            remedy=f'Write {option}=END to end the conversation, or {option}="..." with the name of a state',
        )


def put_handlers(
    flow: Flow[Any],
    name: str,
    asked: ReadyQuestion,
    read: Callable[[Any, Any], Any],
    keep: Callable[[Any, Any], Any],
    to: Goal,
    patience: Patience,
    *,
    review: str | None = None,
) -> None:
    """Register the handler for answers and the one for what is none.

    Args:
        flow: The flow.
        name: Name of the question's state.
        asked: The question.
        read: The value of `(event, ctx)`; raises `ValueError`.
        keep: The data with a value, of `(ctx, value)`.
        to: Where an answer leads.
        patience: How often it is asked again.
        review: The state that an answer leads back to if the question was entered from there.
    """
    goals = (to,) if review is None or review == to else (to, review)
    answered = _ending(read, keep) if to is END else _answering(read, keep, to, review or to)
    flow.defstate(name, on=asked.matcher(), to=goals)(answered)
    if patience.retries is None:
        flow.defstate(name, on=text())(_repeating(asked, read, patience))
    else:
        ends = patience.goal is END
        refused = _giving_up(asked, read, patience) if ends else _leaving(asked, read, patience)
        flow.defstate(name, on=text(), to=patience.goal)(refused)


def _why(asked: ReadyQuestion, read: Callable[[Any, Any], Any], event: Any, ctx: Any) -> str:
    """Return what is said to an answer that will not do: it is read once more for the error."""
    error: ValueError | None = None
    try:
        read(event, ctx)
    except ValueError as found:
        error = found
    return asked.retry(error, ctx.lang)


# -- the handlers: each with the results written out, so that graph and checks can read them -------


def _answering(read: Any, keep: Any, to: Any, review: Any) -> Callable[[Any, Any], Result]:
    def answered(event: Any, ctx: Any) -> Result:
        try:
            value = read(event, ctx)
        except ValueError:
            return ("pass",)
        return ("transition", review if ctx.previous == review else to, keep(ctx, value))

    return answered


def _ending(read: Any, keep: Any) -> Callable[[Any, Any], Result]:
    def answered(event: Any, ctx: Any) -> Result:
        try:
            value = read(event, ctx)
        except ValueError:
            return ("pass",)
        return ("end", keep(ctx, value))

    return answered


def _repeating(asked: ReadyQuestion, read: Any, patience: Patience) -> Callable[[Any, Any], Result]:
    def asked_again(event: Any, ctx: Any) -> Result:
        ctx.retry(_why(asked, read, event, ctx), ephemeral=patience.ephemeral)
        return ("stay",)

    return asked_again


def _giving_up(asked: ReadyQuestion, read: Any, patience: Patience) -> Callable[[Any, Any], Result]:
    def asked_again_or_ended(event: Any, ctx: Any) -> Result:
        if ctx.retries < (patience.retries or 0):
            ctx.retry(_why(asked, read, event, ctx), ephemeral=patience.ephemeral)
            return ("stay",)
        if said := in_language(patience.text, ctx.lang):
            ctx.reply(said)
        return ("end",)

    return asked_again_or_ended


def _leaving(asked: ReadyQuestion, read: Any, patience: Patience) -> Callable[[Any, Any], Result]:
    goal: Any = patience.goal

    def asked_again_or_left(event: Any, ctx: Any) -> Result:
        if ctx.retries < (patience.retries or 0):
            ctx.retry(_why(asked, read, event, ctx), ephemeral=patience.ephemeral)
            return ("stay",)
        if said := in_language(patience.text, ctx.lang):
            ctx.reply(said)
        return ("transition", goal)

    return asked_again_or_left


# -- the state, and where an answer goes -----------------------------------------------------------


def _state(flow: Flow[Any], name: str, asked: ReadyQuestion, more: Mapping[str, Any]) -> State:
    def prompt(ctx: Any) -> Any:
        return _shown(asked, ctx)

    def otherwise(ctx: Any) -> str:
        return asked.retry(None, ctx.lang)

    question = asked.question
    if asked.speaks_one_language:  # as written, so that checks can read it
        plain: Any = question.prompt
        return flow.state(name, prompt=plain, buttons=asked.rows(None), otherwise=otherwise, **more)
    return flow.state(name, prompt=prompt, otherwise=otherwise, **more)


async def _shown(asked: ReadyQuestion, ctx: Any) -> Reply | None:
    said = await asked.said(ctx)
    rows = asked.rows(ctx.lang)
    return said if said is None or said.buttons or not rows else attrs.evolve(said, buttons=rows)


def _check_storable(flow: Flow[Any], field: str, asked: ReadyQuestion, place: str | None) -> None:
    """Raise DefinitionError unless the data can hold the answers, as far as these are known."""
    kind: Any = Any
    if attrs.has(flow.data):
        try:
            kind = typing.get_type_hints(flow.data, include_extras=True).get(field, Any)
        except NameError:  # not known yet; the flow says so when it is attached
            return
    field_type = Typed(f"{flow.name}.data.{field}", kind, place)
    for value in asked.samples():
        try:
            field_type.encode(value)
        except UnstorableData as error:
            raise DefinitionError(
                f"ask({field!r}): the data cannot hold an answer such as {value!r}: {error.problem}",
                place=place,
                remedy=f"Give {flow.name!r} a class for its data, with `{field}: {type(value).__name__}`, or "
                f"store something else with into=",
            ) from error


def _keeping(flow: Flow[Any], into: str | Callable[[Any, Any], Any], place: str | None) -> Callable[..., Any]:
    if callable(into):
        function = into
        return lambda ctx, value: function(ctx, None if value is SKIPPED else value)
    field, default = into, None
    if attrs.has(flow.data):
        found = getattr(attrs.fields(flow.data), field, None)
        if found is None:
            raise DefinitionError(
                f"the answer to {field!r} has no place: {flow.data.__name__} has no such field",
                place=place,
                remedy='Add the field, or name another one with into="..."',
            )
        default = None if found.default is attrs.NOTHING else found.default
    factory: Any = getattr(default, "factory", None)

    def keep(ctx: Any, value: Any) -> Any:
        left_out = factory() if factory is not None else default
        return ctx.evolve(**{field: left_out if value is SKIPPED else value})

    return keep
