"""Mutants: what is broken on purpose, what notices it, and what that leaves as it was."""

import attrs
import pytest

from fsmkit import ANY, END, Flow, Returned, Timeout
from fsmkit.telegram import button, command, text
from fsmkit.testing import Profile, check, never

QUICK = Profile(steps=1500, examples=20, length=15, seconds=60.0)
FEW = attrs.evolve(QUICK, steps=200, examples=3)


@attrs.frozen
class Form:
    name: str = ""
    age: int = 0


def signup(name="signup"):
    """A flow with all that can be broken, and nothing wrong with it."""
    flow = Flow(name, data=Form, ttl=60)
    flow.state("name", prompt="Name?", otherwise="A text, please.")
    flow.state("age", prompt="Age?", otherwise="Digits, please.")
    flow.state("sure", prompt="Sure?", buttons=["Yes", "No"], otherwise="Press a button.")

    @flow.defstate(None, on=command("start"), to="name")
    def start(event, ctx):
        return ("transition", "name", Form())

    @flow.defstate("name", to="age")
    async def got_name(event, ctx):
        return ("transition", "age", ctx.evolve(name=event.text))

    @flow.defstate("age", on=text("[0-9]{1,3}"), when=lambda event: int(event.text) > 0, to="sure")
    def got_age(event, ctx):
        return ("transition", "sure", ctx.evolve(age=int(event.text)))

    @flow.defstate("sure", on=button("Yes"))
    def confirmed(event, ctx):
        ctx.reply(f"Welcome, {ctx.data.name}!")
        return END

    @flow.defstate("sure", on=button("No"), to=["name", "age"])
    def change(event, ctx):
        if ctx.data.age > 1:
            return ("transition", "age")
        return ("transition", "name")

    return flow


def mutants(*flows, profile=QUICK, **options):
    """What came of the mutants, by sentence: what noticed it, else its fate."""
    return fates(check(*flows, phases=["mutants"], profile=profile, seed=1, **options))


def fates(report):
    """The same of a report."""
    return {
        hunted.mutant.message.replace("signup.<locals>.", ""): hunted.by.code if hunted.by else hunted.fate
        for hunted in report.mutants.hunted
    }


@pytest.fixture(scope="module")
def scored():
    """The report of the whole form."""
    return check(signup(), phases=["mutants"], profile=QUICK, seed=1)


def test_what_cannot_be_overlooked_is_noticed_and_the_rest_is_said(scored):
    assert fates(scored) == {
        "start stays where it is instead of going to 'name'": "no-entry",
        "start goes to 'sure' instead of 'name'": "unnoticed",
        "state 'name' has no prompt": "unanswered",
        "state 'name' has no otherwise=": "unnoticed",
        "got_name stays where it is instead of going to 'age'": "unreachable",
        "got_name goes to 'name' instead of 'age'": "unreachable",
        "got_name goes to 'age' with the old data": "unnoticed",
        "state 'age' has no prompt": "unanswered",
        "state 'age' has no otherwise=": "unnoticed",
        "got_age stays where it is instead of going to 'sure'": "unreachable",
        "got_age goes to 'name' instead of 'sure'": "unreachable",
        "got_age goes to 'sure' with the old data": "unnoticed",
        "got_age does not ask its when=": "unnoticed",
        "state 'sure' has no prompt": "unanswered",
        "state 'sure' has no otherwise=": "unnoticed",
        "confirmed stays where it is instead of ending": "no-end",
        "confirmed does not say 'Welcome, Ann!'": "unanswered",
        "change stays where it is instead of going to 'age'": "unanswered",
        "change goes to 'name' instead of 'age'": "unnoticed",
        "change stays where it is instead of going to 'name'": "unanswered",
        "change goes to 'age' instead of 'name'": "unnoticed",
    }


def test_invariants_notice_what_generated_oracles_cannot():
    flow = signup()

    @flow.invariant(states="sure")
    def both_are_known(ctx):
        assert ctx.data.name
        assert ctx.data.age

    noticed = [message for message, by in mutants(flow).items() if by == "invariant"]
    assert noticed == [
        "start goes to 'sure' instead of 'name'",
        "got_name goes to 'age' with the old data",
        "got_age goes to 'sure' with the old data",
        "got_age does not ask its when=",
    ]


def test_properties_of_whole_conversations_notice_mutants():
    properties = [never(lambda observation: observation.state == "sure" and not observation.data.age)]
    noticed = [
        message for message, by in mutants(signup(), properties=properties).items() if by == "property"
    ]
    assert noticed == [
        "start goes to 'sure' instead of 'name'",
        "got_age goes to 'sure' with the old data",
        "got_age does not ask its when=",
    ]


def test_what_a_sub_flow_is_given_and_returns_can_be_lost():
    sub = Flow("sub", data=Form)
    sub.state("s", prompt="S?", otherwise="?")

    @sub.defstate("s")
    def got_s(event, ctx):
        return ("end", event.text + ctx.data.name)

    flow = Flow("f", data=dict, ttl=60)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("start"), to="a")
    def start(event, ctx):
        return ("transition", "a", {})

    @flow.defstate("a")
    def call_it(event, ctx):
        return ("call", sub, Form(name="x"))

    @flow.defstate("a", on=Returned)
    def back_again(event, ctx):
        ctx.reply(event.result.upper())
        return ("end",)

    found = mutants(sub, flow)
    name = "test_what_a_sub_flow_is_given_and_returns_can_be_lost.<locals>."
    assert found[f"{name}got_s ends without its result"] == "raised"
    assert found[f"{name}call_it calls 'sub' without data"] == "unnoticed"
    assert found[f"{name}call_it stays where it is instead of calling 'sub'"] != "unnoticed"


