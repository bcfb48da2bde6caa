"""Coverage: what there is to meet, what was met, and why the rest was not."""

import json
import re

import pytest
from click.testing import CliRunner

from fsmkit import ANY, Flow, Returned
from fsmkit.cli.commands import main
from fsmkit.cli.test import diagram
from fsmkit.graph.diagram import dot, mermaid
from fsmkit.telegram import button, command, photo, text
from fsmkit.testing import Profile, check

QUICK = Profile(steps=1500, examples=10, length=10, seconds=20.0)


def started():
    """A flow that `/start` begins in state `a`."""
    flow = Flow("f", ttl=60, data=dict)
    flow.state("a", prompt="A?", buttons=["One"], otherwise="?")

    @flow.defstate(None, on=command("start"), to="a")
    def start(event, ctx):
        return ("transition", "a", {})

    @flow.defstate("a", on=button("One"))
    def one(event, ctx):
        ctx.reply("One.")
        return ("end",)

    return flow


def toured(*flows):
    """The report of the tours, and why edges were not taken: by handler, the way and the reason."""
    report = check(*flows, phases=["tours"], profile=QUICK, seed=1)
    reasons = {
        plain(edge.handler): ([action.line() for action in near.actions], plain(near.why))
        for edge, near in report.reasons.items()
    }
    return report, reasons


def why_not(*flows):
    """Why edges cannot be taken, by handler."""
    report, _ = toured(*flows)
    impossible = report.coverage.impossible_edges()
    return {plain(edge.handler): plain(why) for edge, why in impossible.items()}


def plain(text):
    """A text with names of functions as they stand in the code."""
    return re.sub(r"[\w.]+<locals>\.", "", text)


# -- not taken -------------------------------------------------------------------------------------


def test_a_guard_for_which_no_input_is_known_asks_for_examples():
    flow = started()

    @flow.defstate("a", on=text("[a-z]"), when=lambda event: hash(event.text) == 1)
    def secret(event, ctx):
        return ("end",)

    why = "no input is known that its when= accepts: give examples=[...]"
    assert toured(flow)[1] == {"secret": (["/start"], why)}


def test_a_handler_that_ran_and_did_something_else_says_what():
    flow = started()

    @flow.defstate("a")
    def often(event, ctx):
        if sum(map(ord, event.text)) == 777_777:
            return ("back",)
        if event.text == "x":
            return ("pass",)
        ctx.reply("Thanks.")
        return ("end",)

    assert toured(flow)[1] == {"often": (["/start"], "often ran there and did end -> the end or pass")}


def test_inputs_that_another_handler_takes_are_told():
    flow = started()

    @flow.defstate("a", on=text("[0-9]"))
    def first(event, ctx):
        if event.text == "\N{SNOWMAN}":
            return ("pass",)
        ctx.reply("First.")
        return ("end",)

    @flow.defstate("a", on=text("[0-5]"))
    def second(event, ctx):
        ctx.reply("Second.")
        return ("end",)

    way, why = toured(flow)[1]["second"]
    assert way == ["/start"]
    assert re.fullmatch("of [0-9]+ inputs that it may want first took all", why)


def test_a_button_that_was_not_on_the_screen_is_told():
    flow = started()

    @flow.on_enter("a")
    def maybe(ctx):
        if ctx.data:
            ctx.reply("?", buttons=["Two"])

    @flow.defstate("a", on=button("Two"))
    def two(event, ctx):
        ctx.reply("Two.")
        return ("end",)

    assert toured(flow)[1] == {"two": (["/start"], "none of its buttons was on the screen")}


def test_a_state_that_no_conversation_came_to_has_the_nearest_place():
    flow = started()
    flow.state("b", prompt="B?", otherwise="?")

    @flow.defstate("a", on=text("[a-z]"), when=lambda event: hash(event.text) == 1, to="b")
    def secret(event, ctx):
        return ("transition", "b")

    @flow.defstate("b")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    _, reasons = toured(flow)
    assert reasons["done"] == (["/start"], "no conversation came to 'b', only to 'a'")


# -- cannot be taken -------------------------------------------------------------------------------


def test_edges_that_no_input_can_take_are_told_apart_and_do_not_count():
    flow = started()
    flow.state("lost", prompt="Lost.", otherwise="?")

    @flow.defstate("lost")
    def found_it(event, ctx):
        return ("end",)

    @flow.defstate("a")
    def rest(event, ctx):
        ctx.reply("Thanks.")
        return ("end",)

    @flow.defstate("a", on=text("[0-9]"))
    def shadowed(event, ctx):
        return ("end",)

    @flow.defstate("a", on=button("Nowhere"))
    def unshown(event, ctx):
        return ("end",)

    report, reasons = toured(flow)
    assert reasons == {}
    assert why_not(flow) == {
        "found_it": "no edge leads to state 'lost'",
        "shadowed": "rest, which is tried before, takes all events of shadowed",
        "unshown": "unshown handles the button 'Nowhere', which is never shown",
    }
    assert report.coverage.numbers()["edges"] == (3, 3)
    assert report.coverage.numbers()["inputs"] == (3, 3)


# -- guards and inputs -----------------------------------------------------------------------------


def test_a_guard_and_a_pass_of_one_handler_are_counted_apart():
    flow = started()

    @flow.defstate("a", on=text("[0-9]"), when=lambda event: event.text != "7")
    def digit(event, ctx):
        if sum(map(ord, event.text)) == 777_777:
            return ("pass",)
        ctx.reply("Digit.")
        return ("end",)

    report, _ = toured(flow)
    assert report.coverage.numbers()["guards"] == (3, 4)
    assert next(line for line in str(report).splitlines() if "guard:" in line).endswith("it never passed")


