"""`Question`: what is asked, and how an answer is read. Where answers go is not decided here."""

import enum
import inspect
import math
import re
import typing
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

import attrs

from fsmkit.errors import DefinitionError
from fsmkit.flow.flow import Text, in_language
from fsmkit.flow.handlers import check_prompt
from fsmkit.flow.matchers import Matcher
from fsmkit.flow.messages import Button, Reply, as_reply
from fsmkit.flow.options import options_checked
from fsmkit.flow.states import Prompt
from fsmkit.telegram.matchers import button, command, text

MAX_INT = 2**63 - 1
"""JSON's numbers are 64 bits wide in msgspec; longer ones cannot be read back."""


@attrs.frozen(eq=False)
class AnswerParser:
    """What reads one kind of answer.

    Attributes:
        read: The value of a text; raises `ValueError`.
        pattern: What every text that can be read looks like, `None` for any.
    """

    read: Callable[[str], Any]
    pattern: str | re.Pattern[str] | None = None


def reader_of(parse: Any) -> AnswerParser:
    """Return the reader for what stands in `parse=`.

    Args:
        parse: `str`, `int`, `float`, `Decimal`, `date`, a pattern that the whole text must match, or a
            function of the text that raises `ValueError`.

    Raises:
        TypeError: If it is none of these.
    """
    if isinstance(parse, type) and parse in READERS:
        return READERS[parse]
    if isinstance(parse, re.Pattern):
        return AnswerParser(_matching(parse), parse)
    if callable(parse):
        return AnswerParser(parse)
    raise TypeError(f"parse={parse!r}: a type, a compiled pattern or a function of a text is needed")


_MARKS = r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]*"
"""Marks of direction, which keyboards of right-to-left languages put before numbers; nobody sees them."""

_SIGN = rf"{_MARKS}(?:[+\-\u2212\uff0b\uff0d]{_MARKS})?"

_INT = rf"{_SIGN}\d+{_MARKS}"

_NUMBER = rf"{_SIGN}\d+([.\u066b\uff0e]\d+)?{_MARKS}"

_DATE = rf"{_MARKS}\d{{4}}{_MARKS}[-\uff0d]{_MARKS}\d{{2}}{_MARKS}[-\uff0d]{_MARKS}\d{{2}}{_MARKS}"

_ASCII = str.maketrans("\u2212\uff0b\uff0d\u066b\uff0e", "-+-..")


def ascii_digits(text: str) -> str:
    """Return a text with the digits and signs of all scripts as ASCII has them, without marks of direction.

    Example:
        >>> ascii_digits("\u200f\u06f2\u06f5")
        '25'
    """
    text = re.sub(_MARKS, "", text).translate(_ASCII)
    return "".join(char if char.isascii() else str(unicodedata.decimal(char, char)) for char in text)


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("Some text, please.")
    return text.strip()


def _int(text: str) -> int:
    try:
        number = int(ascii_digits(text)) if re.fullmatch(_INT, text) else None
    except ValueError:  # thousands of digits
        number = None
    if number is None or abs(number) > MAX_INT:
        raise ValueError("A whole number, please.")
    return number


def _float(text: str) -> float:
    number = float(ascii_digits(text)) if re.fullmatch(_NUMBER, text) else math.nan
    if not math.isfinite(number):
        raise ValueError("A number, please.")
    return number


def _decimal(text: str) -> Decimal:
    if not re.fullmatch(_NUMBER, text):
        raise ValueError("A number, please.")
    return Decimal(ascii_digits(text))


def _date(text: str) -> date:
    try:
        if not re.fullmatch(_DATE, text):
            raise ValueError(text)
        return date.fromisoformat(ascii_digits(text))
    except ValueError:
        raise ValueError("A date like 2024-03-31, please.") from None


