"""The process in which a bot without flows is played: `python -P -m fsmkit.play.child JOB`.

JOB is a JSON file. The first line that is printed is the page's address; what the bot prints goes to standard
error. The socket is open before the walls go up, and the page's parts are in memory.
"""

import asyncio
import contextlib
import json
import os
import sys
import threading
from pathlib import Path

from fsmkit.play.programs import program_of
from fsmkit.play.server import PlayServer
from fsmkit.play.session import Session
from fsmkit.testing.any_bot.stubs import put_stubs
from fsmkit.testing.any_bot.walls import Walls


def main(path: str) -> None:
    """Do the job that stands in a file."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    root = Path(job["root"])
    os.chdir(root)
    sys.dont_write_bytecode = True
    session = Session(program_of(job))
    if job["chat"] is not None:
        session.groups[:] = [job["chat"]]
    session.people += [user for user in job["users"] if user not in session.people]
    server = PlayServer(session, job["port"])
    put_stubs(job["stubs"])

    def ready() -> None:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        os.dup2(2, 1)
        session.begin()

    threading.Thread(target=_end_with_parent, name="fsmkit parent", daemon=True).start()
    Walls(root, job["hosts"]).put_up()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.serve(ready))


def _end_with_parent() -> None:
    """End this process with the one that has begun it, which holds the other end of standard input."""
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    status = 0
    try:
        main(sys.argv[1])
    except OSError as error:
        sys.stderr.write(f"fsmkit: the page cannot be served: {error.strerror or error}\n")
        status = 2
    sys.stderr.flush()
    os._exit(status)  # whatever threads the bot has left: they would keep this process for ever
