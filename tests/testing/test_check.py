"""`check`: what is found without test code, by the shortest conversation, and what is not."""

import json

import attrs
import conversation_handler_bot
import pytest
import remembering_bot
from telegram.ext import filters
from wizards import maze, wizard

from fsmkit import ANY, Flow, KeyBy, Returned, Timeout
from fsmkit.graph.edges import Target
from fsmkit.interpreter.row import Row
from fsmkit.telegram import album, button, command, message, photo, text
from fsmkit.testing import Observation, Profile, after, always, check, eventually, flow_tests, never
from fsmkit.testing.harness.actions import Album, Deadline, Killed, Press, Say
from fsmkit.testing.harness.instrument import HandlerCall
from fsmkit.testing.oracles import judge

QUICK = Profile(steps=3000, examples=30, length=20, seconds=20.0)
SEED = 1


def started(name="f", **options):
    """A flow that `/start` begins in state `a`."""
    flow = Flow(name, ttl=60, **options)
    flow.state("a", prompt="A?", otherwise="A, please.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a")

    return flow


def tours(*flows, **options):
    """What the tours find."""
    return check(*flows, phases=["tours"], profile=QUICK, seed=SEED, **options)


def found(report):
    """Codes of the failures, and the actions that show them."""
    return [(finding.code, [action.line() for action in finding.actions]) for finding in report.failures]


# -- tours -----------------------------------------------------------------------------------------


def test_a_wizard_of_twelve_steps_is_toured_completely():
    report = tours(wizard(12))
    assert report.coverage.numbers() == {
        "states": (12, 12),
        "edges": (37, 37),
        "pairs": (36, 36),
        "guards": (0, 0),
        "inputs": (5, 5),
    }
    assert report.failures == []


def test_sixty_states_and_their_pairs_are_toured_completely():
    report = tours(maze(60, 4))
    assert report.coverage.numbers()["edges"] == (241, 241)
    assert report.coverage.numbers()["pairs"] == (724, 724)


def test_the_conversation_to_an_exception_is_the_shortest():
    assert found(tours(remembering_bot.garden))[0] == ("raised", ["/start", "Triffid"])


def test_what_a_counter_guards_is_reached_at_its_depth():
    flow = started(data=dict)

    @flow.defstate("a", on=command("more"))
    def more(event, ctx):
        n = ctx.data.get("n", 0) + 1
        ctx.reply(f"{n}")
        if n > 12:
            raise RuntimeError("too many")
        return ("stay", {"n": n})

    @flow.defstate("a", on=command("less"))
    def less(event, ctx):
        ctx.reply("Less.")
        return ("stay", {"n": max(0, ctx.data.get("n", 0) - 1)})

    @flow.defstate("a", on=command("open"), to="b")
    def open_it(event, ctx):
        if ctx.data.get("n", 0) < 12:
            return ("pass",)
        return ("transition", "b")

    flow.state("b", prompt="B.")

    @flow.defstate("b")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    report = tours(flow)
    assert report.coverage.missing_edges() == []
    assert max(len(finding.actions) for finding in report.failures) == 14


def test_a_password_in_the_code_and_a_code_that_was_shown_are_typed():
    flow = started(data=dict)
    flow.state("b")

    @flow.defstate("a")
    def word(event, ctx):
        if event.text != "open sesame":
            return ("pass",)
        ctx.reply("Type 4711-x to go on.")
        return ("transition", "b")

    @flow.defstate("b")
    def code(event, ctx):
        if hash(event.text) != hash("4711" + "-" + "x"):
            ctx.reply("No.")
            return None
        ctx.reply("Yes.")
        return ("end",)

    report = tours(flow)
    assert report.coverage.missing_edges() == []
    assert report.failures == []


def test_sub_flows_are_explored_through_their_callers():
    sub = Flow("sub", data=dict)
    sub.state("s", prompt="S?", otherwise="?")

    @sub.defstate("s")
    def got_s(event, ctx):
        return ("end", event.text)

    flow = started()

    @flow.defstate("a")
    def call_it(event, ctx):
        return ("call", sub)

    @flow.defstate("a", on=Returned)
    def returned(event, ctx):
        ctx.reply(f"Got {event.result}.")
        return ("end",)

    report = tours(flow)
    assert report.coverage.numbers()["edges"] == (4, 4)
    assert report.failures == []


def test_timeouts_are_waited_for():
    flow = started()

    @flow.defstate("a", on=Timeout)
    def late(event, ctx):
        raise ValueError("too late")

    assert ("raised", ["/start", "(at the next deadline)"]) in found(tours(flow))


# -- oracles ---------------------------------------------------------------------------------------


