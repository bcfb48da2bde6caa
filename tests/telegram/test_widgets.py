"""The ready widgets: called from a flow, edited in place, owned by who called them, and read by the graph."""

from datetime import date

import pytest

from fsmkit import DefinitionError, Flow, Key, Returned
from fsmkit.graph import graph_of
from fsmkit.graph.diagram import mermaid
from fsmkit.telegram import command
from fsmkit.telegram.widgets import (
    Calendar,
    MultiSelect,
    PagedList,
    YesNo,
    calendar,
    multi_select,
    paged_list,
    yes_no,
)

FRUIT = ("Apple", "Banana", "Cherry", "Date", "Elder")
DE = {"en": "Done", "de": "Fertig"}


def calling(widget, data):
    """A flow that calls a widget at `/start` and says what came back."""
    flow = Flow("caller")
    flow.state("home")
    flow.defstate(None, on=command("start"), to="home")(lambda event, ctx: ("transition", "home"))

    @flow.defstate("home", on=command("go"), to=widget)
    def go(event, ctx):
        return ("call", widget, data)

    @flow.defstate("home", on=Returned)
    def came_back(event, ctx):
        ctx.reply(f"{event.flow}: {event.result!r}")
        return ("stay",)

    return flow


async def shown(bench, widget, data, *presses, user=1, chat=None):
    """Calls a widget, presses its buttons, and returns the texts in the chat."""
    if bench.engine is None:
        await bench.start(calling(widget, data))
    where = {"user": user, **({} if chat is None else {"chat": chat})}
    for words in ("/start", "/go"):
        await bench.say(words, **where)
    for button in presses:
        await bench.press(button, **where)
    return bench.texts(user if chat is None else chat)


@pytest.mark.parametrize(("button", "result"), [("Yes", True), ("No", False)])
async def test_yes_or_no_returns_a_bool_and_shows_what_was_pressed(bench, button, result):
    assert await shown(bench, yes_no(), YesNo("Sure?"), button) == [f"Sure? {button}", f"yes_no: {result}"]
    assert bench.buttons() == [[], []]
    assert bench.calls().count("sendMessage") == 2


async def test_options_are_ticked_and_unticked_in_place(bench):
    ticks = ("Cherry", "Apple", "Banana", "✓ Banana")
    await shown(bench, multi_select(), MultiSelect("Fruit?", FRUIT[:3]), *ticks)
    assert bench.buttons() == [["✓ Apple", "Banana", "✓ Cherry", "Done"]]
    await bench.press("Done")
    assert bench.texts() == ["Fruit? Apple, Cherry", "multi_select: ('Apple', 'Cherry')"]


async def test_options_may_be_ticked_from_the_start_and_stand_on_pages(bench):
    data = MultiSelect("Fruit?", FRUIT, chosen=("Date",))
    await shown(bench, multi_select(per_page=2), data, "→")
    assert bench.buttons() == [["Cherry", "✓ Date", "←", "2/3", "→", "Done"]]
    for button in ("Cherry", "←", "Apple", "Done"):
        await bench.press(button)
    assert bench.texts()[-1] == "multi_select: ('Apple', 'Cherry', 'Date')"


async def test_too_few_and_too_many_are_told_in_an_alert(bench):
    await shown(bench, multi_select(least=1, most=1), MultiSelect("Fruit?", FRUIT))
    assert await bench.press("Done") == ["Choose at least 1."]
    await bench.press("Apple")
    assert await bench.press("Banana") == ["Choose at most 1."]
    assert bench.buttons()[0][:2] == ["✓ Apple", "Banana"]
    await bench.press("Done")
    assert bench.texts()[-1] == "multi_select: ('Apple',)"


async def test_a_list_is_shown_page_by_page_around_its_end(bench):
    await shown(bench, paged_list(per_page=2), PagedList("Fruit?", FRUIT), "→", "→")
    assert bench.buttons() == [["Elder", "←", "3/3", "→", "Close"]]
    await bench.press("3/3")
    for button in ("→", "Banana"):
        await bench.press(button)
    assert bench.texts() == ["Fruit? Banana", "paged_list: 'Banana'"]


async def test_a_list_that_is_closed_returns_none(bench):
    texts = await shown(bench, paged_list(), PagedList("Fruit?", FRUIT), "Close")
    assert texts == ["Fruit?", "paged_list: None"]


async def test_an_empty_list_can_be_closed(bench):
    await shown(bench, paged_list(), PagedList("Fruit?", ()))
    assert bench.buttons() == [["Close"]]


async def test_a_month_is_shown_and_a_day_of_another_one_pressed(bench):
    await shown(bench, calendar(), Calendar("When?", date(2024, 2, 29)), "→")
    assert bench.texts() == ["When?\nMarch 2024"]
    assert bench.buttons()[0][:12] == ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su", "·", "·", "·", "·", "1"]
    for button in ("Mo", "←", "←", "31"):
        await bench.press(button)
    assert bench.texts() == ["When? 2024-01-31", "calendar: datetime.date(2024, 1, 31)"]


async def test_the_month_is_that_of_the_bots_clock_where_none_is_named(bench):
    assert await shown(bench, calendar(), Calendar("When?")) == ["When?\nJanuary 1970"]


