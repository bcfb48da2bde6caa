"""`fsmkit test` on a bot without flows: a copy, a child process, and what it reports.

Nothing of the bot's code runs in this process. What it is can be read from its imports.
"""

import ast
import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import attrs

import fsmkit
from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.output import as_json, print_json, write
from fsmkit.testing.any_bot.copying import copy_directory, environment
from fsmkit.testing.loading import split_target


@attrs.frozen
class BotOptions:
    """What can be said of a bot that is tested as it is.

    Attributes:
        env: Variables that it gets, `NAME` or `NAME=VALUE`.
        setup: A file that runs before it.
        stubs: Modules of which a stub takes the place.
        hosts: Hosts that it may reach.
        users: Ids of people who talk to it too.
        chat: The group in which they do.
    """

    env: tuple[str, ...] = ()
    setup: str | None = None
    stubs: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    users: tuple[int, ...] = ()
    chat: int | None = None


def is_plain_bot(target: str) -> bool:
    """Return whether a file, with its imports from beside it, uses python-telegram-bot and not fsmkit."""
    name, _ = split_target(target)
    path = _path_of(name)
    if path is None:
        return False
    imported = _imports(path)
    return "telegram" in imported and "fsmkit" not in imported


def _path_of(name: str) -> Path | None:
    """Return the file of a target that is no module of flows already imported."""
    if Path(name).is_file():
        return Path(name)
    if Path(name).exists() or name.endswith(".py") or not re.fullmatch(r"\w+(\.\w+)*", name):
        return None
    found = Path(*name.split("."))
    for path in (found.with_suffix(".py"), found / "__main__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> set[str]:
    """Return the top-level names of what a file imports, and the files beside it that it imports in turn."""
    names: set[str] = set()
    todo, seen = [path.resolve()], set[Path]()
    places = [str(path.resolve().parent), str(Path.cwd())]
    while todo:
        file = todo.pop()
        if file in seen:
            continue
        seen.add(file)
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            for module in _modules_in(node):
                names.add(module.partition(".")[0])
                todo += _own_files(module, [str(file.parent), *places])
    return names


def _modules_in(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = node.module or ""
        return [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
    return []


def _own_files(module: str, places: Sequence[str]) -> list[Path]:
    """Return the files of a module that lies beside the bot, not those of one that is installed."""
    found: list[Path] = []
    for place in places:
        path = Path(place, *module.split("."))
        found += [
            each for each in (path.with_suffix(".py"), path / "__init__.py") if module and each.is_file()
        ]
    return found


def test_bot(
    target: str,
    options: BotOptions,
    *,
    profile: str,
    seed: int | None,
    out: str | None,
    replay: str | None,
    moved: bool,
) -> bool:
    """Test a bot as it is, and print the report; return whether nothing is wrong.

    Args:
        target: `FILE[:NAME]` or `package.module[:NAME]`; NAME makes the application or is it.
        options: What can be said of the bot.
        profile: How long is searched.
        seed: Repeats an earlier run.
        out: Where the report is written as JSON; `-`: to standard output, instead of the text.
        replay: A JSON report whose conversations are had again, instead of all else.
        moved: Whether its ConversationHandlers are held against the flows that `move` makes of them.

    Raises:
        CommandError: If it cannot run.
    """
    if moved and replay is not None:
        raise CommandError("--replay replays conversations with the bot as it is: leave out --moved")
    if out != "-":
        echo(f"testing {split_target(target)[0]} (profile {profile})")
    with copied_bot(target, options) as (job, base, made):
        job |= {
            "seed": random.randrange(2**32) if seed is None else seed,
            "profile": profile,
            "replays": None if replay is None else _conversations(replay),
            "moved": moved,
            "out": str(base / "report.json"),
            "progress": str(base / "progress"),
            "hangs": str(base / "hangs"),
        }
        answer = _child(job, base, made)
    if "error" in answer:
        refused = f" ({answer['refused'][0]})" if answer["refused"] else ""
        raise CommandError(f"{answer['error']}{refused}")
    if out == "-":
        print_json(answer["json"])
    else:
        echo(answer["text"])
        if out is not None:
            write(out, as_json(answer["json"]) + "\n")
    return bool(answer["ok"])


@contextlib.contextmanager
def copied_bot(target: str, options: BotOptions) -> Generator[tuple[dict[str, Any], Path, dict[str, str]]]:
    """Copy a bot's directory; yield what a child process is told of it, where it may write, its environment.

    Args:
        target: `FILE[:NAME]` or `package.module[:NAME]`.
        options: What can be said of the bot.

    Raises:
        CommandError: If there is no such file.
    """
    name, entry = split_target(target)
    path = _path_of(name)
    if path is None:
        raise CommandError(f"{name}: no such file")
    with tempfile.TemporaryDirectory(prefix="fsmkit-test-") as directory:
        base = Path(directory).resolve()
        root, temporary = base / "bot", base / "tmp"
        root.mkdir()
        temporary.mkdir()
        copied = copy_directory(path, root)
        job: dict[str, Any] = {
            "root": str(root),
            "spare": str(base / "spare"),
            "temporary": str(temporary),
            "file": str(path.resolve().relative_to(copied)) if Path(name).is_file() else None,
            "module": name,
            "name": name,
            "entry": entry,
            "setup": None if options.setup is None else str(Path(options.setup).resolve()),
            "stubs": options.stubs,
            "hosts": options.hosts,
            "users": options.users,
            "chat": options.chat,
        }
        sources = [each.read_text(encoding="utf-8", errors="replace") for each in root.rglob("*.py")]
        made = environment(os.environ, options.env, sources)
        own = str(Path(fsmkit.__file__).parent.parent)
        made |= {
            "PYTHONPATH": os.pathsep.join([own, *filter(None, [made.get("PYTHONPATH")])]),
            "TMPDIR": str(temporary),
            "TEMP": str(temporary),
            "TMP": str(temporary),
        }
        yield job, base, made


def _conversations(path: str) -> list[tuple[int | None, list[Any]]]:
    """Return the conversations of a report, each with the group in which it takes place."""
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        return [
            (each.get("chat"), [step["act"] for step in each["conversation"]])
            for each in report["findings"]
            if each["conversation"]
        ]
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is not a report of `fsmkit test --json`") from error


def _child(job: dict[str, Any], base: Path, made: dict[str, str]) -> dict[str, Any]:
    """Have the job done by a process of its own; return what it says."""
    (base / "job.json").write_text(json.dumps(job), encoding="utf-8")
    command = [sys.executable, "-P", "-m", "fsmkit.testing.any_bot.child", str(base / "job.json")]
    with open(base / "stderr", "w+", encoding="utf-8", errors="replace") as said:
        with subprocess.Popen(
            command,
            env=made,
            cwd=job["root"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        ) as child:
            try:
                _show_progress(child, Path(job["progress"]))
            except BaseException:
                child.kill()
                raise
        said.seek(0)
        done = subprocess.CompletedProcess(command, child.returncode, stderr=said.read())
    try:
        answer: dict[str, Any] = json.loads(Path(job["out"]).read_text(encoding="utf-8"))
        return answer
    except (OSError, ValueError):
        raise CommandError(f"{job['name']}: {_why_not(job, done)}") from None


def _show_progress(child: "subprocess.Popen[bytes]", progress: Path) -> None:
    """Wait for the child's end; on a terminal, say meanwhile how far it has come."""
    if not sys.stderr.isatty():
        child.wait()
        return
    while True:
        try:
            child.wait(timeout=0.3)
            break
        except subprocess.TimeoutExpired:
            said = progress.read_text(encoding="utf-8").strip() if progress.exists() else ""
            print(f"\r{said.ljust(80)[:80]}", end="", file=sys.stderr, flush=True)
    print(f"\r{' ' * 80}\r", end="", file=sys.stderr, flush=True)


def _why_not(job: dict[str, Any], done: "subprocess.CompletedProcess[str]") -> str:
    """Return what became of a child that has reported nothing."""
    hanging = Path(job["hangs"]).read_text(encoding="utf-8") if Path(job["hangs"]).exists() else ""
    for file, line in re.findall(r'File "([^"]+)", line (\d+)', hanging):
        if file.startswith(job["root"]):
            place = f"{os.path.relpath(file, job['root'])}:{line}"
            return f"{place} has not returned for 20 s: nothing more was tested"
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"the bot's process ended during the test, with status {done.returncode}: {last}"
