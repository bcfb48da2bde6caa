"""`form`: a wizard from an attrs class, with a review in which each answer can be changed."""

import enum
from datetime import date
from typing import Annotated, Any, Literal

import attrs
import msgspec
import pytest

from fsmkit import DefinitionError, Flow, Key, Returned
from fsmkit.graph import graph_of
from fsmkit.telegram import Question, answers_of, command, form


class Diet(enum.Enum):
    """What somebody eats."""

    ALL = "Everything"
    VEGAN = "Vegan"


@attrs.frozen
class Guest:
    """Somebody who comes."""

    name: str = attrs.field(converter=str.title, validator=attrs.validators.max_len(10))
    age: int = attrs.field(
        validator=attrs.validators.ge(18), metadata={"question": Question("How old are you?", retry=None)}
    )
    diet: Diet = Diet.ALL
    born: date | None = None

    def __attrs_post_init__(self):
        if self.name == "Bob" and self.diet is Diet.VEGAN:
            raise ValueError("Bob is never vegan.")


def signup(owner=Guest, *, seen=None, **options):
    """A flow with a form in it, and the list of what came out."""
    flow = Flow("signup")
    found = [] if seen is None else seen
    questions = {"name": "What's your name?", **options.pop("questions", {})} if owner is Guest else None
    first = form(
        flow,
        owner,
        questions=questions,
        done=options.pop("done", lambda ctx, it: found.append(it)),
        **options,
    )
    flow.defstate(None, on=command("start"), to=first)(lambda event, ctx: ("transition", first))
    return flow


async def fill(bench, *steps, flow=None, **options):
    """Starts and takes steps: a text is said, one in brackets pressed; what came out, and what was said last."""
    seen = []
    await bench.start(flow or signup(seen=seen, **options))
    for step in ("/start", *steps):
        await (bench.press(step[1:-1]) if step.startswith("[") else bench.say(step))
    return seen, bench.texts()[-1]


ANN = ("ann", "30", "[Vegan]", "2000-01-31")


async def test_questions_come_in_order_and_the_instance_at_the_end(bench):
    seen, _ = await fill(bench, *ANN, "[Confirm]")
    assert bench.texts() == [
        "What's your name?",
        "How old are you?",
        "Diet?",
        "Born?",
        "Is this right?\n\nName: Ann\nAge: 30\nDiet: Vegan\nBorn: 2000-01-31",
    ]
    assert seen == [Guest("Ann", 30, Diet.VEGAN, date(2000, 1, 31))]
    assert await bench.engine.get_state("signup", Key(1, 1)) == (None, None)


async def test_a_field_with_a_default_may_be_skipped(bench):
    seen, review = await fill(bench, "ann", "30", "[Skip]", "/skip", "[Confirm]")
    assert review == "Is this right?\n\nName: Ann\nAge: 30\nDiet: —\nBorn: —"
    assert seen == [Guest("Ann", 30)]


async def test_a_field_without_a_default_may_not_be_skipped(bench):
    _, last = await fill(bench, "/skip")
    assert (last, bench.buttons()) == ("What's your name?", [[]])


async def test_the_validators_say_what_is_wrong(bench):
    await fill(bench, "a name that is too long", "ann", "17", "x")
    assert bench.texts()[1:] == [
        "Length of Name must be <= 10: 23",
        "How old are you?",
        "Age must be >= 18: 17",
        "A whole number, please.",
    ]


async def test_back_leads_to_the_question_before(bench):
    await fill(bench, "ann", "30", "[Back]", "/back", "eve")
    assert bench.texts()[3:] == ["How old are you?", "What's your name?", "How old are you?"]
    assert bench.buttons()[:2] == [[], ["Back"]]


async def test_one_answer_is_edited_and_the_review_comes_again(bench):
    seen, review = await fill(bench, *ANN, "[Edit Age]", "31", "[Edit Name]", "eve")
    assert review == "Is this right?\n\nName: Eve\nAge: 31\nDiet: Vegan\nBorn: 2000-01-31"
    await bench.press("Confirm")
    assert seen == [Guest("Eve", 31, Diet.VEGAN, date(2000, 1, 31))]


