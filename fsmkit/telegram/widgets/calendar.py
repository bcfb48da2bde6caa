"""A month to press a day in: `("call", when, Calendar("When?"))` returns a `datetime.date`."""

import calendar as months_of
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import attrs

from fsmkit.flow.context import Context
from fsmkit.flow.flow import Flow, Text, in_language
from fsmkit.flow.messages import Button, Reply
from fsmkit.flow.options import options_checked
from fsmkit.flow.results import End, Stay
from fsmkit.telegram.event import TelegramEvent
from fsmkit.telegram.matchers import button
from fsmkit.telegram.widgets._shared import PRESS, Words, spoken, written_date

Names = Sequence[str] | Mapping[str, Sequence[str]]
"""Names in their order, or a mapping of languages to them."""

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


WEEKDAYS = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")


NO_DAY = "Please press a day."

NOTHING = Button("·", "-")
"""Stands where there is no day to choose."""


@options_checked
@attrs.frozen
class Calendar:
    """What is shown.

    Attributes:
        title: The text above the month.
        month: A day of the month that is shown; by default today, by the bot's clock (UTC).
        earliest: The first day that may be chosen.
        latest: The last one.
    """

    title: str
    month: date | None = None
    earliest: date = date.min
    latest: date = date.max


@options_checked
def calendar(
    name: str = "calendar",
    *,
    months: Names = MONTHS,
    weekdays: Names = WEEKDAYS,
    week_begins: int = 0,
    otherwise: Words = PRESS,
    no_day: Text = NO_DAY,
    written: Callable[[date, str | None], str] = written_date,
) -> Flow[Calendar]:
    """Make a flow that shows a month, turns to others, and returns the day that was pressed.

    Args:
        name: Its name; a bot may have several.
        months: Names of the months from January on, or a mapping of languages to them.
        weekdays: Short names of the days from Monday on, or a mapping of languages to them.
        week_begins: The first day of a week, `0` for Monday to `6` for Sunday.
        otherwise: The reply to somebody who writes instead of pressing.
        no_day: The answer to a press of an empty place: a text, or texts by language.
        written: A function of `(day, language)` that writes the chosen day; by default in figures, in the
            usual order of the language.

    Example:
        >>> when = calendar(week_begins=6)
        >>> list(when.states)
        ['shown']
    """
    flow = Flow(name, data=Calendar)
    flow.state("shown", otherwise=spoken(otherwise))
    weeks = months_of.Calendar(week_begins)

    def screen(data: Calendar, now: float, lang: str | None) -> Reply:
        shown = min(max(data.month or datetime.fromtimestamp(now, UTC).date(), data.earliest), data.latest)
        names = _in(weekdays, lang)
        rows = [[Button(names[day], "-") for day in weeks.iterweekdays()]]
        rows += [
            [_day(shown.replace(day=day), data) if day else NOTHING for day in week]
            for week in weeks.monthdayscalendar(shown.year, shown.month)
        ]
        text = f"{data.title}\n{_in(months, lang)[shown.month - 1]} {shown.year}"
        return Reply(text, buttons=[*rows, _turner(shown, data)])

    @flow.on_enter("shown")
    def show(ctx: Context[Calendar]) -> None:
        ctx.show(screen(ctx.data, ctx.now, ctx.lang))

    @flow.defstate("shown", on=button(re.compile(r"month (.+)")))
    def turn(event: TelegramEvent, ctx: Context[Calendar]) -> Stay[Calendar]:
        turned = attrs.evolve(ctx.data, month=date.fromisoformat(ctx.match[1]))
        ctx.show(screen(turned, ctx.now, ctx.lang))
        return ("stay", turned)

    @flow.defstate("shown", on=button(re.compile(r"[\d-]{10}")))
    def choose(event: TelegramEvent, ctx: Context[Calendar]) -> End[date]:
        chosen = date.fromisoformat(ctx.match[0])
        ctx.show(f"{ctx.data.title} {written(chosen, ctx.lang)}")
        return ("end", chosen)

    @flow.defstate("shown", on=button("-"))
    def elsewhere(event: TelegramEvent, ctx: Context[Calendar]) -> Stay:
        if said := in_language(no_day, ctx.lang):
            ctx.answer(said)
        return ("stay",)

    return flow


def _in(names: Names, lang: str | None) -> Sequence[str]:
    if not isinstance(names, Mapping):
        return names
    short = (lang or "").split("-")[0]
    return names.get(lang or "") or names.get(short) or names.get("en") or next(iter(names.values()))


def _day(day: date, data: Calendar) -> Button:
    return Button(str(day.day), day.isoformat()) if data.earliest <= day <= data.latest else NOTHING


def _turner(shown: date, data: Calendar) -> list[Button]:
    """Buttons to the months before and after, as far as there are days in them to choose."""
    before = shown.replace(day=1).toordinal() - 1
    after = shown.replace(day=1).toordinal() + 31  # a day of the next month, as no month has more
    row = []
    if before >= data.earliest.toordinal():
        row.append(Button("←", f"month {date.fromordinal(before)}"))
    if after <= date.max.toordinal() and date.fromordinal(after).replace(day=1) <= data.latest:
        row.append(Button("→", f"month {date.fromordinal(after)}"))
    return row
