"""Misspelt fields in `ctx.evolve(...)`, found in the source."""

import functools
from dataclasses import dataclass

import attrs
import msgspec
import pytest
from click.testing import CliRunner

from fsmkit import Context, Flow, Handlers, Returned
from fsmkit.cli.commands import main
from fsmkit.testing.lint import lint


@attrs.frozen
class Attrs:
    name: str = ""
    _secret: int = 0


@dataclass
class Plain:
    name: str = ""


class Struct(msgspec.Struct):
    name: str = ""


def unknown(flow):
    """The findings about fields: message, and line from the first of the function that holds it."""
    return [(one.message, one.where) for one in lint(flow) if one.code == "unknown-field"]


def here(function, below):
    return f"tests/testing/test_lint_fields.py:{function.__code__.co_firstlineno + below}"


@pytest.mark.parametrize("kind", [Attrs, Plain, Struct])
def test_a_misspelt_field_is_found_at_its_line_with_the_words_of_the_error(kind):
    flow = Flow("f", data=kind)

    @flow.defstate("a")
    def got(event, ctx):
        if event.text:
            return ("transition", "a", ctx.evolve(nmae=event.text))
        return ("stay", ctx.evolve(name=event.text))

    found = unknown(flow)
    assert found == [(f"ctx.evolve: {kind.__name__} has no field 'nmae'. Did you mean name=?", here(got, 3))]
    with pytest.raises(TypeError) as caught:
        Context(kind(), "a", None, None, "f", None, None).evolve(nmae="x")
    assert str(caught.value) == found[0][0]


def test_a_private_attribute_goes_by_the_name_of_its_argument():
    flow = Flow("f", data=Attrs)
    flow.defstate("a")(lambda event, ctx: ("stay", ctx.evolve(secret=1)))
    flow.defstate("a")(lambda event, ctx: ("stay", ctx.evolve(_secret=1)))
    assert [message for message, _ in unknown(flow)] == [
        "ctx.evolve: Attrs has no field '_secret'. Did you mean secret=?"
    ]


def test_each_field_over_several_lines_has_its_own_line():
    flow = Flow("f", data=Attrs)

    @flow.defstate("a")
    def got(_event, conversation):
        return (
            "stay",
            conversation.evolve(
                name="x",
                agee=1,
            ),
        )

    assert unknown(flow) == [("ctx.evolve: Attrs has no field 'agee'. It has name, secret", here(got, 6))]


def test_guards_hooks_prompts_and_data_of_calls_are_read_too():
    sub = Flow("sub", data=Attrs)
    sub.state("s")
    sub.defstate("s")(lambda event, ctx: ("end",))
    flow = Flow("f", data=Attrs)
    flow.state("a", prompt=lambda ctx: str(ctx.evolve(b1=1)), otherwise=lambda ctx: str(ctx.evolve(b2=1)))
    flow.state("b", call=sub, call_data=lambda ctx: ctx.evolve(b3=1))
    flow.guard("a")(lambda ctx: ("transition", "a", ctx.evolve(b4=1)))
    flow.on_enter("a")(lambda ctx: ctx.evolve(b5=1) and None)
    flow.invariant(lambda ctx: ctx.evolve(b6=1))
    flow.defstate("b", on=Returned)(lambda event, ctx: ("end",))
    assert {message.split("'")[1] for message, _ in unknown(flow)} == {f"b{n}" for n in range(1, 7)}


def test_a_method_and_a_decorated_handler_are_read():
    flow = Flow("f", data=Attrs)

    def logged(function):
        @functools.wraps(function)
        def wrapper(event, ctx):
            return function(event, ctx)

        return wrapper

    class Bot:
        def got(self, event, ctx):
            return ("stay", ctx.evolve(mthd=1))

        def enter(self, ctx):
            ctx.evolve(hk=1)

        def evolve(self, **changes):
            raise NotImplementedError

    bot = Bot()
    flow.defstate("a")(bot.got)
    flow.on_enter("a")(bot.enter)
    flow.defstate("a")(logged(lambda event, ctx: ("stay", ctx.evolve(dcrt=1))))
    assert {message.split("'")[1] for message, _ in unknown(flow)} == {"mthd", "hk", "dcrt"}


def test_what_cannot_be_told_is_no_finding():
    flow = Flow("f", data=Attrs)

    @flow.defstate("a")
    def others(event, ctx, data=Attrs()):
        changes = {"nmae": 1}
        event.evolve(nmae=1)
        return ("stay", ctx.evolve(**changes))

    @flow.defstate("a")
    def rebound(event, ctx):
        ctx = event
        return ("stay", ctx.evolve(nmae=1))

    anything = Flow("g")
    anything.defstate("a")(lambda event, ctx: ("stay", ctx.evolve(nmae=1)))
    assert (unknown(flow), unknown(anything)) == ([], [])


def test_a_shared_handler_is_held_against_the_data_of_each_flow():
    shared = Handlers()
    shared.defstate("a")(lambda event, ctx: ("stay", ctx.evolve(name="x", age=1)))

    @attrs.frozen
    class Aged:
        name: str = ""
        age: int = 0

    found = []
    for name, kind in (("f", Attrs), ("g", Aged)):
        flow = Flow(name, data=kind)
        flow.state("a")
        flow.include(shared)
        found += unknown(flow)
    assert [message for message, _ in found] == ["ctx.evolve: Attrs has no field 'age'. It has name, secret"]


def test_the_command_reports_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.py").write_text(
        "import attrs\nfrom fsmkit import Flow\nfrom fsmkit.telegram import command\n\n"
        "@attrs.frozen\nclass Form:\n    name: str = ''\n\n"
        "flow = Flow('form', data=Form)\n\n"
        "@flow.defstate(None, on=command('start'))\ndef start(event, ctx):\n    return ('transition', 'name')\n\n"
        "@flow.defstate('name')\ndef got(event, ctx):\n    return ('end', ctx.evolve(nam=event.text))\n"
    )
    result = CliRunner().invoke(main, ["check", "bot.py"])
    assert result.exit_code == 1
    assert (
        "bot.py:17: unknown-field: ctx.evolve: Form has no field 'nam'. Did you mean name=?" in result.output
    )