async def test_a_wrong_answer_to_an_edited_question_still_leads_back_to_the_review(bench):
    _, review = await fill(bench, *ANN, "[Edit Age]", "seven", "7", "77")
    assert "Age: 77" in review


async def test_back_in_an_edited_question_leads_to_the_review(bench):
    _, review = await fill(bench, *ANN, "[Edit Name]", "[Back]")
    assert review.startswith("Is this right?\n\nName: Ann")


async def test_back_from_the_review_leads_to_the_last_question_and_on_to_the_review(bench):
    _, review = await fill(bench, *ANN, "/back", "2001-01-01")
    assert review.endswith("Born: 2001-01-01")


async def test_an_answer_can_be_taken_away_again(bench):
    seen, _ = await fill(bench, *ANN, "[Edit Diet]", "/skip", "[Confirm]")
    assert seen[0].diet is Diet.ALL


async def test_the_class_is_asked_at_confirm_whether_the_answers_fit_together(bench):
    seen, last = await fill(bench, "bob", "30", "[Vegan]", "/skip", "[Confirm]")
    assert (seen, last) == ([], "Bob is never vegan.")
    for step in ("Edit Diet", "Everything", "Confirm"):
        await bench.press(step)
    assert seen == [Guest("Bob", 30)]


@pytest.mark.parametrize("way", ["/cancel", "[Cancel]"])
async def test_cancel_ends_without_a_result(bench, way):
    seen, last = await fill(bench, *ANN, way)
    assert (seen, last) == ([], "Cancelled.")
    assert await bench.engine.get_state("signup", Key(1, 1)) == (None, None)


async def test_in_the_review_a_text_is_told_to_press_a_button(bench):
    _, last = await fill(bench, *ANN, "yes")
    assert last == "Please press one of the buttons."


async def test_a_photo_is_no_answer(bench):
    await fill(bench, "ann")
    bench.offline.send("photo")
    await bench.feed()
    assert bench.texts()[-1] == "Please try again."


async def test_so_many_retries_then_the_form_ends(bench):
    seen, last = await fill(bench, "ann", "x", "y", max_retries=1, texts={"sorry": "Enough."})
    assert (seen, last) == ([], "Enough.")


async def test_done_may_be_async_and_speak(bench):
    async def done(ctx, guest):
        ctx.reply(f"Welcome, {guest.name}!")

    _, last = await fill(bench, *ANN, "[Confirm]", flow=signup(done=done))
    assert last == "Welcome, Ann!"


def calling(flow, answers=None):
    """A flow that calls a form and says what came back."""
    outer = Flow("outer")
    outer.state("home", prompt="Home.")
    outer.defstate(None, on=command("start"), to="home")(lambda event, ctx: ("transition", "home"))

    @outer.defstate("home", to=flow)
    def go(event, ctx):
        return ("call", flow, answers or {})

    @outer.defstate("home", on=Returned)
    def came_back(event, ctx):
        ctx.reply(repr(event.result))
        return ("stay",)

    return outer


async def test_a_form_can_be_called_and_returns_the_instance(bench):
    outer = calling(signup())
    await fill(bench, "go", *ANN, "[Confirm]", flow=outer)
    assert bench.texts()[-2:] == [repr(Guest("Ann", 30, Diet.VEGAN, date(2000, 1, 31))), "Home."]


async def test_a_form_that_was_cancelled_returns_none(bench):
    await fill(bench, "go", "/cancel", flow=calling(signup()))
    assert bench.texts()[-2:] == ["None", "Home."]


async def test_an_instance_can_be_edited_by_starting_in_the_review(bench):
    guest = Guest("Ann", 30, Diet.VEGAN)
    flow = signup()
    flow.initial = "review"
    await fill(bench, "go", "[Edit Age]", "44", "[Confirm]", flow=calling(flow, answers_of(guest)))
    assert bench.texts()[-2] == repr(attrs.evolve(guest, age=44))


async def test_what_has_no_answer_yet_is_asked_for_at_confirm(bench):
    flow = signup()
    flow.initial = "review"
    _, last = await fill(bench, "go", "[Confirm]", flow=calling(flow, {"name": "Ann", "age": "old"}))
    assert last == "Please answer: Age"


