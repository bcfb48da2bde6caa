"""The process in which a bot is tested: `python -P -m fsmkit.testing.any_bot.child JOB`.

JOB is a JSON file; the report is written to the file that it names. What the bot prints goes nowhere.
"""

import faulthandler
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from fsmkit.errors import DefinitionError
from fsmkit.testing.any_bot.hanging import HangGuard
from fsmkit.testing.any_bot.moved import Comparison
from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.report import BotReport, MovedReport
from fsmkit.testing.any_bot.search import EFFORTS, BotSearch, Talks
from fsmkit.testing.any_bot.stubs import put_stubs
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.any_bot.walls import Walls
from fsmkit.testing.harness.actions import action_from_json
from fsmkit.testing.loading import LoadError

PATIENCE = 20
"""Seconds of real time that the bot has for one thing; longer, and it hangs."""


def work(job: dict[str, Any], beat: Callable[[], None], progress: Callable[[str], None]) -> dict[str, Any]:
    """Test the bot; return what is told to the parent.

    Args:
        job: What to test, and how; `fsmkit.cli.test_bot` writes it.
        beat: Called while the bot does not hang.
        progress: Told how far it has come.
    """
    root = Path(job["root"])
    os.chdir(root)
    sys.dont_write_bytecode = True
    setup = None if job["setup"] is None else Path(job["setup"])
    file = job["module"] if job["file"] is None else root / job["file"]
    program = Program(file, root, entry=job["entry"], setup=setup)
    tree = Tree(root, Path(job["spare"]), Path(job["temporary"]))
    put_stubs(job["stubs"])
    walls = Walls(root, job["hosts"])
    walls.put_up()

    def alive() -> None:
        beat()
        progress(_progress(search))

    talks = Talks(
        program,
        tree,
        chat=job["chat"],
        users=job["users"],
        seed=job["seed"],
        walls=walls,
        beat=alive,
        guard=HangGuard(root),
    )
    search = BotSearch(talks, EFFORTS[job["profile"]])
    if job["moved"]:
        return _compared(job, search, walls)
    replays = [
        (chat, [action_from_json(act, ()) for act in actions]) for chat, actions in job["replays"] or ()
    ]
    try:
        if job["replays"] is None:
            search.run()
        else:
            search.replay(replays)
    except LoadError as error:
        return {"error": str(error), "refused": list(walls.refused)}
    report = BotReport(search, job["name"], job["profile"], list(walls.refused))
    return {"text": str(report), "ok": report.ok, "json": report.to_json()}


def _compared(job: dict[str, Any], search: BotSearch, walls: Walls) -> dict[str, Any]:
    """Hold the bot's flows against the bot; return what is told to the parent."""
    comparison = Comparison(search)
    try:
        comparison.run()
    except (LoadError, DefinitionError) as error:
        said = f"{error.problem}. {error.remedy}" if isinstance(error, DefinitionError) else str(error)
        return {"error": said, "refused": list(walls.refused)}
    report = MovedReport(comparison, job["name"], job["profile"], list(walls.refused))
    return {"text": str(report), "ok": report.ok, "json": report.to_json()}


def _progress(search: BotSearch) -> str:
    talks = search.talks
    return f"{talks.count:,} conversations, {talks.actions:,} actions, {len(search.shown)} found so far"


class ProgressFile:
    """A file in which stands how far a search has come, for the parent to read.

    Args:
        file: Opened before the walls go up.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._next = 0.0

    def tell(self, said: str) -> None:
        """Write it, a few times a second at most."""
        if (now := time.monotonic()) >= self._next:
            self._next = now + 0.25
            self._file.seek(0)
            self._file.write(said.ljust(80) + "\n")
            self._file.flush()


def main(path: str) -> None:
    """Do the job that stands in a file."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    # Opened before the walls go up.
    with (
        open(job["out"], "w", encoding="utf-8") as out,
        open(job["hangs"], "w", encoding="utf-8") as hangs,
        open(job["progress"], "w", encoding="utf-8") as progress,
    ):

        def beat() -> None:
            faulthandler.dump_traceback_later(PATIENCE, exit=True, file=hangs)

        beat()
        out.write(json.dumps(work(job, beat, ProgressFile(progress).tell)))
        faulthandler.cancel_dump_traceback_later()


if __name__ == "__main__":
    status = 0
    try:
        main(sys.argv[1])
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)  # whatever threads the bot has left: they would keep this process for ever
