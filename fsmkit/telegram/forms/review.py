"""The last page of a form: all answers, a button to edit each, and Confirm.

An Edit button is an ordinary transition to the question; the way back is the question's matter.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fsmkit.effects import Button, Reply
from fsmkit.flow import Flow, Text, in_language
from fsmkit.results import Result
from fsmkit.telegram.forms.fields import Field, load
from fsmkit.telegram.matchers import button

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
    """Declares the state and its handlers.

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
    """An answer as the person knows it: of a choice what is written on its button."""
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
    """What has to be answered still: left out by whoever called the form, or no longer of its type."""
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
