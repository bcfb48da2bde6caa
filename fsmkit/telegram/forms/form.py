"""`form`: a wizard from an attrs class. One state a question, in order, then a review with all answers.

Nothing here stores anything: the answers so far are the flow's data, and where an edited answer leads is
told by the state before it (`ctx.previous`).
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from fsmkit.flow.flow import Flow, Text, in_language
from fsmkit.flow.locations import calling_location
from fsmkit.flow.messages import Button, Reply
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import Result
from fsmkit.flow.states import END, State
from fsmkit.telegram.forms.ask import Patience, put_handlers
from fsmkit.telegram.forms.fields import Field, fields_of, keep_answer, load
from fsmkit.telegram.forms.questions import SKIPPED
from fsmkit.telegram.matchers import button, command

CONFIRM = "confirm"


SHOWN = 200
"""Characters of an answer that the review shows."""


def put_review(
    flow: Flow[Any],
    name: str,
    owner: type,
    fields: tuple[Field, ...],
    words: Mapping[str, Text],
    done: Callable[[Any, Any], Any] | None,
) -> None:
    """Declare the state and its handlers.

    Args:
        flow: The flow.
        name: Name of the state.
        owner: The class that the answers make.
        fields: What was asked for.
        words: The form's own words.
        done: Told of the instance.
    """

    def prompt(ctx: Any) -> Reply:
        return _page(fields, ctx.data, words, ctx.lang)

    def otherwise(ctx: Any) -> str | None:
        return in_language(words["press"], ctx.lang)

    flow.state(name, prompt=prompt, otherwise=otherwise)

    @flow.defstate(name, on=button(CONFIRM))
    async def confirmed(event: Any, ctx: Any) -> Result:
        missing = _missing(fields, ctx.data)
        if missing:
            labels = ", ".join(in_language(field.label, ctx.lang) or field.name for field in missing)
            ctx.reply((in_language(words["missing"], ctx.lang) or "{labels}").replace("{labels}", labels))
            return ("stay",)
        try:
            instance = load(owner, fields, ctx.data)
        except ValueError as error:
            ctx.reply(str(error) or in_language(words["refused"], ctx.lang) or "?")
            return ("stay",)
        told = done(ctx, instance) if done is not None else None
        if inspect.isawaitable(told):
            await told
        return ("end", instance)

    for field in fields:
        flow.defstate(name, on=button(_edit(field)))(_editing(field.name))


def _editing(question: str) -> Callable[[Any, Any], Result]:
    def edit(event: Any, ctx: Any) -> Result:
        return ("transition", question)

    return edit


def _edit(field: Field) -> str:
    return f"edit {field.name}"


def _page(
    fields: tuple[Field, ...], answers: Mapping[str, Any], words: Mapping[str, Text], lang: str | None
) -> Reply:
    labels = [in_language(field.label, lang) or field.name for field in fields]
    lines = [
        f"{label}: {_shown(field, answers, words, lang)}" for field, label in zip(fields, labels, strict=True)
    ]
    edit = in_language(words["edit"], lang) or "{label}"
    edits = [
        Button(edit.replace("{label}", label), _edit(field))
        for field, label in zip(fields, labels, strict=True)
    ]
    last = [Button(in_language(words["confirm"], lang) or "OK", CONFIRM)]
    if cancel := in_language(words["cancel"], lang):
        last.append(Button(cancel, "/cancel"))
    rows = [edits[start : start + 2] for start in range(0, len(edits), 2)]
    text = "\n".join([in_language(words["review"], lang) or "", "", *lines]).strip()
    return Reply(text, buttons=[*rows, last])


def _shown(field: Field, answers: Mapping[str, Any], words: Mapping[str, Text], lang: str | None) -> str:
    """Return an answer as the person knows it: of a choice what is written on its button."""
    left_out = in_language(words["left_out"], lang) or ""
    try:
        value = field.load(answers[field.name])
    except (KeyError, ValueError):
        return left_out
    for choice in field.asked.choices:
        if choice.value == value and type(choice.value) is type(value):
            return in_language(choice.label, lang) or choice.wire
    text = left_out if value is None else str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _missing(fields: tuple[Field, ...], answers: Mapping[str, Any]) -> list[Field]:
    """Return what has to be answered still: left out by whoever called the form, or no longer of its type."""
    missing: list[Field] = []
    for field in fields:
        try:
            if field.name in answers:
                field.load(answers[field.name])
            elif not field.asked.question.optional:
                missing.append(field)
        except ValueError:
            missing.append(field)
    return missing


BACK = "/back"


CANCEL = "/cancel"
"""Values of buttons: the commands that do the same."""

TEXTS: dict[str, Text] = {
    "back": "Back",
    "skip": "Skip",
    "cancel": "Cancel",
    "cancelled": "Cancelled.",
    "confirm": "Confirm",
    "edit": "Edit {label}",
    "left_out": "—",
    "missing": "Please answer: {labels}",
    "no": "No",
    "press": "Please press one of the buttons.",
    "refused": "These answers do not fit together.",
    "review": "Is this right?",
    "sorry": None,
    "yes": "Yes",
}
"""The form's own words, for `form(texts=...)`."""


