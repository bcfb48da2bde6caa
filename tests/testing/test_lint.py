"""Lint: each finding is made where it is true, and not in the flow beside it that is right."""

import sys

import pytest

from fsmkit import ANY, END, Button, Flow, KeyBy, Reply, Returned, StatesGroup, Timeout
from fsmkit.telegram import button, command, text
from fsmkit.testing import lint


def codes(*flows):
    """The codes of what is found, notes left out."""
    return [finding.code for finding in lint(*flows) if not finding.note]


def notes(*flows):
    """The codes of the notes."""
    return [finding.code for finding in lint(*flows) if finding.note]


def asking(**options):
    """A sound flow: one question."""
    flow = Flow("asking", ttl=60)
    flow.state("name", **{"prompt": "Name?", "otherwise": "A text, please.", **options})

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name")

    @flow.defstate("name")
    def got_name(event, ctx):
        ctx.reply("Thanks.")
        return ("end",)

    return flow


def test_a_sound_flow_has_no_finding():
    assert lint(asking()) == []


def test_a_flow_that_nothing_enters():
    flow = Flow("never")
    flow.state("name")

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("end",)

    assert codes(flow) == ["no-entry"]


def test_a_flow_whose_first_handler_forgets_to_return():
    flow = Flow("never")
    flow.state("name")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        ctx.reply("Your name?")

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("end",)

    [found] = [finding for finding in lint(flow) if finding.code == "no-entry"]
    assert found.message.endswith('start for the state None returns no ("transition", state)')
    assert found.where.endswith(f"test_lint.py:{start.__code__.co_firstlineno}")


def test_a_flow_that_only_a_flow_without_entry_calls():
    sub = Flow("sub")
    sub.state("a")

    @sub.defstate("a")
    def got_a(event, ctx):
        return ("end",)

    flow = Flow("never")
    flow.state("name")

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("call", sub)

    assert "no conversation comes to what leads to it" in lint(flow, sub)[1].message


def test_a_flow_that_is_called_needs_no_entry():
    sub = Flow("sub")
    sub.state("a")

    @sub.defstate("a")
    def got_a(event, ctx):
        return ("end",)

    flow = asking()

    @flow.defstate("name", on=command("sub"))
    def call_it(event, ctx):
        return ("call", sub)

    assert codes(flow, sub) == []


def test_a_state_that_no_edge_leads_to():
    flow = asking()
    flow.state("review")

    @flow.defstate("review")
    def reviewed(event, ctx):
        return ("end",)

    [found] = [finding for finding in lint(flow) if not finding.note]
    assert (found.code, found.message) == ("unreachable", "no edge leads to state 'review'")
    assert "test_lint.py:" in found.where


def test_a_state_without_handlers_is_a_dead_end():
    flow = asking()
    flow.state("limbo")

    @flow.defstate("name", on=command("limbo"))
    def to_limbo(event, ctx):
        return ("transition", "limbo")

    assert codes(flow) == ["dead-end"]


def test_a_state_that_leads_only_to_itself():
    flow = asking()
    flow.state("loop")

    @flow.defstate("name", on=command("loop"))
    def to_loop(event, ctx):
        return ("transition", "loop")

    @flow.defstate("loop")
    def again(event, ctx):
        return ("transition", "loop")

    assert codes(flow) == ["self-loop"]


def test_two_states_that_lead_only_to_each_other():
    flow = asking()
    flow.state("ping")
    flow.state("pong")

    @flow.defstate("name", on=command("ping"), to="ping")
    def to_ping(event, ctx):
        return ("transition", "ping")

    @flow.defstate("ping")
    def ping(event, ctx):
        return ("transition", "pong")

    @flow.defstate("pong")
    def pong(event, ctx):
        return ("transition", "ping")

    assert codes(flow) == ["no-end", "no-end"]

    flow = asking()

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        return ("end",)

    assert codes(flow) == []


