"""FILE[:FLOW]: what is loaded, and what is said where it cannot be."""

import random
import sys

import pytest

from fsmkit.testing.loading import load, split_target

HEAD = "from fsmkit import *\n"

TWO = """
first = Flow("one")
first.state("a")
second = Flow("two")
second.state("b")
"""


def names(target):
    return [flow.name for flow in load(target).flows]


def test_all_flows_are_taken_in_the_order_of_definition(write):
    assert names(write(TWO)) == ["one", "two"]


def test_a_flow_with_two_names_is_taken_once(write):
    assert names(write(TWO + "again = first\n")) == ["one", "two"]


@pytest.mark.parametrize("wanted", ["second", "two"])
def test_a_flow_is_picked_by_its_variable_or_its_name(write, wanted):
    assert names(f"{write(TWO)}:{wanted}") == ["two"]


def test_a_module_is_loaded_by_its_name(write):
    write(TWO, "package/bot.py")
    assert names("package.bot:two") == ["two"]


def test_a_module_inside_a_package_may_import_its_neighbours(write):
    write("x = 1", "package/other.py")
    write("from .other import x\n" + TWO, "package/bot.py")
    assert names("package.bot") == ["one", "two"]


def test_the_directory_of_the_file_comes_first(write, monkeypatch):
    write("flow = Flow('from beside')", "sub/random.py")
    write("import random\nfound = random.flow", "sub/bot.py")
    monkeypatch.delitem(sys.modules, "random")
    assert names("sub/bot.py") == ["from beside"]


def test_a_file_called_like_another_module_does_not_replace_it(write):
    load(write(TWO, "random.py"))
    assert sys.modules["random"] is random


def test_classes_of_the_file_know_their_module(write):
    # With annotations as texts, dataclasses look for `ClassVar` in the module of the class.
    head = "from __future__ import annotations\nimport dataclasses\nfrom typing import ClassVar\n" + HEAD
    form = "@dataclasses.dataclass\nclass Form:\n    seen: ClassVar[int]\n    name: str = ''\n"
    file = write(form + "flow = Flow('f', data=Form)\nflow.state('a')\n", head=head)
    assert load(file).flows[0].data("Ann").name == "Ann"


def test_a_file_without_a_suffix_is_python_too(write):
    assert names(write(TWO, "bot")) == ["one", "two"]


def test_what_stands_below_the_main_guard_is_not_run(write):
    assert names(write(TWO + "if __name__ == '__main__': raise SystemExit(3)\n")) == ["one", "two"]


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("bot.py", ("bot.py", None)),
        ("bot.py:flow", ("bot.py", "flow")),
        ("bot.py:a flow", ("bot.py", "a flow")),
        ("C:\\bots\\bot.py", ("C:\\bots\\bot.py", None)),
        ("C:/bots/bot.py:flow", ("C:/bots/bot.py", "flow")),
        ("C:bot.py", ("C:bot.py", None)),
        ("package.module:flow", ("package.module", "flow")),
    ],
)
def test_the_colon_of_a_drive_is_not_that_of_a_flow(target, parts):
    assert split_target(target) == parts


def test_a_file_with_a_colon_in_its_name_is_found(write):
    assert names(write(TWO, "a:b")) == ["one", "two"]


# -- bad input -------------------------------------------------------------------------------------


def test_no_such_file(refusal, write):
    write("", "other.py")
    assert refusal("chat", "nope.py") == "nope.py: no such file"
    assert refusal("graph", "nope/nope.py:flow") == "nope/nope.py: no such file"


def test_no_such_module(refusal, write):
    write("", "package/other.py")
    assert refusal("chat", "package.nope") == "package.nope: no such file, and no module of that name"
    assert refusal("chat", "nope") == "nope: no such file, and no module of that name"


def test_a_directory(refusal, write):
    write("", "bots/bot.py")
    assert refusal("chat", "bots") == "bots is a directory: name a Python file in it"


def test_a_colon_with_nothing_beside_it(refusal, write):
    file = write(TWO)
    assert refusal("chat", f"{file}:").startswith("'bot.py:' is not a FILE[:FLOW]")


def test_no_flow_in_it(refusal, write):
    assert refusal("chat", write("x = 1")).startswith("bot.py has no flow: declare one at its top level")


def test_an_unknown_flow(refusal, write):
    file = write(TWO)
    assert refusal("chat", f"{file}:secnd") == "bot.py has no flow 'secnd': did you mean 'second'?"
    assert refusal("chat", f"{file}:x") == "bot.py has no flow 'x': it has 'first', 'second'"


def test_a_syntax_error(refusal, write):
    assert refusal("graph", write("x = 1\ndef f(:\n    pass\n")) == "bot.py:4: invalid syntax: def f(:"


def test_an_error_of_another_file_names_that_one(refusal, write):
    write("x = = 1", "other.py", head="")
    assert refusal("graph", write("import other")) == "other.py:2: invalid syntax: x = = 1"