def test_each_kind_of_input_that_a_handler_wants_is_counted():
    flow = started()

    @flow.defstate("a", on=text() | photo())
    def either(event, ctx):
        ctx.reply("Either.")
        return ("end",)

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    report, _ = toured(flow)
    assert report.coverage.numbers()["inputs"] == (5, 5)
    kinds = sorted(kind for _, _, kind in report.coverage.inputs)
    assert kinds == ["button", "command", "command", "photo", "text"]


def test_several_flows_are_counted_one_by_one():
    report = check(started(), other(), phases=["tours"], profile=QUICK, seed=1)
    shown = [line.strip() for line in str(report).splitlines()]
    assert "f: 1/1 states, 2/2 edges, 1/1 pairs, 2/2 inputs" in shown
    assert "g: 1/1 states, 2/2 edges, 1/1 pairs, 2/2 inputs" in shown
    assert report.to_json()["coverage"]["flows"]["g"]["edges"] == {"met": 2, "of": 2}


def other():
    """A second flow."""
    flow = Flow("g", ttl=60)
    flow.state("s", prompt="S?", otherwise="?")

    @flow.defstate(None, on=command("other"), to="s")
    def start(event, ctx):
        return ("transition", "s")

    @flow.defstate("s")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    return flow


# -- as files --------------------------------------------------------------------------------------


def gappy():
    """A flow with an edge that is taken, one that is not, one that cannot be, and a finding."""
    flow = started()
    flow.state("b", prompt="B?", otherwise="?")

    @flow.defstate("a", on=text("[a-z]"), when=lambda event: hash(event.text) == 1, to="b")
    def secret(event, ctx):
        return ("transition", "b")

    @flow.defstate("b")
    def done(event, ctx):
        ctx.reply("Done.")
        return ("end",)

    @flow.defstate("a", on=command("bad"))
    def bad(event, ctx):
        raise RuntimeError("no \x00 way")

    return flow


def test_the_diagram_shows_what_was_met():
    coverage = check(gappy(), phases=["tours"], profile=QUICK, seed=1).coverage
    drawn = diagram(coverage, "mermaid").decode()
    assert '(["a"]):::met' in drawn
    assert '(["✗ b"]):::unmet' in drawn
    assert '|"/start"|' in drawn
    assert '|"✗ text"|' in drawn
    assert diagram(coverage, "markdown").decode() == f"```mermaid\n{drawn}```\n"
    assert '_b [label="b", color="#c62828", fontcolor="#c62828"];' in diagram(coverage, "dot").decode()
    picture = diagram(coverage, "svg").decode()
    assert '<g class="state unmet" data-flow="f" data-state="b">' in picture


def test_an_arrow_of_several_edges_may_be_met_in_part():
    flow = started()
    flow.state("b", prompt="B?", otherwise="?")

    @flow.defstate("a", on=text("[a-z]"), when=lambda event: hash(event.text) == 1, to="b")
    def secret(event, ctx):
        return ("transition", "b")

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    coverage = check(flow, phases=["tours"], profile=QUICK, seed=1).coverage
    assert "(✗) /cancel → ●" in diagram(coverage, "mermaid").decode()
    assert "(✗) /cancel → ●" in diagram(coverage, "dot").decode()
    assert 'class="chip person partly"' in diagram(coverage, "svg").decode()


def test_a_diagram_without_coverage_has_no_colours():
    graph = check(gappy(), phases=["lint"]).coverage.graph
    assert ":::met" not in mermaid(graph)
    assert "linkStyle" not in mermaid(graph)
    assert "✗" not in mermaid(graph)
    assert "color" not in dot(graph)


FILE = """
from fsmkit import Flow
from fsmkit.telegram import command
flow = Flow("sound", ttl=60)
flow.state("name", prompt="Name?", otherwise="A text, please.")
@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "name")
@flow.defstate("name")
def got_name(event, ctx):
    ctx.reply("Thanks.")
    return ("end",)
"""


@pytest.fixture
def file(tmp_path):
    """A file with a flow."""
    path = tmp_path / "bot.py"
    path.write_text(FILE)
    return path


def test_the_command_writes_json_and_the_diagram(file, tmp_path):
    names = [tmp_path / name for name in ("out.json", "out.md")]
    options = zip(("--json", "--graph"), map(str, names), strict=True)
    run = CliRunner().invoke(main, ["test", str(file), "--seed", "1", *(part for o in options for part in o)])
    assert run.exit_code == 0
    assert json.loads(names[0].read_text())["coverage"]["inputs"] == {"met": 2, "of": 2}
    assert names[1].read_text().startswith("```mermaid\nflowchart TB\n")


def test_a_diagram_of_another_kind_is_refused_before_anything_runs(file):
    done = CliRunner().invoke(main, ["test", str(file), "--graph", "out.gif"])
    assert done.exit_code == 2
    assert "out.gif: name it *.md, *.mmd, *.dot, *.gv, *.svg, *.png" in done.output
    assert "testing" not in done.output


def test_the_call_of_a_state_is_an_edge_that_tours_take():
    pick = Flow("pick")
    pick.state("when", prompt="When?", otherwise="?")
    pick.defstate("when")(lambda event, ctx: ("end", event.text))
    flow = Flow("f", ttl=60)
    flow.state("day", call=pick)
    flow.defstate(None, on=command("start"))(lambda event, ctx: ("transition", "day", {}))

    @flow.defstate("day", on=Returned)
    def day(event, ctx):
        ctx.reply(event.result)
        return ("end",)

    report, reasons = toured(flow)
    assert (report.findings, reasons) == ([], {})
    assert report.coverage.edges[("f", "day", flow["day"].place, "call", 'the call of flow "pick"')] > 0