def _matching(pattern: re.Pattern[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError("This does not look right. Please try again.")
        return text

    return read


READERS: dict[type, AnswerParser] = {
    str: AnswerParser(_text),
    int: AnswerParser(_int, _INT),
    float: AnswerParser(_float, _NUMBER),
    Decimal: AnswerParser(_decimal, _NUMBER),
    date: AnswerParser(_date, _DATE),
}

SAMPLES: dict[type, Any] = {
    str: "text",
    int: 1,
    float: 1.5,
    Decimal: Decimal("1.50"),
    date: date(2024, 3, 31),
}
"""A value of each kind, to see whether the data can hold it."""

SKIP: Final = "/skip"
"""The value of a Skip button: the command that does the same."""

DEFAULT_RETRY = "Please try again."


class Skipped(enum.Enum):
    """The answer of somebody who leaves a question out."""

    SKIPPED = "SKIPPED"


SKIPPED: Final = Skipped.SKIPPED


@options_checked
@attrs.frozen(eq=False)
class Question:
    """A question, and what counts as an answer.

    Args:
        prompt: The prompt: a text, a mapping of languages to texts, a `Reply`, a function of `ctx`.
        parse: How a text becomes the answer: `str`, `int`, `float`, `Decimal`, `date`, `bool`, an enum, a
            compiled pattern, or a function that raises `ValueError` (its message is sent to the person). With
            `choices` and without `parse` only the choices are valid. In a form, the field's type decides.
        retry: The reply to an answer that is not valid, instead of the error's message; a text or a mapping
            of languages to texts.
        choices: Values that are offered as buttons, or a mapping of values to the texts on them (each a text
            or a mapping of languages to texts). The text of a button may be typed too.
        optional: Whether the question may be left out. In a form it follows from the field.
        columns: Buttons in a row.
        label: In a form, the name of the answer in the review; by default the field's name.
    """

    prompt: "Prompt | Mapping[str, str]"
    parse: Any = attrs.field(default=None, kw_only=True)
    retry: Text = attrs.field(default=None, kw_only=True)
    choices: Iterable[Any] | Mapping[Any, Text] = attrs.field(default=(), kw_only=True)
    optional: bool | None = attrs.field(default=None, kw_only=True)
    columns: int = attrs.field(default=3, kw_only=True)
    label: Text = attrs.field(default=None, kw_only=True)


@attrs.frozen(eq=False)
class Choice:
    """A value that is offered.

    Attributes:
        value: The value.
        wire: The value of its button.
        label: What is written on it.
    """

    value: Any
    wire: str
    label: Text

    def is_meant_by(self, said: str) -> bool:
        """Return whether a typed text means it, in whatever language."""
        labels = self.label.values() if isinstance(self.label, Mapping) else (self.label,)
        return _folded(said) in {_folded(str(name)) for name in (*labels, self.wire)}


def _folded(text: str) -> str:
    """Return a text as it is compared: in any case of letters, digits of any script."""
    return ascii_digits(text).casefold()


@attrs.frozen(eq=False)
class ReadyQuestion:
    """A question made ready.

    Attributes:
        question: The question.
        reader: Reads texts that are no choice; `None` where only choices count.
        choices: What is offered.
        skip: What is written on the button that leaves it out; `None` where it has to be answered.
    """

    question: Question
    reader: AnswerParser | None
    choices: tuple[Choice, ...]
    skip: Text = None

    def matcher(self) -> Matcher:
        """Return what an answer looks like; `read` says whether it is one."""
        found: Matcher = text(self.reader.pattern if self.reader and not self.choices else None)
        values = [choice.wire for choice in self.choices]
        if self.skip is not None:
            found = found | command("skip")
            values.append(SKIP)
        return found | button(*values) if values else found

    def read(self, event: Any) -> Any:
        """Return the value of an answer, `SKIPPED` for none.

        Raises:
            ValueError: If it will not do; the message is for the person.
        """
        if self.skip is not None and (event.value == SKIP or event.kind == "command"):
            return SKIPPED
        for choice in self.choices:
            if event.value == choice.wire if event.kind == "button" else choice.is_meant_by(event.text or ""):
                return choice.value
        if self.reader is not None and event.text is not None:
            return self.reader.read(event.text)
        raise ValueError("Please choose one of the buttons." if self.choices else DEFAULT_RETRY)

    def retry(self, error: ValueError | None, lang: str | None) -> str:
        """Return what is said to a message that will not do; `error` is what was found wrong in it."""
        return in_language(self.question.retry, lang) or str(error or "") or DEFAULT_RETRY

    def rows(self, lang: str | None, *more: Button) -> list[list[Button]]:
        """Return the buttons under the prompt: the choices, then a row with Skip and what else there is."""
        buttons = [Button(in_language(c.label, lang) or c.wire, c.wire) for c in self.choices]
        columns = self.question.columns
        rows = [buttons[start : start + columns] for start in range(0, len(buttons), columns)]
        skip = in_language(self.skip, lang)
        last = [*([Button(skip, SKIP)] if skip else ()), *more]
        return [*rows, last] if last else rows

    async def said(self, ctx: Any) -> Reply | None:
        """Return the prompt in the person's language, without the buttons."""
        prompt: Any = self.question.prompt
        if isinstance(prompt, Mapping):
            return as_reply(in_language(prompt, ctx.lang) or "")
        if not callable(prompt):
            return as_reply(prompt)
        said: Any = prompt(ctx)
        said = await said if inspect.isawaitable(said) else said
        return None if said is None else as_reply(said)

    def samples(self) -> list[Any]:
        """Return values that answers may have, as far as they are known before anybody answers."""
        found = [choice.value for choice in self.choices]
        if self.reader is not None and (kind := _kind_of(self.question.parse)) is not None:
            found.append(SAMPLES[kind])
        return found

    @property
    def speaks_one_language(self) -> bool:
        """Whether neither prompt nor buttons depend on who is asked."""
        texts = [self.question.prompt, self.skip, *(choice.label for choice in self.choices)]
        return not any(isinstance(each, Mapping) for each in texts)


def make_ready(
    question: Question, *, skip: Text, yes_no: Mapping[Any, Text], place: str | None
) -> ReadyQuestion:
    """Check a question and make it ready.

    Args:
        question: The question.
        skip: What is written on its Skip button, where it is optional.
        yes_no: The choices of a question for a `bool`.
        place: Where it was declared.

    Raises:
        DefinitionError: If the question cannot be asked like this.
    """
    parse: Any = question.parse
    choices: Any = question.choices
    if parse is bool:
        parse, choices = None, choices or yes_no
    elif isinstance(parse, type) and issubclass(parse, enum.Enum):
        parse, choices = None, choices or {member: _spelt(member) for member in question.parse}
    try:
        offered = _choices(choices)
        reader = reader_of(str if parse is None else parse) if parse is not None or not offered else None
    except TypeError as error:
        raise DefinitionError(str(error), place=place, remedy="Change parse= or choices=") from None
    prompt = question.prompt
    check_prompt(prompt, "prompt", "the question", place)
    if isinstance(prompt, Reply) and prompt.buttons and (offered or question.optional):
        raise DefinitionError(
            "the prompt has buttons of its own, and so has the question", place=place, remedy="Remove either"
        )
    wires = [choice.wire for choice in offered]
    if len({*wires, SKIP}) <= len(wires):
        raise DefinitionError(
            f"choices={wires}: two of them look alike", place=place, remedy="Give each a value of its own"
        )
    if type(question.columns) is not int or not 1 <= question.columns <= 8:
        raise DefinitionError(
            f"columns={question.columns!r}", place=place, remedy="Telegram shows 1 to 8 buttons in a row"
        )
    return ReadyQuestion(question, reader, offered, skip if question.optional else None)


def is_readable(kind: Any) -> bool:
    """Return whether a type says by itself how an answer is read."""
    return isinstance(kind, type) and (kind in READERS or kind is bool or issubclass(kind, enum.Enum))


def _kind_of(parse: Any) -> type | None:
    """Return which of `SAMPLES` an answer will be of; a function says so by its annotation."""
    if isinstance(parse, type) or not callable(parse):
        return parse if parse in SAMPLES else str if parse is None or isinstance(parse, re.Pattern) else None
    try:
        found = typing.get_type_hints(parse).get("return")
    except (NameError, TypeError):
        return None
    return found if found in SAMPLES else None


def _choices(given: Iterable[Any] | Mapping[Any, Text]) -> tuple[Choice, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"choices={given!r}: a list of values, or a mapping of values to texts is needed")
    values: Any = given
    labels: Any = values if isinstance(values, Mapping) else {value: _spelt(value) for value in values}
    return tuple(Choice(value, _wire(value), label) for value, label in labels.items())


def _wire(value: Any) -> str:
    wire = value.name if isinstance(value, enum.Enum) else str(value)
    if not wire:
        raise TypeError("choices= has an empty text")
    return wire


def _spelt(value: Any) -> str:
    """Return what is written on a button where nothing else is said."""
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name.replace("_", " ").capitalize()
    return str(value)
