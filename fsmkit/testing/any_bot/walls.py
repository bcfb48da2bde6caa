"""Walls around a stranger's program: it reaches loopback only, starts no program, writes to its copy only.
`sys.addaudithook` tells of connections, name look-ups, programs and files before they happen, whoever asks
for them in Python. It is no prison: who writes C can leave. It keeps a bot that is tested from mailing,
paying, posting, and from overwriting what it works on in earnest.
"""

import ipaddress
import os
import socket
import sqlite3
import sqlite3.dbapi2
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import parse_qs, unquote

_posixsubprocess: Any


try:
    import _posixsubprocess
except ImportError:  # Windows
    _posixsubprocess = None

PROGRAMS = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "os.startfile",
        "os.kill",
        "os.killpg",
        "_winapi.CreateProcess",
        "pty.spawn",
    }
)
"""Events that start a program, or end one."""

LOOK_UPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})

CHANGES: Mapping[str, tuple[tuple[int, int | None], ...]] = {
    "os.mkdir": ((0, 2),),
    "os.remove": ((0, 1),),
    "os.rmdir": ((0, 1),),
    "os.rename": ((0, 2), (1, 3)),
    "os.truncate": ((0, None),),
    "os.link": ((0, 2), (1, 3)),  # what is linked could be changed by its new name
    "os.symlink": ((1, 2),),
    "os.chmod": ((0, 2),),
    "os.chown": ((0, 3),),
    "os.utime": ((0, 3),),
    "os.setxattr": ((0, None),),
    "os.removexattr": ((0, None),),
    "shutil.rmtree": ((0, None),),
}
"""Events that change files: which of their arguments are paths, and which the open directory of each."""

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class WallError(PermissionError):
    """Something that a bot may not do while it is tested."""

    fsmkit_wall = True


