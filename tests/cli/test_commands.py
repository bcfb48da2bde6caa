"""The command as a whole: its options, its drawing, its start, and a real terminal."""

import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import fsmkit as package
from fsmkit.cli.commands import main

CODE = """
flow = Flow("echo")
flow.state("on")

@flow.defstate(None, "on")
def echo(event, ctx):
    ctx.reply(f"You said {event.text}.")
    return ("transition", "on")
"""


def python(*arguments, **options):
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_the_version_is_printed(fsmkit):
    assert fsmkit("--version").stdout == f"fsmkit, version {package.__version__}\n"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_the_commands(fsmkit, option):
    shown = fsmkit(option)
    assert shown.exit_code == 0
    assert [
        word for word in ("chat", "run", "graph", "inspect", "migrate") if f"\n  {word} " not in shown.stdout
    ] == []


def test_the_package_runs_as_a_module():
    assert python("-m", "fsmkit", "--version").stdout == f"fsmkit, version {package.__version__}\n"


def test_a_missing_file_is_a_usage_error():
    done = python("-m", "fsmkit", "chat")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Missing argument 'FILE[:FLOW]'" in done.stderr


def test_what_takes_long_to_import_is_imported_late():
    done = python(
        "-c", "import sys, fsmkit.cli; print({'telegram', 'fsmkit.testing', 'httpx'} & set(sys.modules))"
    )
    assert (done.stdout, done.stderr) == ("set()\n", "")


def test_the_graph_is_printed_for_mermaid(fsmkit, write):
    drawn = fsmkit("graph", write(CODE)).stdout
    assert drawn.startswith('flowchart TB\n    subgraph f1["echo"]\n')
    assert '    s1 -->|"text"| s2_on\n    s2_on -->|"text"| s2_on\n' in drawn


def test_the_graph_is_written_as_the_name_of_the_file_says(fsmkit, write, tmp_path):
    file, picture = write(CODE), tmp_path / "flow.svg"
    assert fsmkit("graph", file, "--out", str(picture)).stdout == ""
    assert picture.read_text() == fsmkit("graph", file, "--format", "svg").stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--out", "flow.gif"), "flow.gif: name it *.md, *.mmd, *.dot, *.gv, *.svg, *.png"),
        (("--format", "png"), "a picture goes to a file: add --out flow.png"),
    ],
)
def test_a_drawing_that_cannot_be_made_says_what_to_write(write, options, said):
    done = CliRunner().invoke(main, ["graph", write(CODE), *options])
    assert done.exit_code == 2
    assert said in done.output


def test_the_graph_counts_the_conversations_of_a_store(fsmkit, write, tmp_path):
    file, store = write(CODE), f"sqlite:{tmp_path / 'bot.db'}"
    fsmkit("chat", file, "--store", store, typed="hello\n")
    assert "on (1)" in fsmkit("graph", file, "--store", store).stdout


def test_the_graph_is_printed_for_graphviz(fsmkit, write):
    assert fsmkit("graph", "--format", "dot", write(CODE)).stdout.startswith("digraph fsmkit {\n")


def test_a_reader_that_goes_away_is_no_failure_worth_a_traceback(write):
    file = write(CODE)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "fsmkit", "graph", file],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert b"Traceback" not in done.stderr


def test_nothing_is_left_beside_the_file(fsmkit, write, tmp_path):
    fsmkit("graph", write(CODE))
    assert [path.name for path in tmp_path.iterdir()] == ["bot.py"]


# -- a terminal ------------------------------------------------------------------------------------


class Terminal:
    """`fsmkit chat` as somebody sees it who sits in front of it."""

    def __init__(self, file):
        self.master, slave = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fsmkit", "chat", file],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "dumb"},
            # A shell has its background jobs ignore interrupts, and so all that they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(slave)
        self.shown = ""

    def until(self, text):
        """Reads until a text is to be seen; gives what came before and with it."""
        end = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < end
            self.shown += os.read(self.master, 4096).decode().replace("\r", "")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def type(self, keys):
        os.write(self.master, keys.encode())

    def ends(self):
        try:
            return self.process.wait(timeout=60)
        finally:
            os.close(self.master)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no pseudo terminals here")
@pytest.mark.parametrize(
    "last", [":quit\n", "\x04", signal.SIGINT], ids=[":quit", "end of input", "interrupt"]
)
def test_a_terminal_prompts_echoes_nothing_and_can_be_left(write, last):
    terminal = Terminal(write(CODE))
    terminal.until("lists more.\n")
    terminal.until("> ")
    terminal.type("hello\n")
    # What is typed stands there already: the terminal itself has shown it.
    assert terminal.until("You said hello.\n") == "hello\nYou said hello.\n"
    terminal.until("> ")
    if isinstance(last, str):
        terminal.type(last)
    else:
        terminal.process.send_signal(last)
        # Python sees a signal that comes just before `input` waits only when a key is pressed.
        terminal.type("\n")
    assert terminal.ends() == 0


def test_each_command_is_told_in_a_whole_sentence(fsmkit):
    listed = fsmkit("--help").stdout.partition("Commands:")[2]
    assert [line for line in listed.splitlines() if line and not line.endswith(".")] == []
    assert "..." not in listed


SECRET = "123456789:AAGw_9vF-0tYkC1dXqUwzB2rPnLhJmEsQo4"


@pytest.mark.parametrize(
    "args",
    [
        ["run", "bot.py", "--token", SECRET],
        ["run", "bot.py", f"--token={SECRET}"],
        ["run", "--bot-token", SECRET, "bot.py"],
        ["run", "bot.py", SECRET],
        ["run", SECRET],
        ["chat", "bot.py", f"--key='{SECRET}'"],
    ],
)
def test_a_token_on_the_command_line_is_refused_and_not_repeated(args):
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 2
    assert SECRET.partition(":")[2] not in done.output
    assert "Put it into the environment: BOT_TOKEN=... fsmkit run FILE" in done.output


def test_a_port_without_a_webhook_is_a_usage_error(fsmkit, write):
    refused = fsmkit("run", write(CODE), "--port", "8443")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--port and --host belong to --webhook URL" in refused.stderr


def test_run_tells_a_webhook_from_what_is_none(fsmkit, write, monkeypatch):
    monkeypatch.setenv("BOT_TOKEN", "42:OFFLINE")
    refused = fsmkit("run", write(CODE), "--webhook", "http:bot")
    assert refused.exit_code == 2
    assert "the webhook is not a URL" in refused.stderr