async def test_only_days_within_the_bounds_can_be_chosen(bench):
    data = Calendar("When?", earliest=date(2024, 2, 27), latest=date(2024, 2, 28))
    await shown(bench, calendar(week_begins=6), data)
    assert [button for button in bench.buttons()[0][7:] if button != "·"] == ["27", "28"]
    assert bench.buttons()[0][:2] == ["Su", "Mo"]


@pytest.mark.parametrize(("month", "turners"), [(date.min, ["→"]), (date.max, ["←"])])
async def test_a_calendar_has_a_first_and_a_last_month(bench, month, turners):
    await shown(bench, calendar(), Calendar("When?", month))
    assert [button for button in bench.buttons()[0] if button in ("←", "→")] == turners


WIDGETS = [
    (yes_no(yes={"en": "Yes", "de": "Ja"}), YesNo("?"), "Ja"),
    (multi_select(done=DE), MultiSelect("?", FRUIT), "Fertig"),
    (paged_list(close=DE), PagedList("?", FRUIT), "Fertig"),
    (calendar(months={"de": ["Jänner"] * 12}, weekdays={"de": ["Mo."] * 7}), Calendar("?"), "Mo."),
]


@pytest.mark.parametrize(("widget", "data", "word"), WIDGETS, ids=lambda each: getattr(each, "name", ""))
async def test_a_widget_speaks_the_persons_language(bench, widget, data, word):
    bench.offline.add_user(2, language_code="de-AT")
    await shown(bench, widget, data, user=2)
    assert word in bench.buttons(2)[0]


@pytest.mark.parametrize(("widget", "data", "word"), WIDGETS, ids=lambda each: getattr(each, "name", ""))
async def test_somebody_who_writes_is_told_to_press(bench, widget, data, word):
    await shown(bench, widget, data)
    await bench.say("hm")
    assert bench.texts()[-1] == "Please press one of the buttons."


@pytest.mark.parametrize(("widget", "data", "word"), WIDGETS, ids=lambda each: getattr(each, "name", ""))
def test_a_widget_can_be_checked_and_drawn(widget, data, word):
    graph = graph_of(calling(widget, data))
    assert graph.problems == ()
    state = (widget.name, next(iter(widget.states)))
    assert state in graph.reachable & graph.ending
    assert widget.name in mermaid(graph)
    assert all(handler.place.startswith("tests/telegram/") for handler in widget.handlers)


async def test_in_a_group_two_people_use_the_same_widget_each_their_own(bench):
    bench.offline.add_user(2)
    bench.offline.add_chat(-5)
    data = MultiSelect("Fruit?", FRUIT[:2])
    await shown(bench, multi_select(), data, chat=-5)
    theirs = bench.offline.messages(-5)[-1]["message_id"]
    await shown(bench, multi_select(), data, user=2, chat=-5)
    assert await bench.press("Apple", user=2, chat=-5, message_id=theirs) == [
        "This button is for somebody else."
    ]
    await bench.press("Apple", user=1, chat=-5, message_id=theirs)
    await bench.press("Banana", user=2, chat=-5)
    assert bench.buttons(-5) == [["✓ Apple", "Banana", "Done"], ["Apple", "✓ Banana", "Done"]]
    assert (await bench.engine.get_state("multi_select", Key(-5, 2)))[1].chosen == ("Banana",)


async def test_what_is_said_to_somebody_who_writes_may_be_in_their_language(bench):
    bench.offline.add_user(2, language_code="de")
    widget = yes_no(otherwise={"en": "Press, please.", "de": "Bitte drücken."})
    await shown(bench, widget, YesNo("?"), user=2)
    await bench.say("hm", user=2)
    assert bench.texts(2)[-1] == "Bitte drücken."


@pytest.mark.parametrize(
    ("lang", "options", "written"),
    [
        ("en", {}, "2024-01-31"),
        ("de", {}, "31.01.2024"),
        ("pt-br", {}, "31/01/2024"),
        ("en-US", {}, "01/31/2024"),
        ("ja", {}, "2024年1月31日"),
        ("tlh", {}, "2024-01-31"),
        ("de", {"written": lambda day, lang: f"am {day.day}. ({lang})"}, "am 31. (de)"),
    ],
)
async def test_a_calendar_writes_the_day_as_the_persons_language_has_it(bench, lang, options, written):
    bench.offline.add_user(1, language_code=lang)
    await shown(bench, calendar(**options), Calendar("When?", date(2024, 1, 31)), "31")
    assert bench.texts()[0] == f"When? {written}"


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, ["Please press a day."]), ({"no_day": {"en": "A day!"}}, ["A day!"]), ({"no_day": None}, [""])],
)
async def test_a_press_of_a_place_without_a_day_is_answered(bench, options, said):
    await shown(bench, calendar(**options), Calendar("When?", date(2024, 2, 29)))
    assert await bench.press("Mo") == said


@pytest.mark.parametrize(
    ("widget", "options", "meant"),
    [
        (calendar, {"week_begin": 6}, "week_begins="),
        (multi_select, {"at_most": 2}, "Did you mean most="),
        (paged_list, {"per_pages": 2}, "per_page="),
        (yes_no, {"yess": "Yes"}, "yes="),
    ],
)
def test_a_misspelt_option_of_a_widget_is_answered_with_the_one_that_was_meant(widget, options, meant):
    with pytest.raises(DefinitionError, match=meant):
        widget(**options)