def test_null_bytes(refusal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.py").write_bytes(b"x = 1\0")
    assert refusal("graph", "bot.py").startswith("bot.py")


def test_bytes_that_are_no_text(refusal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bot.py").write_bytes(b"x = '\xff'")
    assert refusal("graph", "bot.py").startswith("bot.py")


def test_an_import_that_fails(refusal, write):
    said = refusal("chat", write("import does_not_exist"))
    assert said.startswith("bot.py:3: No module named 'does_not_exist'. Install it into this environment")
    said = refusal("chat", write("from fsmkit import nope"))
    assert said.startswith("bot.py:3: cannot import name 'nope' from 'fsmkit'")


def test_what_is_in_an_extra_is_named_with_it(refusal, write, monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "fsmkit.sources.webhook", raising=False)
    said = refusal("run", write("from fsmkit.sources.webhook import Webhook"))
    assert said.startswith("bot.py:3: ")
    assert said.endswith("pip install 'fsmkit[webhook]'")


def test_a_module_whose_own_import_fails(refusal, write):
    write("import does_not_exist", "package/bot.py")
    assert refusal("chat", "package.bot").startswith("package/bot.py:3: No module named 'does_not_exist'")


def test_a_relative_import_of_a_file(refusal, write):
    assert refusal("chat", write("from .other import x")).endswith(
        "Name the file as a module of its package, package.module"
    )


def test_an_exception_while_it_loads(refusal, write):
    file = write("def f():\n    return 1 / 0\nf()\n")
    assert refusal("run", file) == "bot.py:4: ZeroDivisionError: division by zero (while it was loaded)"


def test_an_exception_without_a_text(refusal, write):
    assert refusal("run", write("raise KeyError")) == "bot.py:3: KeyError (while it was loaded)"


def test_a_program_that_ends_itself(refusal, write):
    assert refusal("run", write("import sys\nsys.exit(0)")).startswith("bot.py:4: the program ends here")


def test_a_missing_file_that_the_file_reads(refusal, write):
    said = refusal("run", write("open('settings.toml')"))
    assert said == "bot.py:3: [Errno 2] No such file or directory: 'settings.toml'"


def test_a_flow_that_is_declared_wrongly(refusal, write):
    said = refusal("chat", write("flow = Flow('f')\nflow.state('a')\nflow.state('a')\n"))
    assert said == "bot.py:5: state 'a' of flow 'f' is declared twice. Remove one"


@pytest.mark.parametrize("command", ["chat", "run", "graph"])
def test_flows_that_do_not_fit_together(refusal, write, monkeypatch, command):
    monkeypatch.setenv("BOT_TOKEN", "42:X")
    file = write("a = Flow('same')\na.state('x')\nb = Flow('same')\nb.state('x')\n")
    assert "two flows have this name" in refusal(command, file)


@pytest.mark.parametrize("token", [None, "", "  "])
def test_no_token(refusal, write, monkeypatch, token):
    monkeypatch.delenv("BOT_TOKEN", raising=False)
    if token is not None:
        monkeypatch.setenv("BOT_TOKEN", token)
    said = refusal("run", write(TWO))
    assert said.startswith("BOT_TOKEN is not set: get a token from https://t.me/BotFather")
    assert "`fsmkit chat bot.py`" in said


@pytest.mark.parametrize("command", ["check", "graph", "test"])
def test_a_file_that_runs_a_loop_of_its_own_loads_in_every_command(write, fsmkit, command):
    name = write(
        """
        import asyncio
        from fsmkit.testing import Chat
        seen = []
        flow = Flow("flow", ttl=60)
        flow.state("a", prompt="A?", otherwise="?")
        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            seen.append(event.user_id)
            return ("transition", "a")
        @flow.defstate("a", on=text("[a-z]"))
        def letter(event, ctx):
            ctx.reply("Thanks.")
            return ("end",)
        async def prepare():
            await asyncio.sleep(0)
        asyncio.run(prepare())
        with Chat(flow) as chat:
            chat.say("/start")
        """
    )
    options = ("--seed", "1") if command == "test" else ()
    result = fsmkit(command, name, *options)
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "chat", "graph", "test"])
def test_a_file_that_tests_itself_while_it_loads_is_refused_alike(refusal, write, command):
    file = write(
        """
        from fsmkit.testing import check
        flow = Flow("flow", ttl=60)
        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            ctx.reply("Hello.")
        def tested():
            return check(flow, phases=["tours"])
        tested()
        """
    )
    assert refusal(command, file) == (
        "bot.py:11: the flows of a file cannot be tested while it is loaded. Put check(...) into a function "
        '(def test_flows(): ...), or below `if __name__ == "__main__":`'
    )


def test_a_chat_at_the_top_level_of_a_file_can_restart(write, fsmkit):
    file = write(
        """
        from fsmkit.testing import Chat
        flow = Flow("flow", ttl=60)
        flow.state("a", prompt="A?", otherwise="?")
        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", "a")
        @flow.defstate("a", on=text("[a-z]"))
        def letter(event, ctx):
            ctx.reply("Thanks.")
            return ("end",)
        with Chat(flow) as chat:
            chat.say("/start").restart().say("x").expect("Thanks.")
        """
    )
    assert fsmkit("check", file).exit_code == 0


def test_flows_of_another_module_may_be_tested_at_the_top_level(write, fsmkit):
    write(
        "flow = Flow('flow', ttl=60)\n@flow.defstate(None, on=command('start'))\ndef start(event, ctx):\n    ctx.reply('Hi.')\n",
        "other_bot.py",
    )
    file = write(
        "from other_bot import flow\nfrom fsmkit.testing import check\nassert check(flow, phases=['tours']).ok\n"
    )
    assert fsmkit("check", file).exit_code == 0
