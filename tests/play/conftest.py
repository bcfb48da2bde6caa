"""A browser, and bots that are played in it: each page is checked for errors and for requests elsewhere."""

import asyncio
import contextlib
import os
import threading
from pathlib import Path

import pytest

from fsmkit.play.bots import PlayedFlows
from fsmkit.play.server import PlayServer
from fsmkit.play.session import Session
from fsmkit.play.watch import watched

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PATIENCE = 10_000
"""Milliseconds for which the page may let one wait, on a loaded machine."""


@pytest.fixture(scope="module")  # no longer: Playwright leaves its loop running in this thread
def browser():
    """Chromium, with a profile of its own; where it is missing, `.ci/run` fails."""
    why = None
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        why = f"{error}; pip install -e '.[dev]'"
    else:
        why = None if CHROMIUM.exists() else f"there is no {CHROMIUM}: apt-get install chromium"
    if why is not None:
        (pytest.fail if os.environ.get("FSMKIT_BROWSER") else pytest.skip)(why)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


class Served:
    """A bot that is served, in threads of its own."""

    def __init__(self, target, replay=None, resources=None):
        self.session = Session(PlayedFlows(str(target), resources=resources), start=1_800_000_000)
        if replay is not None:
            self.session.begin_with(*replay)
        self.server = PlayServer(self.session)
        self.url = self.server.url
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.server.serve(self.ready.set)))

    @contextlib.contextmanager
    def running(self):
        self.session.begin()
        self.thread.start()
        assert self.ready.wait(10)
        try:
            with watched(self.session):
                yield self
        finally:
            self.server.stop()
            self.thread.join(10)
            self.session.end()
            self.session.thread.join(10)
            assert not self.thread.is_alive()
            assert not self.session.thread.is_alive()

    def do(self, **command):
        """Carry a command out as the page does, without one."""
        return self.session.submit(command).result(20)

    def say(self, text, **more):
        return self.do(do="act", action={"do": "say", "text": text}, **more)

    @property
    def now(self):
        """What the page knows of the step where one stands."""
        return self.session.current.shown


@pytest.fixture
def serve():
    """Return what serves a bot until the test is over."""
    with contextlib.ExitStack() as stack:
        yield lambda target, **options: stack.enter_context(Served(target, **options).running())


class Page:
    """A page of `fsmkit play`, as somebody uses it."""

    def __init__(self, page, served):
        self.page, self.served = page, served
        self.errors, self.elsewhere = [], []
        page.set_default_timeout(PATIENCE)
        page.on(
            "console",
            lambda message: message.type in ("error", "warning") and self.errors.append(message.text),
        )
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._requested)
        page.goto(served.url)
        page.wait_for_selector("[data-testid=input]")

    def _requested(self, request):
        if not request.url.startswith((self.served.url, "blob:")):
            self.elsewhere.append(request.url)

    def all(self, name, **data):
        wanted = "".join(f'[data-{key.replace("_", "-")}="{value}"]' for key, value in data.items())
        return self.page.locator(f'[data-testid="{name}"]{wanted}')

    def one(self, name, **data):
        return self.all(name, **data).last

    def say(self, text):
        steps = self.all("step").count()
        self.one("input").fill(text)
        self.one("input").press("Enter")
        self.steps(steps + 1)

    def press(self, text):
        self.page.locator('[data-testid="button"]', has_text=text).last.click()

    def steps(self, count):
        """Wait until there are so many steps."""
        self.page.wait_for_function(
            "count => document.querySelectorAll('[data-testid=step]').length === count", arg=count
        )

    def stands_in(self, state):
        """Wait until the diagram says that one stands in a state; `None`: in none."""
        if state is None:
            self.page.wait_for_function("() => !document.querySelector('.state[data-status=now]')")
        else:
            self.page.wait_for_selector(f'[data-testid="state"][data-state="{state}"][data-status="now"]')

    def says(self, text):
        """Wait until the bot has said something."""
        self.page.locator('[data-testid="bubble"][data-from="bot"]', has_text=text).last.wait_for()

    def shot(self, path):
        self.page.screenshot(path=path)


@pytest.fixture
def opened(browser, serve):
    """Return what plays a bot in the browser; what no page may do is looked for when the test is over."""
    pages = []
    with contextlib.ExitStack() as stack:

        def open_page(target, *, served=None, width=1440, height=860, dark=False, **options):
            served = served or serve(target, **options)
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            stack.callback(context.close)
            pages.append(Page(context.new_page(), served))
            return pages[-1]

        yield open_page
        wrong = [(page.errors, page.elsewhere) for page in pages if page.errors or page.elsewhere]
    assert wrong == []
