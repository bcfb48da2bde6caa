"""Misspelt options of all that a user declares with: refused with the one that was meant."""

import inspect
import re

import attrs
import pytest
from sample_flows import refused
from telegram.ext import Application

from fsmkit import Client, DefinitionError, Engine, Flow, Handlers, Reply, State
from fsmkit.errors import refuse_options
from fsmkit.jobs import Job, JobRunner
from fsmkit.telegram import KeyedProcessor, Question, ask, attach, command, form, text, widgets
from fsmkit.testing import Chat

flow = Flow("f", version=2)


@attrs.frozen
class Form:
    name: str = ""


DECLARATIONS = {
    "defstate() has no option onn=": lambda: flow.defstate("s", onn=1),
    "defstate() has no option wehn=": lambda: Handlers().defstate("s", wehn=1),
    "guard() has no option too=": lambda: flow.guard("s", too=1),
    "invariant() has no option state=": lambda: flow.invariant(state="s"),
    "migrate() has no option example=": lambda: flow.migrate(1, example=[]),
    "button() has no option vlaue=": lambda: flow.button("x", vlaue=1),
    "a state has no option promt=": lambda: flow.state("t", promt="x"),
    "Question() has no option pars=": lambda: Question("x", pars=int),
    "ask() has no option chioces=": lambda: ask(flow, "s", "x", chioces=[1]),
    "ask() has no option otherwize=": lambda: ask(flow, "s", "x", otherwize="x"),
    "form() has no option reviw=": lambda: form("x", Form, reviw=False),
    "Calendar() has no option mnth=": lambda: widgets.Calendar("x", mnth=1),
    "calendar() has no option week_begin=": lambda: widgets.calendar("x", week_begin=1),
    "Engine() has no option stroe=": lambda: Engine(flow, stroe=None),
    "KeyedProcessor() has no option max_concurent=": lambda: KeyedProcessor(max_concurent=2),
    "command() has no option arg=": lambda: command("x", arg="x"),
    "text() has no option patern=": lambda: text(patern="x"),
}


@pytest.mark.parametrize("problem", DECLARATIONS)
def test_a_declaration_is_refused_where_it_stands_with_the_nearest_option(problem):
    with pytest.raises(DefinitionError) as caught:
        DECLARATIONS[problem]()
    assert caught.value.problem == problem
    assert re.fullmatch(r"Did you mean \w+=\?", caught.value.remedy)
    assert caught.value.place.startswith("tests/flow/test_options.py:")


@pytest.mark.parametrize(
    ("option", "meant"), [("stroe", "store"), ("gruop", "group"), ("isolatoin", "isolation")]
)
def test_attach_knows_its_own_options_and_those_of_the_engine(option, meant):
    app = Application.builder().token("1:A").build()
    with pytest.raises(DefinitionError) as caught:
        attach(app, Flow("g"), **{option: 1})
    assert (caught.value.problem, caught.value.remedy) == (
        f"attach() has no option {option}=",
        f"Did you mean {meant}=?",
    )


@pytest.mark.parametrize(
    ("declare", "said"),
    [
        (lambda: Job("x", print, blockng=True), r"Job\(\) has no option blockng=\. Did you mean blocking=\?"),
        (lambda: JobRunner(thread=1), r"JobRunner\(\) has no option thread=\. Did you mean threads=\?"),
        (lambda: Client(sotre=None), r"Client\(\) has no option sotre=\. Did you mean store=\?"),
        (lambda: Reply("x", buttns=[]), r"a message has no option buttns=\. Did you mean buttons=\?"),
        (lambda: Reply("x", reply_markup=1), r"no option reply_markup=\. Write buttons="),
        (lambda: State("s", promt="x"), r"a state has no option promt=\. Did you mean prompt=\?"),
    ],
)
def test_what_is_no_declaration_of_a_flow_says_so_with_a_type_error(declare, said):
    with pytest.raises(TypeError, match=said):
        declare()


def test_with_nothing_near_all_options_are_listed():
    def declare():
        flow.defstate("s", zzzzz=1)

    assert refused(declare) == "defstate() has no option zzzzz="
    with pytest.raises(DefinitionError, match="It takes on, when, to, examples"):
        declare()


def test_a_type_error_of_another_kind_is_left_as_it_is():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'prompt'"):
        Question()
    with pytest.raises(TypeError, match="takes 2 positional arguments but 3 were given"):
        Question("x", int)


def test_a_class_keeps_its_signature_and_can_be_evolved():
    assert "parse" in inspect.signature(Question).parameters
    assert attrs.evolve(Question("x"), parse=int).parse is int
    assert attrs.evolve(Reply("x"), silent=True) == Reply("x", silent=True)


def test_a_subclass_may_take_options_of_its_own():
    @refuse_options
    class Base:
        def __init__(self, *, size=1):
            self.size = size

    class Child(Base):
        def __init__(self, *, colour, **options):
            super().__init__(**options)
            self.colour = colour

    child = Child(colour="red", size=2)
    assert (child.size, child.colour) == (2, "red")
    with pytest.raises(TypeError, match=r"Base\(\) has no option sise=\. Did you mean size=\?"):
        Child(colour="red", sise=2)


def test_an_error_in_a_handler_is_of_the_reply_and_not_of_the_flow():
    bot = Flow("bot")

    @bot.defstate(None)
    def said(event, ctx):
        ctx.reply(Reply("x", buttns=["A"]))

    with pytest.raises(TypeError, match="a message has no option buttns="):
        Chat(bot).say("hello")