def test_hooks_going_back_and_timeouts_can_be_broken():
    flow = Flow("f", data=dict, ttl=60)
    flow.state("a", otherwise="?")
    flow.state("b", prompt="B?", otherwise="?")

    @flow.defstate(None, on=command("start"), to="a")
    def start(event, ctx):
        return ("transition", "a", {})

    @flow.on_enter("a")
    def greet(ctx):
        ctx.reply("A?")

    @flow.on_exit("a")
    def bow(ctx):
        pass

    @flow.defstate("a", to="b")
    def go(event, ctx):
        return ("transition", "b", {"n": 1})

    @flow.defstate("b", on=command("back"))
    def back(event, ctx):
        return ("back", 1, {})

    @flow.defstate("b", on=Timeout, to="a")
    def late(event, ctx):
        return ("transition", "a")

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    found = mutants(flow)
    plain = {message.rpartition("<locals>.")[2]: fate for message, fate in found.items()}
    assert plain["greet does not run"] == "unanswered"
    assert plain["bow does not run"] == "unnoticed"
    assert plain["back stays where it is instead of going back"] == "unanswered"
    assert plain["back goes back with the old data"] == "unnoticed"
    assert plain["late stays where it is instead of going to 'a'"] == "unnoticed"


def test_the_flow_itself_stays_as_it_is():
    flow = signup()
    before = (dict(flow.states), list(flow.handlers), [handler.function for handler in flow.handlers])
    mutants(flow, profile=FEW)
    assert (dict(flow.states), list(flow.handlers), [h.function for h in flow.handlers]) == before
    assert flow.states["name"].prompt == "Name?"
    assert check(flow, phases=["tours"], profile=QUICK).ok


def test_the_same_seed_breaks_the_same():
    def chosen(seed):
        report = check(signup(), phases=["mutants"], profile=FEW, seed=seed)
        return [hunted.to_json() for hunted in report.mutants.hunted]

    assert chosen(3) == chosen(3)


def test_what_no_conversation_comes_to_counts_as_not_noticed():
    flow = signup()

    @flow.defstate("age", on=command("secret"), when=lambda event: hash(event.text) == 1)
    def never_taken(event, ctx):
        ctx.reply("!")
        return ("end",)

    report = check(flow, phases=["mutants"], profile=FEW, seed=1)
    [hunted] = report.mutants.of("not reached")
    assert "never_taken stays where it is" in hunted.mutant.message
    noticed, of = report.mutants.numbers
    assert of == len(report.mutants.hunted)
    assert report.mutants.percent == pytest.approx(100 * noticed / of)
    assert f"  not reached: {hunted.line}" in report.mutants.lines()


def test_what_there_was_no_time_for_is_told_and_does_not_count():
    hasty = Profile(steps=1500, examples=20, length=15, seconds=0.0)
    report = check(signup(), phases=["mutants"], profile=hasty, seed=1)
    assert report.mutants.numbers == (0, 0)
    assert report.mutants.percent == 0.0
    assert "more were not run" in report.mutants.lines()[-1]


def test_what_is_wrong_without_the_mutant_notices_nothing():
    flow = Flow("f", data=dict, ttl=60)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("start"), to="a")
    def start(event, ctx):
        return ("transition", "a", {"n": 0})

    @flow.defstate("a", on=command("more"))
    def more(event, ctx):
        if ctx.data["n"] == 6:
            raise RuntimeError("too many")
        ctx.reply("More.")
        ctx.reply("And more.")
        return ("stay", {"n": ctx.data["n"] + 1})

    @flow.defstate("a", on=command("done"))
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    short_sighted = Profile(steps=40, examples=10, length=15, seconds=20.0)
    assert check(flow, phases=["tours"], profile=short_sighted, seed=1).ok
    found = mutants(flow, profile=short_sighted)
    about = [fate for message, fate in found.items() if message.endswith("say 'And more.'")]
    assert about == ["unnoticed"]


def test_the_score_is_wanted_by_name(scored):
    [short] = scored.short_of({"mutants": 100})
    assert short == f"mutants: {scored.percent('mutants'):.1f} %, 100 % are wanted"
    assert scored.short_of({"mutants": 20}) == []
    with pytest.raises(ValueError, match="name the phase"):
        check(signup(), phases=["lint"]).short_of({"mutants": 1})
    with pytest.raises(ValueError, match="no measure 'muttants'"):
        scored.short_of({"muttants": 1})


def test_the_json_says_what_was_broken_what_noticed_it_and_how(scored):
    shown = scored.to_json()["mutants"]
    noticed, of = scored.mutants.numbers
    assert (shown["noticed"], shown["of"], shown["not run"]) == (noticed, of, 0)
    [silent] = [one for one in shown["list"] if one["message"] == "state 'age' has no prompt"]
    assert (silent["kind"], silent["flow"], silent["fate"]) == ("mute", "signup", "noticed")
    assert silent["by"]["code"] == "unanswered"
    assert [action["do"] for action in silent["conversation"]] == ["say", "say"]
