"""What the tours do beside the shortest ways: growth, jobs under way, markup, late events; and what they say of it."""

import attrs
import pytest

from fsmkit import ANY, END, Done, Failed, Flow, Reply
from fsmkit.telegram import button, command, text
from fsmkit.testing import Profile, check
from fsmkit.testing.harness.actions import Begins, Meanwhile, Persona, Say
from fsmkit.testing.harness.engine_driver import START, EngineDriver

QUICK = Profile(steps=1_500, examples=0, length=0, seconds=20.0)


def begun(**states):
    """A flow that /start leads into its state `a`."""
    flow = Flow("f", data=dict, ttl=600)
    flow.state("a", **{"prompt": "Yes?", "otherwise": "Text, please.", **states})

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a", {})

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    return flow


def codes(flow, **options):
    report = check(flow, phases=["tours"], profile=QUICK, seed=1, **options)
    return [finding.code for finding in report.failures]


@pytest.mark.parametrize(("kept", "expected"), [(4096, ["raised"]), (50, [])])
def test_a_list_that_nothing_bounds_grows_until_it_fits_no_row(kept, expected):
    flow = begun()

    @flow.defstate("a")
    def more(event, ctx):
        ctx.reply("Noted.")
        return ("stay", {"all": [*ctx.data.get("all", ()), event.text[:kept]][-30:]})

    assert codes(flow) == expected


@pytest.mark.parametrize(("fails", "expected"), [(True, ["raised"]), (False, [])])
def test_a_job_that_fails_is_tried_where_its_function_never_does(fails, expected):
    flow = begun()

    async def work(data):
        return 1

    flow.state("b", prompt="Working.", otherwise="Wait.", job=work, job_retries=1)

    @flow.defstate("a")
    def go(event, ctx):
        return ("transition", "b")

    @flow.defstate("b", on=Done)
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    @flow.defstate("b", on=Failed)
    def failed(event, ctx):
        ctx.reply(str(event.error.reason if fails else event.error))
        return ("end",)

    assert codes(flow) == expected


async def test_people_go_on_while_a_job_is_under_way():
    flow = begun()
    ended = []

    async def work(data):
        ended.append(True)
        return 1

    flow.state("b", prompt="Working.", job=work)
    flow.defstate("a", to="b")(lambda event, ctx: ("transition", "b"))

    @flow.defstate("b")
    def asked(event, ctx):
        ctx.reply(f"{len(ended)} ended")
        return ("stay",)

    flow.defstate("b", on=Done, to=END)(lambda event, ctx: ("end",))
    driver = EngineDriver((flow,))
    driver.reset()
    await driver.do(Say("/start"))
    observation = await driver.do(Meanwhile(Say("x"), Say("how far?")))
    assert observation.shown == ("Working.", "0 ended")
    assert (ended, observation.place) == ([True], ())


@pytest.mark.parametrize(("shown", "expected"), [("<b>{}</b>", ["refused-message"]), ("{}", [])])
def test_markup_that_a_name_breaks_is_refused(shown, expected):
    flow = begun()

    @flow.defstate("a")
    def greet(event, ctx):
        ctx.reply(shown.format(event.user.first_name), parse_mode="HTML" if expected else None)
        return ("end",)

    assert codes(flow) == expected


def test_tags_that_are_sent_without_a_parse_mode_are_bare():
    flow = begun(prompt=Reply("<b>Yes?</b>"))
    flow.defstate("a", on=text(), to=END)(lambda event, ctx: ctx.reply("Yes.") or ("end",))
    assert codes(flow) == ["bare-tags"]


def test_a_screen_whose_buttons_all_do_nothing_is_dead():
    flow = begun()

    @flow.defstate("a")
    def ask(event, ctx):
        ctx.reply("Sure?", buttons=["Yes", "No"])
        return ("stay",)

    @flow.defstate("a", on=button("Maybe"))
    def maybe(event, ctx):
        ctx.reply("Hm.")
        return ("stay",)

    assert codes(flow) == ["dead-buttons"]


@attrs.frozen
class Rung:
    """An alarm."""


@pytest.mark.parametrize("looks", [False, True])
def test_what_an_earlier_conversation_has_scheduled_is_late(looks):
    flow = begun()

    @flow.defstate("a")
    def later(event, ctx):
        ctx.send(ctx.key, Rung(), after=60)
        ctx.reply("Later.")
        return ("stay", {"waits": True})

    @flow.defstate("a", on=Rung)
    def rung(event, ctx):
        if ctx.data.get("waits") or not looks:
            ctx.reply("Ring!")
        return ("stay",)

    flow.defstate(None, on=Rung, to=())(lambda event, ctx: None)
    assert codes(flow) == ([] if looks else ["late-event"])


def test_a_flow_that_was_hardly_reached_is_no_success_and_says_what_stands_in_the_way():
    flow = begun()
    for name in ("b", "c"):
        flow.state(name, prompt=name, otherwise="?")

    @flow.defstate("a", to="b")
    def secret(event, ctx):
        return ("transition", "b") if hash(event.text) == 7 else ("pass",)

    flow.defstate("b", to="c")(lambda event, ctx: ("transition", "c"))
    flow.defstate("c", to=END)(lambda event, ctx: ("end",))
    report = check(flow, phases=["tours"], profile=QUICK, seed=1)
    assert [finding.code for finding in report.findings][:1] == ["unreached"]
    assert "1 of 3 states" in report.findings[0].message
    assert "secret" in report.findings[0].message
    assert "examples=" in report.findings[0].message


def test_severities_are_given_by_code():
    flow = begun(prompt=Reply("<b>Yes?</b>"))
    flow.defstate("a", on=text(), to=END)(lambda event, ctx: ctx.reply("Yes.") or ("end",))
    assert codes(flow, severity={"bare-tags": "note"}) == []
    assert codes(flow, severity={"bare-tags": "off"}) == []
    with pytest.raises(ValueError, match="it is one of failure, note, off"):
        codes(flow, severity={"bare-tags": "loud"})


def test_progress_is_told_and_a_finding_when_it_is_found():
    flow = begun(prompt=Reply("<b>Yes?</b>"))
    flow.defstate("a", on=text(), to=END)(lambda event, ctx: ctx.reply("Yes.") or ("end",))
    told = []
    codes(flow, progress=told.append)
    assert told[0].startswith("tours: 0 steps, 0/")
    assert any("bare-tags: " in line for line in told)


async def test_a_person_is_somebody_else_and_begins_at_another_time():
    flow = begun()

    @flow.defstate("a")
    def who(event, ctx):
        user = event.user
        ctx.reply(f"{user.first_name} {user.username} {user.language_code} {event.user_id} {ctx.now:.0f}")
        return ("stay",)

    driver = EngineDriver((flow,))
    driver.reset()
    for action in (Persona("Tom", "tom_", "de", 77), Begins(START + 60), Say("/start")):
        await driver.do(action)
    assert (await driver.do(Say("?"))).shown == (f"Tom tom_ de 77 {START + 60:.0f}",)
    driver.reset()
    await driver.do(Say("/start"))
    assert "Tom" not in (await driver.do(Say("?"))).shown[0]
