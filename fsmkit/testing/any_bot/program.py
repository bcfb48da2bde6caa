"""A bot's own program: its file runs as `__main__`, and hands its application over where it would start.
The program is not left while people talk to its bot: `run_polling` takes as long as the conversation does,
so that what the program does after it (closing a database) comes after it here too. Where the bot is
started in a coroutine of the program's own, that coroutine waits in `start_polling` meanwhile, and ends
there.

Whatever token, proxy or server the program names, its bot talks to the Telegram in memory.
"""

import asyncio
import contextlib
import gc
import importlib.util
import inspect
import logging
import os
import re
import sys
import warnings
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias
from unittest import mock

import attrs
from telegram import Bot
from telegram.ext import Application, ApplicationBuilder, Updater

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.flow.locations import location_in_user_code, shown_path
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.harness.job_queue import ClockedJobs, on_clock
from fsmkit.testing.harness.loop import DrawnLoop
from fsmkit.testing.harness.times import clocked_times
from fsmkit.testing.loading import LoadError

Session: TypeAlias = Callable[[AnyApplication, bool], Awaitable[None]]
"""What is done with the application; told whether the program has already started it by hand."""


class ProgramOver(SystemExit):
    """Ends a program whose bot is no longer needed, as a signal would."""


@attrs.define(eq=False)
class Program:
    """A bot's program.

    Attributes:
        file: Its file, or the name of its module.
        root: The directory in which it runs; modules from there are loaded anew each time.
        entry: The name of what makes or is the application; `None`: the file starts it by itself.
        setup: A file that runs before it.
    """

    file: Path | str
    root: Path
    entry: str | None = None
    setup: Path | None = None
    module: ModuleType = attrs.field(factory=lambda: ModuleType("__main__"), init=False)
    _built: list[AnyApplication] = attrs.field(factory=list[AnyApplication], init=False)
    _session: Session | None = attrs.field(default=None, init=False)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.file if isinstance(self.file, str) else shown_path(str(self.file))

    def run(self, offline: OfflineTelegram, session: Session) -> None:
        """Run the program from its beginning, until the session with its application is over.

        Args:
            offline: The Telegram that its bot talks to.
            session: What is done with the application.

        Raises:
            LoadError: If it does not run, or hands no application over.
        """
        failures: list[BaseException] = []

        async def guarded(app: AnyApplication, started: bool) -> None:
            try:
                await session(app, started)
            except BaseException as error:  # it is not the program's, which may catch what it likes
                failures.append(error)

        self._session = guarded
        self._built.clear()
        self._forget_modules()
        with self._hooks(offline), self._as_main():
            loop = DrawnLoop()
            asyncio.set_event_loop(loop)
            try:
                self._execute()
            finally:
                _close_loop()
                loop.close()
        if failures:
            raise failures[0]
        if self._session is not None:
            raise LoadError(self._nothing_found())

    def modules(self) -> list[ModuleType]:
        """Return the bot's own modules, its file first."""
        root = str(self.root)
        others = [
            m for m in list(sys.modules.values()) if (getattr(m, "__file__", None) or "").startswith(root)
        ]
        return [self.module, *(module for module in others if module is not self.module)]

    # -- its code --------------------------------------------------------------------------------------

    def _execute(self) -> None:
        try:
            with contextlib.suppress(SystemExit):
                if self.setup is not None:
                    exec(_code(self.setup), {"__name__": "setup", "__file__": str(self.setup)})
                exec(self._main_code(), vars(self.module))
            if self._session is not None and self.entry is not None:
                self._enter(getattr(self.module, self.entry, None))
            if self._session is not None and self.entry is None and self._built:
                self._run_session(self._built[-1])
        except LoadError:
            raise
        except Exception as error:
            if self._session is None:
                return  # what the program does once its bot has stopped is not what is tested
            raise LoadError(_why_not_loaded(self.name, error)) from error

    def _main_code(self) -> Any:
        if isinstance(self.file, Path):
            self.module.__file__ = str(self.file)
            return _code(self.file)
        # As `python -m` does: the package is imported, the module's own code runs as `__main__`.
        spec = importlib.util.find_spec(self.file)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{self.file}.__main__")
        if spec is None or spec.origin is None:
            raise LoadError(f"{self.file}: no such file, and no module of that name")
        self.module.__file__, self.module.__spec__, self.module.__package__ = spec.origin, spec, spec.parent
        return _code(Path(spec.origin))

    def _enter(self, found: Any) -> None:
        """Use what was named beside the file: an application, or a function that makes or starts one."""
        if found is None:
            raise LoadError(f"{self.name} has no {self.entry!r} at its top level")
        if callable(found) and not isinstance(found, Application):
            with contextlib.suppress(SystemExit):
                found = found()
                if inspect.iscoroutine(found):
                    found = asyncio.run(found)
        found = found.build() if isinstance(found, ApplicationBuilder) else found
        if self._session is not None and not isinstance(found, Application) and self._built:
            found = self._built[-1]
        if self._session is not None and isinstance(found, Application):
            self._run_session(found)

    def _nothing_found(self) -> str:
        named = f"{self.name}:{self.entry}" if self.entry is not None else self.name
        return (
            f"{named} starts no Application of python-telegram-bot: name the file that calls run_polling(), "
            f"or the function or variable that has the Application, as in {self.name}:main"
        )

    def _forget_modules(self) -> None:
        """Have the bot's own modules loaded anew."""
        root = str(self.root)
        for name, module in list(sys.modules.items()):
            if (getattr(module, "__file__", None) or "").startswith(root) and name != "__main__":
                del sys.modules[name]
        gc.collect(0)

    @contextmanager
    def _as_main(self) -> Generator[None]:
        self.module = ModuleType("__main__")
        before = sys.modules["__main__"], list(sys.path), list(sys.argv), list(logging.root.handlers)
        environment, disabled, directory = dict(os.environ), logging.root.manager.disable, Path.cwd()
        sys.modules["__main__"] = self.module
        beside = str(self.file.parent if isinstance(self.file, Path) else self.root)
        os.chdir(self.root)
        sys.path[:] = [beside, *(path for path in sys.path if path != beside)]
        sys.argv[:] = [str(self.file)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                logging.disable()
                yield
        finally:
            sys.modules["__main__"] = before[0]
            sys.path[:], sys.argv[:], logging.root.handlers[:] = before[1:]
            logging.disable(disabled)
            os.chdir(directory)
            os.environ.clear()
            os.environ.update(environment)

    # -- where its bot would start ---------------------------------------------------------------------

    @contextmanager
    def _hooks(self, offline: OfflineTelegram) -> Generator[None]:
        build, make, start = ApplicationBuilder.build, Bot.__init__, Application.start
        request = offline.request

        def built(builder: Any) -> AnyApplication:
            builder._token = offline.world.token
            if not isinstance(builder._bot, Bot):
                builder._request, builder._get_updates_request = request(), request()
            app: AnyApplication = build(builder)
            ClockedJobs(app)  # from now on the test's clock says when its jobs run
            self._built.append(app)
            return app

        def made(bot: Any, token: Any = None, *given: Any, **options: Any) -> None:
            del token
            options |= {"request": request(), "get_updates_request": request()}
            make(bot, offline.world.token, *given[:2], **options)

        def run(app: AnyApplication, *_given: Any, **_options: Any) -> None:
            self._run_session(app)

        async def poll(updater: Updater, *_given: Any, **_options: Any) -> None:
            await self._hand_over(next((app for app in self._built if app.updater is updater), None))

        async def started(app: AnyApplication) -> None:
            await start(app)
            if app.updater is None:  # updates come to it by the program's own server
                await self._hand_over(app)

        clock = offline.world.clock
        with ExitStack() as stack:
            stack.enter_context(on_clock(clock))
            sleep = clock.advance if isinstance(clock, ManualClock) else None
            stack.enter_context(clocked_times(clock.now, sleep))
            patch = mock.patch.object
            stack.enter_context(patch(ApplicationBuilder, "build", built))
            stack.enter_context(patch(Bot, "__init__", made))
            stack.enter_context(patch(asyncio.events, "new_event_loop", DrawnLoop))  # for `asyncio.run`
            stack.enter_context(patch(asyncio, "new_event_loop", DrawnLoop))
            for name in ("run_polling", "run_webhook"):
                stack.enter_context(patch(Application, name, run))
            stack.enter_context(patch(Application, "start", started))
            stack.enter_context(patch(Application, "stop_running", lambda _app: None))  # the search goes on
            for name in ("start_polling", "start_webhook"):
                stack.enter_context(patch(Updater, name, poll))
            yield

    def _run_session(self, app: AnyApplication) -> None:
        """Have the session, in the loop in which the application would run."""
        session, self._session = self._session, None
        if session is None:
            return
        try:
            loop = asyncio.get_event_loop()
        except RuntimeError:  # `asyncio.run` has taken it away
            loop = DrawnLoop()
        loop = DrawnLoop() if loop.is_closed() else loop
        asyncio.set_event_loop(loop)
        loop.run_until_complete(session(app, False))

    async def _hand_over(self, app: AnyApplication | None) -> None:
        session = self._session
        if session is None or app is None:
            return
        self._session = None
        await session(app, True)
        raise ProgramOver


def _close_loop() -> None:
    """End what is left in the loop that is the program's now."""
    with contextlib.suppress(RuntimeError):
        loop = asyncio.get_event_loop()
        if not loop.is_closed():
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            loop.close()
    asyncio.set_event_loop(None)


_CODES: dict[tuple[Path, bytes], Any] = {}


def _code(path: Path) -> Any:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise LoadError(f"{shown_path(str(path))}: {error.strerror or error}") from error
    if (path, source) not in _CODES:
        _CODES[path, source] = compile(source, str(path), "exec")
    return _CODES[path, source]


def _why_not_loaded(name: str, error: Exception) -> str:
    """Return why a program did not come to start its bot, and what to name."""
    place = location_in_user_code(error) or name
    if isinstance(error, SyntaxError):
        return f"{shown_path(error.filename or name)}:{error.lineno}: {error.msg}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        module = error.name.partition(".")[0]
        return f"{place}: {error}. Install it into this environment, or give `--stub {module}`"
    if isinstance(error, KeyError) and re.search(r"\benviron\b", _line(error)):
        return f"{place}: {error} is not set. Give `--env {error.args[0]!s}=VALUE`"
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    return f"{place}: {said} (before the bot was started)"


def _line(error: Exception) -> str:
    """Return the source line of the user's own code at which an error was raised."""
    import linecache

    place = location_in_user_code(error)
    file, _, line = (place or "").rpartition(":")
    return linecache.getline(file, int(line)) if line.isdecimal() else ""