@options_checked
def form(
    flow: Flow[Any],
    owner: type,
    *,
    questions: Mapping[str, Any] | None = None,
    done: Callable[[Any, Any], Any] | None = None,
    texts: Mapping[str, Text] | None = None,
    review: str = "review",
    max_retries: int | None = None,
) -> State:
    """Declare the states and handlers of a wizard that asks for the fields of an attrs class.

    The flow's data are the answers so far, a dict. Confirm creates the instance from them. If that raises
    `ValueError`, its message is sent and the person stays in the review. Otherwise the flow ends with the
    instance as its result, which a caller gets in `Returned`. To start the form, lead to the returned state.

    Args:
        flow: A separate flow for the form, with `data=dict` (the default).
        owner: The attrs class. A field's type says how an answer is parsed, its converter and its validator
            whether it is valid. A field with a default, or of type `T | None`, may be skipped.
        questions: By field: a prompt, a `Question`, or `None` (not asked). By default the field's metadata
            under `"question"`, otherwise its name.
        done: Called with `(ctx, instance)` at the end, sync or async, in the same step.
        texts: The form's own texts, each a text or a mapping of languages to texts; see `TEXTS`. For `back`,
            `skip` and `cancel`, `None` removes button and command.
        review: Name of the state with the review.
        max_retries: How often a question is asked again; then the form ends (saying `sorry`).

    Returns:
        The first question's state.

    Raises:
        DefinitionError: If a field cannot be asked for.

    Example:
        >>> @attrs.frozen
        ... class Guest:
        ...     name: str
        ...     age: int | None = None
        >>> guests = Flow("guests")
        >>> form(guests, Guest, questions={"name": "What's your name?"})
        State('name')
        >>> list(guests.states)
        ['name', 'age', 'review']
    """
    place = calling_location()
    words = _words(flow, texts or {}, place)
    yes_no = {True: words["yes"], False: words["no"]}
    fields = fields_of(owner, questions or {}, skip=words["skip"], yes_no=yes_no, place=place)
    if not fields or flow.data is not dict:
        problem = f"form() finds no field of {owner.__name__} to ask for"
        if fields:
            problem = f"form() keeps the answers so far in a dict, and its data are {flow.data!r}"
        raise flow.error(problem, "Leave data= out; the result is the class", place)
    states = [_question_state(flow, field, words) for field in fields]
    put_review(flow, review, owner, fields, words, done)
    following = [*[field.name for field in fields[1:]], review]
    for field, to in zip(fields, following, strict=True):
        _put_question(flow, field, fields, to, review, Patience(max_retries, END, words["sorry"]))
    names = [*[field.name for field in fields], review]
    _put_ways_out(flow, names, words)
    return states[0]


def answers_of(instance: Any) -> dict[str, Any]:
    """Return an instance as the answers that make it: `("call", form_flow, answers_of(ann))` edits it.

    Example:
        >>> @attrs.frozen
        ... class Guest:
        ...     name: str
        >>> answers_of(Guest("Ann"))
        {'name': 'Ann'}
    """
    fields = (field for field in attrs.fields(type(instance)) if field.init)
    return {field.name: msgspec.to_builtins(getattr(instance, field.name)) for field in fields}


def _words(flow: Flow[Any], texts: Mapping[str, Text], place: str | None) -> dict[str, Text]:
    unknown = [name for name in texts if name not in TEXTS]
    if unknown:
        raise flow.error(f"form(texts=...) knows no {unknown[0]!r}", f"It knows {', '.join(TEXTS)}", place)
    return {**TEXTS, **texts}


def _question_state(flow: Flow[Any], field: Field, words: Mapping[str, Text]) -> State:
    async def prompt(ctx: Any) -> Reply | None:
        said = await field.asked.said(ctx)
        if said is None:
            return None
        word = in_language(words["back"], ctx.lang)
        back = [Button(word, BACK)] if word and ctx.previous is not None else []
        return attrs.evolve(said, buttons=field.asked.rows(ctx.lang, *back))

    def otherwise(ctx: Any) -> str:
        return field.asked.retry(None, ctx.lang)

    return flow.state(field.name, prompt=prompt, otherwise=otherwise)


def _put_question(
    flow: Flow[Any], field: Field, fields: tuple[Field, ...], to: str, review: str, patience: Patience
) -> None:
    def read(event: Any, ctx: Any) -> Any:
        value = field.asked.read(event)
        return value if value is SKIPPED else field.check(value, ctx.data, fields)

    def keep(ctx: Any, value: Any) -> dict[str, Any]:
        return keep_answer(ctx.data, field, value)

    put_handlers(flow, field.name, field.asked, read, keep, to, patience, review=review)


def _put_ways_out(flow: Flow[Any], names: list[str], words: Mapping[str, Text]) -> None:
    """Back and Cancel, in the form's own states only."""
    if words["back"] is not None:

        @flow.defstate(*names, on=command("back") | button(BACK))
        def back(event: Any, ctx: Any) -> Result:
            return ("back",)

    if words["cancel"] is not None:

        @flow.defstate(*names, on=command("cancel") | button(CANCEL))
        def cancel(event: Any, ctx: Any) -> Result:
            if said := in_language(words["cancelled"], ctx.lang):
                ctx.reply(said)
            return ("end",)
