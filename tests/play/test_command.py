"""The command: it prints the address first, serves until it is interrupted, and leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.thorough  # processes


@contextlib.contextmanager
def command(*args, cwd=ROOT):
    made = subprocess.Popen(
        [sys.executable, "-m", "fsmkit", "play", *args, "--no-open"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        # A shell has its background jobs ignore interrupts, and so all that they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield made, made.stdout.readline().strip()
    finally:
        made.kill()
        made.communicate()


def test_it_prints_the_address_first_and_ends_by_an_interrupt():
    with command("examples/signup.py", "--port", "0") as (process, url):
        assert httpx.get(url).status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_a_file_with_a_mistake_and_a_port_that_is_taken_say_so(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("from fsmkit import Flow\nflow = Flow('x'\n")
    with command(str(bad)) as (process, url):
        assert url == ""
        assert process.wait(20) == 2
        assert "bad.py:2" in process.stderr.read()
    with command("examples/signup.py") as (_, url):
        port = url.split(":")[2].split("/")[0]
        with command("examples/signup.py", "--port", port) as (process, _):
            assert process.wait(20) == 2
            assert "Give another one by --port" in process.stderr.read()


def test_a_bot_without_flows_is_played_as_it_is(opened, tmp_path):
    (tmp_path / "booking.py").write_bytes((ROOT / "tests" / "any_bots" / "booking.py").read_bytes())
    with command("booking.py", cwd=tmp_path) as (process, url):
        page = opened(None, served=SimpleNamespace(url=url))
        page.say("/book")
        page.says("Which day?")
        assert page.all("button", stale="true").count() == 0
        assert page.one("person-tab").inner_text().endswith("Step.DAY")
        page.all("button").first.click()
        page.steps(2)
        assert "booking.py:" in page.one("step", current="true").inner_text()
        page.all("timeline-dot").nth(1).click()
        page.steps(1)
        page.say("hello")
        assert "No handler took it" in page.one("step", current="true").inner_text()
        assert page.one("restart").is_disabled()
        assert not page.one("diagram").is_visible()
        process.kill()  # not even asked to end
        page.page.wait_for_function("() => document.body.textContent.includes('not connected')")
        page.errors.clear()  # the browser says that the server is gone
    assert not [each for each in os.listdir(tmp_path) if each not in ("booking.py", "__pycache__")]
