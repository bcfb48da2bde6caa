"""The fields of an attrs class as questions: what each asks, which answers it takes, and the whole from them.

Answers are kept as what JSON holds, by name of the field: while some are missing the class cannot be made,
and a plain dict is also what `@flow.migrate` functions like best.
"""

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

import attrs
import msgspec

from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Text
from fsmkit.telegram.forms.questions import SKIPPED, Question, ReadyQuestion, is_readable, make_ready

METADATA = "question"
"""The key under which a field's metadata hold its question."""


@attrs.frozen(eq=False)
class Field:
    """A field that is asked for.

    Attributes:
        name: Its name, also that of its state.
        alias: Its name among the arguments of the class.
        kind: Its type.
        needed: Whether the class cannot be made without it.
        asked: Its question.
        label: What the answer is called.
        owner: The class.
    """

    name: str
    alias: str
    kind: Any
    needed: bool
    asked: ReadyQuestion
    label: Text
    owner: type

    def check(self, value: Any, answers: Mapping[str, Any], fields: "tuple[Field, ...]") -> Any:
        """Return the value as the class will have it, by the field's converter and validator.

        Validators that look at `self` see the answers so far; what they miss is checked at the end.

        Raises:
            ValueError: If it will not do.
        """
        partial = _partial(self.owner, answers, fields)
        attribute: Any = getattr(attrs.fields(self.owner), self.name)
        msgspec.to_builtins(value)  # a TypeError here is the reader's fault, not the person's
        try:
            value = attrs.setters.convert(partial, attribute, value)
            self.load(msgspec.to_builtins(value))
            attrs.setters.validate(partial, attribute, value)
        except AttributeError as error:
            if error.obj is not partial:
                raise
        except (ValueError, TypeError) as error:
            raise ValueError(self.told(error)) from error
        return value

    def load(self, plain: Any) -> Any:
        """Return the value of a stored answer; raise ValueError where it no longer fits."""
        return msgspec.convert(plain, self.kind)

    def told(self, error: Exception) -> str:
        """Return what a person is told of a validator's error, which names the field as in code."""
        label = self.label if isinstance(self.label, str) else self.name
        text = str(error.args[0]) if error.args else str(error)
        return text.replace(f"'{self.name}'", label)


def fields_of(
    owner: type,
    questions: Mapping[str, Any],
    *,
    skip: Text,
    yes_no: Mapping[Any, Text],
    place: str | None,
) -> tuple[Field, ...]:
    """Return the fields that are asked for, in order.

    Args:
        owner: The attrs class.
        questions: By name: a prompt, a `Question`, or `None` (not asked); they go before the metadata.
        skip: What is written on Skip buttons.
        yes_no: The choices for a `bool`.
        place: Where the form was declared.

    Raises:
        DefinitionError: If a field cannot be asked for.
    """
    if not (isinstance(owner, type) and attrs.has(owner)):
        raise DefinitionError(
            f"form() takes an attrs class, got {owner!r}",
            place=place,
            remedy="Decorate it with @attrs.frozen",
        )
    hints = typing.get_type_hints(owner, include_extras=True)
    known = {field.name: field for field in attrs.fields(owner) if field.init}
    for name in questions:
        if name not in known:
            raise DefinitionError(
                f"questions= asks for {name!r}, which {owner.__name__} does not have",
                place=place,
                remedy=f"It has {', '.join(known)}",
            )
    found: list[Field] = []
    for name, field in known.items():
        label = name.replace("_", " ").strip().capitalize()
        given = questions[name] if name in questions else field.metadata.get(METADATA, f"{label}?")
        if given is not None:
            question = given if isinstance(given, Question) else Question(given)
            found.append(_field(owner, field, hints.get(name, Any), question, label, skip, yes_no, place))
        elif field.default is attrs.NOTHING:
            raise DefinitionError(
                f"{owner.__name__}.{name} has no default and is not asked for",
                place=place,
                remedy="Give the field a default, or a question",
            )
    return tuple(found)


def load(owner: type, fields: tuple[Field, ...], answers: Mapping[str, Any]) -> Any:
    """Return the instance that the answers make.

    Raises:
        ValueError: If the class refuses them; the message is for the person.
    """
    values: dict[str, Any] = {}
    for field in fields:
        if field.name in answers:
            values[field.alias] = field.load(answers[field.name])
        elif field.needed and field.asked.question.optional:
            values[field.alias] = None  # `T | None` without a default, and left out
    try:
        return owner(**values)
    except (ValueError, TypeError) as error:
        raise ValueError(str(error.args[0]) if error.args else str(error)) from error


def keep_answer(answers: dict[str, Any], field: Field, value: Any) -> dict[str, Any]:
    """Return the answers with one more, or without it if it was left out."""
    if value is SKIPPED:
        return {name: old for name, old in answers.items() if name != field.name}
    return {**answers, field.name: msgspec.to_builtins(value)}


def _field(
    owner: type,
    field: Any,
    kind: Any,
    question: Question,
    label: str,
    skip: Text,
    yes_no: Mapping[Any, Text],
    place: str | None,
) -> Field:
    plain, nullable = _without_none(kind)
    if question.parse is None:
        question = attrs.evolve(
            question, **_implied(plain, question, f"{owner.__name__}.{field.name}", place)
        )
    needed = field.default is attrs.NOTHING
    if question.optional is None:
        question = attrs.evolve(question, optional=nullable or not needed)
    elif question.optional and needed and not nullable:
        raise DefinitionError(
            f"{owner.__name__}.{field.name} is optional, and the class cannot be made without it",
            place=place,
            remedy="Give the field a default",
        )
    asked = make_ready(question, skip=skip, yes_no=yes_no, place=place)
    return Field(field.name, field.alias, kind, needed, asked, question.label or label, owner)


def _implied(kind: Any, question: Question, which: str, place: str | None) -> dict[str, Any]:
    """Return `parse` and `choices` as the type has them."""
    if typing.get_origin(kind) is Literal:
        return {} if question.choices else {"choices": typing.get_args(kind)}
    if question.choices:
        return {}
    if kind is Any:
        return {"parse": str}
    if not is_readable(kind):
        raise DefinitionError(
            f"nobody can tell how {which} is to be read from a text",
            place=place,
            remedy='Say so: questions={"...": Question("...", parse=...)}',
        )
    return {"parse": kind}


def _without_none(kind: Any) -> tuple[Any, bool]:
    """Return a type without `None` and `Annotated`, and whether `None` was among it."""
    if hasattr(kind, "__metadata__"):
        return _without_none(kind.__origin__)
    if typing.get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in typing.get_args(kind) if part is not types.NoneType]
        if len(parts) < len(typing.get_args(kind)):
            return (_without_none(parts[0])[0] if len(parts) == 1 else None), True
        return None, False
    return kind, False


def _partial(owner: type, answers: Mapping[str, Any], fields: tuple[Field, ...]) -> Any:
    """Return an instance with the answers so far and nothing else, for validators that look at `self`."""
    partial: Any = object.__new__(owner)
    for field in fields:
        if field.name in answers:
            try:
                object.__setattr__(partial, field.name, field.load(answers[field.name]))
            except ValueError:  # of an earlier version: asked for again at the end
                continue
    return partial