class Walls:
    """What a program may not do, and what it was refused.

    Args:
        root: The directory that it may write to.
        hosts: Names of hosts that it may reach beside this machine.

    Attributes:
        refused: Sentences of what was refused, each once.
        count: How often something was refused.
    """

    def __init__(self, root: Path, hosts: Iterable[str] = ()) -> None:
        self._own = (
            _real(root),
            _real(Path(tempfile.gettempdir())),
            _real(Path(os.devnull)),
            _real(Path("/dev/tty")),
        )
        self._root = _real(root)
        self._hosts = {host.lower() for host in hosts}
        self._addresses: set[str] = set()
        self._inside = threading.local()
        self.refused: dict[str, None] = {}
        self.count = 0

    def put_up(self) -> None:
        """Put them up, for the rest of this process."""
        sys.addaudithook(self.check)
        self._connect = sqlite3.connect
        sqlite3.connect = sqlite3.dbapi2.connect = self._connected  # type: ignore[assignment]
        if _posixsubprocess is not None:  # `multiprocessing` starts programs by it, and no hook is told
            _posixsubprocess.fork_exec = self._forks

    def _forks(self, program: Any, *_args: Any) -> int:
        self.check("subprocess.Popen", (program,))
        raise AssertionError("the walls let a program pass")

    def check(self, event: str, args: tuple[Any, ...]) -> None:
        """Let an event pass, or refuse it.

        Raises:
            WallError: If the program may not do that.
        """
        judge = _JUDGES.get(event)
        if judge is None or getattr(self._inside, "busy", False):
            return
        self._inside.busy = True
        try:
            said = judge(self, event, args)
            if said is not None:
                self._refuse(*said)
        finally:
            self._inside.busy = False

    def _refuse(self, what: str, remedy: str) -> None:
        place, module = self._caller()
        self.count += 1
        self.refused[f"{place or 'the program'} {what}: {remedy.format(module=module or 'MODULE')}"] = None
        raise WallError(f"fsmkit test does not let a bot do this: it {what}")

    def _caller(self) -> tuple[str | None, str | None]:
        """Return `file:line` of the bot's own code that is running, and the module that it has called."""
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # asyncio looks names up in a thread
        for start in (sys._getframe(), frames.get(threading.main_thread().ident or 0)):  # pyright: ignore[reportPrivateUsage]
            frame: FrameType | None = start
            module: str | None = None
            while frame is not None:
                file = frame.f_code.co_filename
                if file.startswith(self._root) and not file.startswith("<"):
                    return f"{os.path.relpath(file, self._root)}:{frame.f_lineno}", module
                name = str(frame.f_globals.get("__name__", "")).partition(".")[0]
                module = name if name not in sys.stdlib_module_names and name != "fsmkit" else module
                frame = frame.f_back
        return None, None

    def _connected(self, *given: Any, **options: Any) -> sqlite3.Connection:
        """Connect to a database that attaches no file which may not be written."""
        made: sqlite3.Connection = self._connect(*given, **options)

        def allowed(action: int, name: str | None, *_args: str | None) -> int:
            if action == sqlite3.SQLITE_ATTACH:
                try:
                    self.check("sqlite3.connect", (name or "",))
                except WallError:
                    return sqlite3.SQLITE_DENY
            return sqlite3.SQLITE_OK

        made.set_authorizer(allowed)
        return made

    # -- what is refused -------------------------------------------------------------------------------

    def _looks_up(self, _event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        host = args[0]
        name = host.decode() if isinstance(host, bytes) else host
        if name is None or _is_loopback(name) or _is_address(name):
            return None
        if name.lower() in self._hosts:
            self._addresses |= {str(found[4][0]) for found in socket.getaddrinfo(name, None)}
            return None
        return f"calls {name}", _REACH.replace("HOST", name)

    def _connects(self, _event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        address = args[1] if len(args) > 1 else None
        if address is None:
            return None
        host = address[0] if isinstance(address, tuple) else str(address)
        if isinstance(address, tuple) and (
            _is_loopback(host) or host in self._addresses or host.lower() in self._hosts
        ):
            return None
        return f"calls {host}", _REACH.replace("HOST", host)

    def _starts(self, event: str, args: tuple[Any, ...]) -> tuple[str, str]:
        if event.startswith("os.kill"):
            return f"sends a signal to process {args[0]}", "nothing is ended while it is tested"
        named = args[0] if args else event
        named = named[0] if isinstance(named, list | tuple) and named else named
        return (
            f"starts the program {os.fsdecode(named) if isinstance(named, bytes) else named}",
            "`--stub {module}`",
        )

    def _opens(self, _event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        path, mode, flags = args
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (
            not isinstance(mode, str) and isinstance(flags, int) and flags & WRITING
        )
        return self._written(path) if writes else None

    def _changes(self, event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        found = (self._written(args[at], None if of is None else args[of]) for at, of in CHANGES[event])
        return next((said for said in found if said is not None), None)

    def _keeps(self, _event: str, args: tuple[Any, ...]) -> tuple[str, str] | None:
        name = os.fsdecode(args[0])
        if name.startswith("file:"):
            name, _, query = name.removeprefix("file:").partition("?")
            if parse_qs(query).get("mode", [""])[-1] in ("ro", "memory"):
                return None
            name = unquote(name)
        return None if name in ("", ":memory:") else self._written(name)

    def _written(self, path: Any, directory: int | None = None) -> tuple[str, str] | None:
        if isinstance(path, int):
            return None
        found = Path(os.fsdecode(path))
        if directory is not None and directory >= 0 and not found.is_absolute():
            found = _directory_of(directory) / found
        name = _real(found)
        if any(name == own or name.startswith(own + os.sep) for own in self._own):
            return None
        return f"writes {name}, outside of its directory", "name it relative to the bot's directory"


def _directory_of(descriptor: int) -> Path:
    """Return the directory that a file descriptor stands for; the root where the system does not tell."""
    try:
        return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
    except OSError:
        return Path("/")


_REACH = "`--stub {module}` or `--allow-net HOST`"

_Judge = Callable[[Walls, str, tuple[Any, ...]], "tuple[str, str] | None"]

_JUDGES: dict[str, _Judge] = {
    **dict.fromkeys(LOOK_UPS, Walls._looks_up),  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(CONNECTIONS, Walls._connects),  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(PROGRAMS, Walls._starts),  # pyright: ignore[reportPrivateUsage]
    **dict.fromkeys(CHANGES, Walls._changes),  # pyright: ignore[reportPrivateUsage]
    "open": Walls._opens,  # pyright: ignore[reportPrivateUsage]
    "sqlite3.connect": Walls._keeps,  # pyright: ignore[reportPrivateUsage]
}


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _is_loopback(host: str) -> bool:
    if host.lower() in ("localhost", "", "0.0.0.0", "::"):  # one's own, where somebody listens there
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