def test_a_timeout_is_a_way_out_where_it_is_handled():
    flow = Flow("waiting")
    flow.state("on", otherwise="Wait.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "on")

    @flow.defstate("on", on=Timeout)
    def late(event, ctx):
        return ("end",)

    assert codes(flow) == []


def test_targets_that_cannot_be_read_or_that_there_are_not():
    flow = asking()

    @flow.defstate("name", on=command("a"))
    def unread(event, ctx):
        return ("transition", event.text)

    @flow.defstate("name", on=command("b"))
    def unknown(event, ctx):
        return ("transition", "nmae")

    assert sorted(codes(flow)) == ["unknown-state", "unreadable-target"]


def test_a_handler_all_of_whose_inputs_another_one_takes():
    flow = asking()

    @flow.defstate("name", on=text("yes"))
    def yes(event, ctx):
        return ("end",)

    [found] = [finding for finding in lint(flow) if not finding.note]
    assert found.code == "shadowed"
    assert "got_name" in found.message


def test_a_handler_before_it_that_may_pass_or_wants_less_shadows_nothing():
    flow = Flow("f", ttl=60)
    flow.state("s", otherwise="?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "s")

    @flow.defstate("s", on=text("[a-z]+"))
    def word(event, ctx):
        return ("pass",)

    @flow.defstate("s", on=text("[0-9]"))
    def digit(event, ctx):
        return ("end",)

    @flow.defstate("s", on=text("[a-z]+|[0-9]+"))
    def wide(event, ctx):
        return ("end",)

    assert codes(flow) == []


def test_a_button_handler_that_another_one_takes_the_presses_of():
    flow = asking(buttons=["Yes", "No"])

    @flow.defstate("name", on=button())
    def any_button(event, ctx):
        return ("end",)

    @flow.defstate("name", on=button("Yes"))
    def yes(event, ctx):
        return ("end",)

    assert codes(flow) == ["shadowed"]


def test_a_button_that_no_handler_wants():
    flow = asking(buttons=["Yes", Button("Site", url="https://example.com")])
    assert codes(flow) == ["unheard-button"]

    @flow.defstate(ANY, on=button("Yes"))
    def yes(event, ctx):
        return ("end",)

    assert codes(flow) == []


def test_a_button_of_a_called_flow_that_its_caller_takes():
    called = Flow("called", ttl=60)
    called.state("pick", prompt="Which?", buttons=["One", "Help"], otherwise="Press, please.")

    @called.defstate("pick", on=button("One"))
    def one(event, ctx):
        return ("end",)

    caller = asking(buttons=["Help"])

    @caller.defstate("name", on=command("pick"))
    def pick(event, ctx):
        return ("call", called)

    assert codes(caller) == ["unheard-button", "unheard-button"]

    @caller.defstate(ANY, on=button("Help"))
    def help_(event, ctx):
        ctx.reply("There is none.")

    assert codes(caller) == []


def test_buttons_of_a_reply_are_looked_at_too():
    assert codes(asking(prompt=Reply("Name?", buttons=["Maybe"]))) == ["unheard-button"]


def test_a_handler_whose_button_is_shown_nowhere():
    flow = asking(buttons=["Yes"])

    @flow.defstate("name", on=button("Yse", "Yes"))
    def yes(event, ctx):
        return ("end",)

    assert codes(flow) == []

    @flow.defstate("name", on=button("No"))
    def no(event, ctx):
        return ("end",)

    assert codes(flow) == ["unshown-button"]


def test_where_code_shows_buttons_it_is_left_to_the_tours():
    flow = asking()

    @flow.defstate("name", on=command("more"))
    def more(event, ctx):
        ctx.reply("?", buttons=["No"])

    @flow.defstate("name", on=button("No"))
    def no(event, ctx):
        return ("end",)

    assert codes(flow) == []


def test_a_prompt_that_is_longer_than_a_message():
    assert codes(asking(prompt="x" * 4096)) == []
    assert codes(asking(prompt="x" * 4097)) == ["long-prompt"]
    assert codes(asking(prompt="😀" * 2049)) == ["long-prompt"]


def test_examples_that_their_handler_does_not_want():
    flow = asking()

    @flow.defstate("name", on=command("x"), examples=["/y"])
    def x(event, ctx):
        return ("end",)

    assert codes(flow) == ["wrong-example"]


def test_what_is_only_worth_a_look_is_a_note():
    flow = asking(otherwise=None, ttl=None)

    @flow.defstate("name", on=text("."), when=lambda event: event.text == chr(9731))
    def snowman(event, ctx):
        return ("end",)

    assert codes(flow) == []
    assert sorted(notes(flow)) == ["no-input", "no-otherwise", "no-ttl"]


def test_a_state_that_is_silent_towards_who_begins_again_is_named_with_the_command():
    [note] = lint(asking(otherwise=None))
    assert (note.code, note.note) == ("no-otherwise", True)
    assert "who sends /start once more in state 'name' gets no answer" in note.message


@pytest.mark.parametrize("where", [ANY, "name"])
def test_where_a_handler_takes_the_command_that_begins_it_is_not_named(where):
    flow = asking(otherwise=None)

    @flow.defstate(where, on=command("help", "start"))
    def anew(event, ctx):
        return ("transition", "name")

    [note] = lint(flow)
    assert note.code == "no-otherwise"
    assert "/start" not in note.message


def test_a_called_flow_whose_caller_takes_the_command_is_not_silent_towards_it():
    inner = Flow("inner", ttl=60)
    inner.state("code", prompt="Code?")

    @inner.defstate("code")
    def got(event, ctx):
        return ("end",)

    flow = asking()

    @flow.defstate("name", on=command("more"))
    def more(event, ctx):
        return ("call", inner)

    assert not any("once more" in note.message for note in lint(flow))


def test_returns_of_sub_flows_need_no_input():
    flow = asking()

    @flow.defstate("name", on=Returned)
    def returned(event, ctx):
        return ("end",)

    assert lint(flow) == []


def test_groups_of_states_are_looked_at_like_single_ones():
    from fsmkit import State

    class Ask(StatesGroup):
        a = State(prompt="A?", buttons=["Go"], otherwise="?")
        b = State(prompt="B?", buttons=["Go"], otherwise="?")

    flow = Flow("grouped", states=Ask, ttl=60)

    @flow.defstate(None, on=command("start"), to=Ask.a)
    def start(event, ctx):
        return ("transition", Ask.a)

    @flow.defstate(Ask, on=button("Go"), to=(Ask.b, END))
    def go(event, ctx):
        return ("end",) if ctx.state == Ask.b else ("transition", Ask.b)

    assert lint(flow) == []


@pytest.mark.parametrize("file", ["signup", "order"])
def test_the_examples_have_no_finding(file):
    from fsmkit.testing.loading import load

    assert lint(*load(f"examples/{file}.py").flows) == []


def large(states):
    """A flow of so many states with buttons, handlers of their own, and some for all states."""
    flow = Flow("large", ttl=60)
    for number in range(states):
        flow.state(f"s{number}", prompt="?", otherwise="?", buttons=[f"b{number}"])

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "s0")

    for name in ("cancel", "back", "help"):
        flow.defstate(ANY, on=command(name), to=END)(lambda event, ctx: ("end",))
    for number in range(states):
        goal = f"s{(number + 1) % states}"
        flow.defstate(f"s{number}", on=button(f"b{number}"), to=goal)(
            lambda event, ctx, goal=goal: ("transition", goal)
        )
        flow.defstate(f"s{number}", on=text("[a-z]"), to=goal)(
            lambda event, ctx, goal=goal: ("transition", goal)
        )
    return flow


def calls(states):
    """How many calls of functions it takes to check a flow of so many states."""
    flow, count = large(states), 0

    def note(frame, event, arg):
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        lint(flow)
    finally:
        sys.setprofile(before)
    return count


def test_twice_the_states_take_about_twice_the_work():
    calls(5)  # what is computed once for all flows
    assert calls(80) / calls(40) < 2.4


def test_a_finding_about_a_state_points_to_its_declaration():
    flow = Flow("f")
    flow.state("a")
    flow.state("lost")
    line = sys._getframe().f_lineno - 1

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a")

    @flow.defstate("a", "lost")
    def leave(event, ctx):
        return ("end",)

    [found] = [finding for finding in lint(flow) if not finding.note]
    assert found.code == "unreachable"
    assert found.where.endswith(f"test_lint.py:{line}")


def test_data_that_no_engine_takes_is_found():
    class Open:
        """No class whose fields are known."""

        def __init__(self, anything):
            self.anything = anything

    flow = Flow("f", data=Open)
    [found] = [finding for finding in lint(flow) if finding.code == "refused"]
    assert "Open" in found.message
    assert "test_lint.py" in found.where


def test_what_every_engine_refuses_is_found_wherever_it_stands():
    wrong = Flow("wrong")
    wrong.state("age", prompt="Age?")
    wrong.state("city", prompt=lambda: "City?")
    wrong.defstate("aeg")(lambda event, ctx: ("end",))
    late = Flow("late", initial="agge")
    late.state("age")
    assert [found.flow for found in lint(wrong, late) if found.code == "refused"] == ["wrong", "late"]


def test_flows_that_no_engine_takes_together_are_found():
    personal, shared = Flow("personal"), Flow("shared", key=KeyBy.CHAT)
    shared.state("pay")

    @personal.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", shared["pay"])

    [found] = [finding for finding in lint(personal, shared) if finding.code == "refused"]
    assert "ctx.send" in found.message
    assert found.where.endswith(f"test_lint.py:{start.__code__.co_firstlineno}")
    personal.state("declared after it was looked at")  # to look at flows puts them to no use


def test_a_command_without_a_description_is_noted_once_where_others_have_one():
    flow = Flow("f", ttl=60)
    flow.state("on", otherwise="?")
    for on in (
        command("start", description="Begin"),
        command("start"),
        command("help"),
        command("help", args="x"),
    ):
        flow.defstate(None, on=on)(lambda event, ctx: ("transition", "on"))
    flow.defstate(ANY, on=command())(lambda event, ctx: ("end",))
    found = [note for note in lint(flow) if note.code == "no-description"]
    assert [(note.note, note.message.split(",")[0]) for note in found] == [(True, "/help has no description")]
    plain = Flow("g")
    plain.defstate(None, on=command("help"))(lambda event, ctx: None)
    assert "no-description" not in [note.code for note in lint(plain)]


def test_requests_that_are_awaited_and_calls_that_are_not_are_found_where_they_stand():
    flow = Flow("f", ttl=60)
    flow.state("on", prompt="?", otherwise="?")

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        if event.args:
            await ctx.reply("hello")
        await ctx.bot.send_message(1, "hello")
        return ("transition", "on")

    @flow.defstate("on", on=text())
    def said(event, ctx):
        ctx.bot.send_message(1, "never sent")
        event.message.reply_text("never sent")
        ctx.data.update(a=1)
        return ("end",)

    @flow.on_enter("on")
    async def entered(context):
        await context.show("now")
        context.telegram.bot.send_dice(1)

    found = [(each.code, each.message.partition(":")[0]) for each in lint(flow) if "await" in each.code]
    dropped = "is not awaited, so that nothing happens"
    assert found == [
        ("needless-await", "ctx.reply(...) is awaited, which raises a TypeError"),
        ("missing-await", f"ctx.bot.send_message(...) {dropped}"),
        ("missing-await", f"event.message.reply_text(...) {dropped}"),
        ("needless-await", "context.show(...) is awaited, which raises a TypeError"),
        ("missing-await", f"context.telegram.bot.send_dice(...) {dropped}"),
    ]
    first = start.__code__.co_firstlineno
    assert next(each for each in lint(flow) if each.code == "needless-await").where.endswith(f":{first + 3}")


def test_what_is_awaited_elsewhere_or_is_another_object_by_then_is_no_finding():
    flow = Flow("f", ttl=60)
    flow.state("on", prompt="?", otherwise="?")

    @flow.defstate(None, on=command("start"))
    async def start(event, ctx):
        sending = ctx.bot.send_message(1, "hello")
        await sending
        return ("transition", "on")

    @flow.defstate("on", on=text())
    async def said(event, ctx):
        ctx = event.other
        await ctx.reply("another library's")
        ctx.bot.send_message("another library's")
        return ("end",)

    assert [each for each in lint(flow) if "await" in each.code] == []