async def test_the_answers_so_far_are_plain_data_in_the_store(bench):
    await fill(bench, *ANN)
    state, answers = await bench.engine.get_state("signup", Key(1, 1))
    assert (state, answers) == (
        "review",
        {"name": "Ann", "age": 30, "diet": "Vegan", "born": "2000-01-31"},
    )


async def test_the_forms_own_words_may_be_in_the_persons_language(bench):
    texts = {
        "review": {"en": "Right?", "de": "Stimmt das?"},
        "edit": {"en": "Change {label}", "de": "{label} ändern"},
        "confirm": {"en": "Yes", "de": "Ja"},
        "cancel": {"en": "No", "de": "Nein"},
        "skip": {"en": "Skip", "de": "Weglassen"},
        "back": {"en": "Back", "de": "Zurück"},
        "left_out": {"en": "none", "de": "keine Angabe"},
    }
    questions = {
        "name": Question({"en": "Name?", "de": "Dein Name?"}, label={"en": "Name", "de": "Name"}),
        "age": Question("Alter?", label={"en": "Age", "de": "Alter"}),
        "diet": None,
        "born": Question("Geboren?", label={"en": "Born", "de": "Geboren"}),
    }
    bench.offline.add_user(2, language_code="de-AT")
    await bench.start(signup(texts=texts, questions=questions))
    for words in ("/start", "ann", "20", "/skip"):
        await bench.say(words, user=2)
    assert bench.texts(2)[0] == "Dein Name?"
    assert bench.texts(2)[-1] == "Stimmt das?\n\nName: Ann\nAlter: 20\nGeboren: keine Angabe"
    assert bench.buttons(2)[-2:] == [
        ["Weglassen", "Zurück"],
        ["Name ändern", "Alter ändern", "Geboren ändern", "Ja", "Nein"],
    ]


async def test_back_and_cancel_can_be_taken_away(bench):
    _, last = await fill(bench, "ann", "/back", "/cancel", texts={"back": None, "cancel": None})
    assert (last, bench.buttons()[-1]) == ("How old are you?", [])


@attrs.define
class Stay:
    """Types of other kinds, and a validator that looks at another field."""

    kind: Literal["room", "bed"]
    nights: Annotated[int, msgspec.Meta(ge=1)]
    breakfast: bool = False
    until: int = attrs.field(default=9)

    @until.validator
    def _check(self, attribute, value):
        if value < self.nights:
            raise ValueError("That is too early.")


async def test_literals_and_bools_are_buttons_and_validators_see_earlier_answers(bench):
    seen, _ = await fill(bench, "[bed]", "0", "2", "[Yes]", "1", "7", "[Confirm]", owner=Stay)
    assert bench.texts()[2:4] == ["Expected `int` >= 1", "Breakfast?"]
    assert "That is too early." in bench.texts()
    assert "Breakfast: Yes" in bench.texts()[-1]
    assert seen == [Stay("bed", 2, True, 7)]


@attrs.frozen
class Backwards:
    """A validator that looks at a field that comes later."""

    low: int = attrs.field()
    high: int

    @low.validator
    def _check(self, attribute, value):
        if value > self.high:
            raise ValueError("Low is high.")


async def test_a_validator_that_misses_a_later_answer_is_asked_again_at_the_end(bench):
    seen, last = await fill(bench, "5", "3", "[Confirm]", owner=Backwards)
    assert (seen, last) == ([], "Low is high.")


@attrs.frozen
class Typed:
    """A validator that raises TypeError, an optional field without a default, a long answer."""

    text: str = attrs.field(validator=attrs.validators.instance_of(str))
    more: str | None
    hidden: int = attrs.field(default=0, init=False)


async def test_what_may_be_none_may_be_left_out_and_a_long_answer_is_cut_in_the_review(bench):
    seen, review = await fill(bench, "x" * 300, "/skip", owner=Typed)
    assert review == f"Is this right?\n\nText: {'x' * 199}…\nMore: —"
    await bench.press("Confirm")
    assert seen == [Typed("x" * 300, None)]


def test_a_form_has_no_findings_and_can_always_be_left():
    graph = graph_of(signup())
    assert graph.problems == ()
    assert set(graph.states) <= graph.reachable & graph.ending


def refused(owner, **options):
    """What is wrong with a form."""
    with pytest.raises(DefinitionError) as caught:
        form(options.pop("flow", None) or Flow("signup"), owner, **options)
    assert (caught.value.place or "").startswith("tests/telegram/test_form.py:")
    return caught.value.problem