def test_a_timeout_that_comes_after_a_reminder_is_toured():
    flow = Flow("slow", ttl=600, remind_after=60, reminder="Still there?")
    flow.state("on", prompt="Go on!", otherwise="Go on!")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def too_late(event, ctx):
        ctx.reply("Too late.")
        return ("end",)

    report = tours(flow)
    assert report.coverage.missing_edges() == []


def test_what_is_taken_and_answered_by_nothing_is_found():
    flow = started()
    flow.state("mute")

    @flow.defstate("a")
    def got_a(event, ctx):
        return ("transition", "mute")

    @flow.defstate("mute")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    assert found(tours(flow)) == [("unanswered", ["/start", "Ann"])]


def test_a_press_that_is_answered_silently_on_purpose_is_no_finding():
    def flow_with(answer):
        flow = started()
        flow.state("b", prompt="B?", buttons=["Like"], otherwise="?")

        @flow.defstate("a")
        def got_a(event, ctx):
            return ("transition", "b")

        @flow.defstate("b", on=button("Like"))
        def like(event, ctx):
            if answer:
                ctx.answer()
            return ("stay",)

        @flow.defstate(ANY, on=command("cancel"))
        def cancel(event, ctx):
            ctx.reply("Bye.")
            return ("end",)

        return flow

    assert found(tours(flow_with(False))) == [("unanswered", ["/start", "Ann", "[Like]"])]
    assert found(tours(flow_with(True))) == []


def test_an_edge_that_the_source_does_not_show_is_found():
    flow = started()
    handler = flow.handlers[0]
    taken = HandlerCall(
        "f", None, handler, None, "transition", Target("transition", "f", "a"), declared=False
    )
    observation = Observation(Say("/start"), Row(), Row(), None, ("A?",), (taken,), ())
    [problem] = judge([observation])
    assert (problem.code, problem.where) == ("undeclared-edge", handler.place)
    assert 'went to "f/a"' in problem.message


def test_data_that_do_not_fit_their_type_are_found():
    @attrs.frozen
    class Form:
        age: int = 0

    flow = started(data=Form)

    @flow.defstate("a")
    def got_a(event, ctx):
        return ("transition", "a", ctx.evolve(age=event.text))

    @flow.defstate("a", on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    [finding] = tours(flow).failures
    assert (finding.code, len(finding.actions)) == ("unstorable", 2)
    assert "age" in finding.message


def test_an_invariant_that_does_not_hold_is_found():
    flow = started(data=dict)

    @flow.invariant
    def positive(ctx):
        assert ctx.data.get("n", 0) >= 0, "n is negative"

    @flow.defstate("a", on=text("-?[0-9]+"))
    def number(event, ctx):
        ctx.reply("Noted.")
        return ("stay", {"n": int(event.text)})

    @flow.defstate("a", on=command("done"))
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    [finding] = tours(flow).failures
    assert (finding.code, [action.line() for action in finding.actions]) == ("invariant", ["/start", "-1"])


def test_a_place_that_nothing_leads_out_of_is_found_after_a_rare_pair_of_edges():
    flow = started(data=dict)
    flow.state("b", prompt="B?", buttons=["Go", "Wait"], otherwise="?")

    @flow.defstate("a", on=text("slow|quick"))
    def way(event, ctx):
        return ("transition", "b", {"quick": event.text == "quick"})

    @flow.defstate("b", on=button("Wait"))
    def wait(event, ctx):
        ctx.reply("Waiting.")
        return ("stay", {**ctx.data, "waited": True})

    @flow.defstate("b", on=button("Go"))
    def go(event, ctx):
        if ctx.data["quick"] and ctx.data.get("waited"):
            ctx.answer("Not now.")
            return ("stay",)
        ctx.reply("Gone.")
        return ("end",)

    assert found(tours(flow)) == [("stuck", ["/start", "quick", "[Wait]"])]


def stranding(on):
    """A timeout leads to a state whose way out needs data that nobody has by then."""
    flow = started(data=dict)
    flow.state("late", prompt="Too late.", buttons=["OK"], otherwise="Press OK.", ttl=None)

    @flow.defstate("a")
    def got_a(event, ctx):
        ctx.reply("Thanks.")
        return ("end",)

    @flow.defstate("a", on=Timeout)
    def late(event, ctx):
        return ("transition", "late")

    @flow.defstate("late", on=on)
    def ok(event, ctx):
        if "name" not in ctx.data:
            ctx.answer("Who?")
            ctx.reply("Who?")
            return ("stay",)
        return ("end",)

    return flow


def test_a_timeout_that_strands_is_found():
    assert found(tours(stranding(button("OK")))) == [("stuck", ["/start", "(at the next deadline)"])]


def test_where_another_input_could_lead_out_it_is_only_a_note():
    report = tours(stranding(text()))
    assert report.failures == []
    assert [finding.code for finding in report.findings] == ["stuck"]


def test_a_command_that_ends_everywhere_but_in_one_state_is_found():
    sub = Flow("sub")
    sub.state("s", prompt="S?", otherwise="?")

    @sub.defstate("s", on=command())
    def deaf(event, ctx):
        return ("error", "no commands here")

    @sub.defstate("s")
    def got_s(event, ctx):
        return ("end",)

    flow = started()

    @flow.defstate("a")
    def call_it(event, ctx):
        return ("call", sub)

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    assert ("no-exit", ["/start", "Ann", "/cancel"]) in found(tours(flow))


# -- what is remembered beside the store -----------------------------------------------------------


def test_what_a_module_remembers_is_lost_in_a_restart_and_found():
    report = tours(remembering_bot.garden)
    [finding] = [finding for finding in report.failures if finding.code == "restart"]
    assert finding.actions == (Say("/start"), Say("Ann"), Killed(Say("/known"), "before"))
    assert "Killed(user=1, action=Say(user=1, text='/known'), at='before'" in report.test(finding)
    assert "check(garden, phases=[], replays=[conversation])" in report.test(finding)


@pytest.mark.parametrize("nth", range(1, 6))
def test_a_kill_while_an_album_is_put_together_is_survived(nth):
    flow = started(data=dict)

    @flow.defstate("a", on=album())
    def several(event, ctx):
        ctx.reply(f"{len(event.file_ids)} pictures.")
        return ("end",)

    # The fourth operation is the step of the album itself: nobody who sends waits for it.
    killed = Killed(Album(("photo", "video", "photo")), "store", nth)
    report = check(flow, phases=[], replays=[[Say("/start"), killed]])
    assert report.failures == [], str(report)


@pytest.mark.parametrize(
    ("seed", "examples"),
    [(2, 60), *(pytest.param(seed, 250, marks=pytest.mark.thorough) for seed in range(2))],
)
def test_random_conversations_find_it_too(seed, examples):
    # Ten of these conversations reach it in about one search of two.
    longer = Profile(steps=3000, examples=examples, length=10, seconds=600.0)
    report = check(remembering_bot.garden, phases=["random"], seed=seed, profile=longer)
    assert {finding.code for finding in report.failures} & {"restart", "raised"}


# -- random ----------------------------------------------------------------------------------------


def test_random_conversations_press_old_buttons_and_come_in_disorder():
    flow = started(data=dict)

    @flow.defstate("a", on=photo())
    def first(event, ctx):
        if ctx.data.get("photo"):
            raise RuntimeError("a second photo")
        ctx.reply("Nice.")
        return ("stay", {"photo": True})

    @flow.defstate("a")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    report = check(flow, phases=["random"], seed=SEED)
    assert found(report) == [("raised", ["/start", "(photo)", "(photo)"])]
    assert {"old button", "swap", "killed", "refused", "duplicate"} - set(report.coverage.kinds) <= {
        "old button"
    }


def test_the_same_seed_does_the_same():
    few = attrs.evolve(QUICK, examples=8, length=10, seconds=60.0)
    runs = [check(wizard(3), phases=["random"], profile=few, seed=5) for _ in range(2)]
    assert runs[0].steps == runs[1].steps
    assert runs[0].coverage.edges == runs[1].coverage.edges


def test_on_a_right_flow_nothing_is_found():
    report = check(wizard(4), profile=attrs.evolve(QUICK, examples=5, overlaps=5), seed=SEED)
    assert report.failures == []
    assert report.ok


# -- properties ------------------------------------------------------------------------------------


def test_a_property_that_is_broken_is_found_with_its_conversation():
    report = tours(wizard(3), properties=[never("step 3")])
    [finding] = report.failures
    assert finding.message == "never('step 3') does not hold"
    assert len(finding.actions) == 3


def test_properties_that_hold_are_no_findings():
    kept = [
        always(lambda observation: len(observation.shown) < 5),
        never(lambda observation: observation.state == "nowhere"),
        after("step 2").until("step 3", within=50),
    ]
    assert tours(wizard(3), properties=kept).failures == []


def test_what_conversations_were_too_short_for_is_inconclusive():
    wanted = eventually("step 9", within=1000)
    few = attrs.evolve(QUICK, examples=5)
    report = check(wizard(9), phases=["random"], profile=few, seed=SEED, properties=[wanted])
    assert report.failures == []
    assert report.inconclusive == ["eventually('step 9', within=1000)"]


# -- reports ---------------------------------------------------------------------------------------


def test_a_report_tells_the_chat_with_states_and_data_and_a_test_to_paste():
    text_ = str(tours(remembering_bot.garden))
    assert "> Triffid  | plant  | {}  | got_plant: raised" in text_
    assert "def test_garden_raised():\n    chat = Chat(garden)\n    chat.say('/start')" in text_


def test_a_report_is_json():
    shown = json.loads(json.dumps(tours(remembering_bot.garden).to_json()))
    finding = shown["findings"][0]
    assert (shown["ok"], shown["seed"], finding["code"]) == (False, SEED, "raised")
    assert [step["act"] for step in finding["conversation"]] == [
        {"do": "say", "text": "/start"},
        {"do": "say", "text": "Triffid"},
    ]
    assert shown["coverage"]["edges"] == {"met": 9, "of": 9}


def test_edges_that_cannot_be_taken_are_told_apart_from_those_that_were_not():
    flow = started()
    flow.state("lost", prompt="?")

    @flow.defstate("a", when=lambda event: hash(event.text) == 42)
    def secret(event, ctx):
        return ("end",)

    @flow.defstate("lost")
    def found_it(event, ctx):
        return ("end",)

    coverage = tours(flow).coverage
    assert [edge.handler.split(".")[-1] for edge in coverage.missing_edges()] == ["secret"]
    assert [edge.handler.split(".")[-1] for edge in coverage.impossible_edges()] == ["found_it"]
    assert coverage.percent("edges") == 50.0


def test_coverage_below_what_is_wanted_is_told():
    report = check(wizard(3), phases=["lint"])
    assert report.short_of({"edges": 0.0}) == []
    assert report.short_of({"edges": 100.0}) == ["edges: 0.0 %, 100 % are wanted"]
    with pytest.raises(ValueError, match="no measure 'egdes'"):
        report.short_of({"egdes": 1.0})


def test_conversations_can_be_had_again():
    report = check(
        remembering_bot.garden,
        phases=[],
        replays=[[Say("/start"), Press("Gone"), Say("Triffid"), Deadline()]],
    )
    assert found(report) == [("raised", ["/start", "Triffid"])]
    assert report.failures[0].phase == "replay"


class TestWizard(flow_tests(wizard(3), profile=attrs.evolve(QUICK, examples=8, overlaps=5), seed=SEED)):
    """A class of tests, as a user writes it."""


def test_a_class_of_tests_fails_with_the_report():
    tests = flow_tests(remembering_bot.garden, profile=QUICK)()
    tests.test_lint()
    with pytest.raises(AssertionError, match=r"raised: ValueError: no such plant[\s\S]*> Triffid"):
        tests.test_tours()


def test_any_message_that_is_asked_for_is_sent():
    flow = started()

    @flow.defstate("a", on=message())
    def anything(event, ctx):
        ctx.reply(f"Thanks for the {event.kind}.")
        return ("end",)

    assert tours(flow).failures == []


# -- PTB where it is needed, and groups -------------------------------------------------------------


def test_filters_of_ptb_and_the_bot_itself_work_without_an_application():
    flow = started(data=dict)

    @flow.defstate("a", on=filters.Regex("^[0-9]+$") & filters.TEXT)
    async def number(event, ctx):
        await ctx.bot.send_message(event.chat_id, f"{event.update.message.text} of {event.user.first_name}")
        return ("end",)

    report = tours(flow)
    assert report.failures == []
    assert report.coverage.numbers()["edges"] == (2, 2)


def test_in_a_group_somebody_else_presses():
    flow = started(data=dict, key=KeyBy.CHAT)
    flow.state("b", prompt="B?", buttons=["Mine"], otherwise="Press it.")

    @flow.defstate("a")
    def got_a(event, ctx):
        return ("transition", "b", {"owner": event.user_id})

    @flow.defstate("b", on=button("Mine"))
    def mine(event, ctx):
        assert event.user_id == ctx.data["owner"], "a stranger's press"
        ctx.reply("Yours.")
        return ("end",)

    report = check(
        flow, phases=["random"], seed=SEED, profile=Profile(steps=10, examples=50, length=10, seconds=60.0)
    )
    [finding] = report.failures
    assert [action.by() + action.line() for action in finding.actions] in (
        ["/start", "Ann", "user 2: [Mine]"],
        ["/start", "user 2: Ann", "[Mine]"],
    )
    assert "chat = Chat(..., chat=-100)" in report.test(finding)


def test_a_conversation_handler_of_ptb_is_tested_once_it_is_moved():
    report = tours(conversation_handler_bot.moved)
    assert report.coverage.numbers()["edges"] == (5, 5)
    assert sorted(found(report)) == [
        ("raised", ["/start", "(edits the last message) Ann"]),
        ("raised", ["/start", "Ann", "Ann"]),
    ]
    assert {finding.message for finding in report.failures} == {
        "AttributeError: 'NoneType' object has no attribute 'text'",
        "ValueError: invalid literal for int() with base 10: 'Ann'",
    }