@attrs.frozen
class Listing:
    """A field that nobody can read from a text."""

    things: list[str]


@attrs.frozen
class Empty:
    """Nothing to ask for."""


def test_what_cannot_be_asked_for_is_refused():
    assert "no default and is not asked for" in refused(Guest, questions={"name": None})
    assert "'nme', which Guest does not have" in refused(Guest, questions={"nme": "?"})
    assert "how Listing.things is to be read" in refused(Listing)
    assert "takes an attrs class" in refused(dict)
    assert "finds no field" in refused(Empty)
    assert "knows no 'bak'" in refused(Guest, texts={"bak": "x"})
    assert "its data are" in refused(Guest, flow=Flow("f", data=Guest))
    assert "is optional" in refused(Guest, questions={"name": Question("?", optional=True)})


async def test_a_field_of_any_type_may_have_a_reader_of_its_own(bench):
    seen = []
    flow = Flow("signup")
    first = form(
        flow,
        Listing,
        questions={"things": Question("Which?", parse=str.split)},
        done=lambda ctx, it: seen.append(it),
    )
    flow.defstate(None, on=command("start"), to=first)(lambda event, ctx: ("transition", first))
    await fill(bench, "a b", "[Confirm]", flow=flow)
    assert seen == [Listing(["a", "b"])]


@attrs.frozen
class Faulty:
    """A validator with a mistake in it, which is no fault of the person's."""

    name: str = attrs.field()
    other: Any = None

    @name.validator
    def _check(self, attribute, value):
        raise AttributeError(value.nothing)


async def test_a_mistake_in_a_validator_is_an_error_and_no_wrong_answer(bench):
    await fill(bench, "ann", owner=Faulty)
    [error] = bench.errors
    bench.errors.clear()
    assert isinstance(error, AttributeError)


async def test_a_reader_whose_values_cannot_be_stored_is_an_error_and_no_wrong_answer(bench):
    await fill(bench, "ann", flow=signup(questions={"name": Question("?", parse=lambda text: object())}))
    [error] = bench.errors
    bench.errors.clear()
    assert isinstance(error, TypeError)


@attrs.frozen
class Loose:
    """Types that say less, and an enum that is given choices of its own."""

    anything: Any = attrs.field(metadata={"question": {"en": "What?", "de": "Was?"}})
    diet: Diet | None = attrs.field(
        default=None, metadata={"question": Question("Diet?", choices={Diet.VEGAN: "No meat"})}
    )
    kind: Literal["a", "b"] = attrs.field(
        default="a", metadata={"question": Question(lambda ctx: None, choices={"a": "A", "b": "B"})}
    )


async def test_choices_of_ones_own_go_before_those_of_the_type(bench):
    seen, review = await fill(bench, "something", "[No meat]", "b", owner=Loose)
    assert review == "Is this right?\n\nAnything: something\nDiet: No meat\nKind: B"
    await bench.press("Confirm")
    assert seen == [Loose("something", Diet.VEGAN, "b")]
    assert bench.texts()[:2] == ["What?", "Diet?"]


@attrs.frozen
class Either:
    """A type that nobody can read."""

    value: int | str


def test_a_union_has_to_say_how_it_is_read():
    assert "how Either.value is to be read" in refused(Either)


async def test_an_earlier_answer_that_no_longer_fits_is_not_shown_to_validators(bench):
    flow = signup(owner=Stay)
    flow.initial = "until"
    await fill(bench, "go", "3", flow=calling(flow, {"nights": "many"}))
    assert bench.texts()[-1].startswith("Is this right?")
    await bench.press("Confirm")
    assert bench.texts()[-1] == "Please answer: Kind, Nights"


async def test_without_skip_an_optional_answer_may_still_be_missing_at_the_end(bench):
    flow = signup(owner=Typed, texts={"skip": None, "cancelled": None})
    flow.initial = "review"
    await fill(bench, "go", "[Confirm]", flow=calling(flow, {"text": "x"}))
    assert bench.texts()[-2] == repr(Typed("x", None))
    for words in ("go", "/cancel"):
        await bench.say(words)
    assert bench.texts()[-2] == "None"
