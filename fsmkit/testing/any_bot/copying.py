"""What a bot gets for the test: a copy of its directory, and an environment without credentials."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fsmkit.testing.loading import LoadError

LEFT_OUT = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        "__pycache__",
        "node_modules",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".tox",
        ".nox",
        ".venv",
        ".idea",
        ".vscode",
        ".hypothesis",
    }
)
"""Directories that are not copied; nor are virtual environments of any name."""

LARGEST = 50_000_000
"""Bytes of a file that is copied."""

MOST_FILES = 5_000
"""Files of a directory that is copied as a whole."""

SECRET = re.compile(
    r"TOKEN|SECRET|PASS|PWD|CREDENTIAL|AUTH|COOKIE|SESSION|DSN|(^|_)KEY|KEY$|PRIVATE|WEBHOOK|MNEMONIC|SENDGRID"
    r"|(^|_)(PAT|JWT|PW|SK)($|_)|_URL$|_URI$",
    re.I,
)
"""Names of variables that are credentials, or lead to them."""

PLAIN = re.compile(r"\d{1,6}(\.\d+)?|true|false|yes|no|on|off|", re.I)
"""Values that are no credentials, whatever their names: numbers, and what is on or off."""

PROXY = re.compile(r"_proxy$", re.I)
"""Names of variables that lead to other hosts by way of a program on this machine."""

WITHHELD = "withheld-by-fsmkit-test"
"""Stands for a credential."""

TOKEN = "42:OFFLINE"
"""Stands for the bot's token."""

PERSON = "1001"
"""Stands for an id that the environment does not have."""

_ASSIGNED = re.compile(
    r"""(?m)^([^\S\n]*(?:export\s+)?(\w+)[^\S\n]*=)([^\S\n]*"(?:\\.|[^"\\])*"|[^\S\n]*'[^']*'|.*)"""
)
"""A line of a `.env` file; a value in quotation marks may take several."""

_ASKED = re.compile(r"""(?:getenv|environ\.get|environ)\s*[\[(]\s*['"](\w+)['"]""")


def copy_directory(file: Path, target: Path) -> Path:
    """Copy the directory in which a program runs; return the directory that was copied.

    That is the working directory if the file lies below it, else the file's own; of one with too many files
    only what stands directly beside the file.

    Args:
        file: The program's file.
        target: An empty directory.
    """
    file = file.resolve()
    here = Path.cwd().resolve()
    for root in dict.fromkeys([here if file.is_relative_to(here) else file.parent, file.parent]):
        found = list(_files(root))
        if len(found) <= MOST_FILES:
            break
    else:
        root = file.parent
        found = [path for path in root.iterdir() if path.is_file()][:MOST_FILES]
    for path in found:
        goal = target / path.relative_to(root)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            goal.mkdir(exist_ok=True)
        elif path.name.startswith(".env") or path.suffix == ".env":
            goal.write_text(
                without_secrets(path.read_text(encoding="utf-8", errors="replace")), encoding="utf-8"
            )
        else:
            shutil.copy2(path, goal)
    if not (target / file.relative_to(root)).exists():
        raise LoadError(f"{file}: too large, or no plain file")
    return root


def _files(root: Path) -> Iterator[Path]:
    """Yield what is copied, empty directories among it; of too much the beginning."""
    count = 0
    for directory, names, files in os.walk(root):
        names[:] = [
            name for name in names if name not in LEFT_OUT and not _is_environment(Path(directory, name))
        ]
        if not names and not files:
            yield Path(directory)
        for name in files:
            path = Path(directory, name)
            if path.is_file() and path.stat().st_size <= LARGEST:
                yield path
                count += 1
                if count > MOST_FILES:
                    return


def _is_environment(path: Path) -> bool:
    return (path / "pyvenv.cfg").exists()


def without_secrets(text: str) -> str:
    """Return the text of a `.env` file with credentials withheld.

    Example:
        >>> without_secrets("BOT_TOKEN=1:x\\nLANGUAGE=de")
        'BOT_TOKEN=42:OFFLINE\\nLANGUAGE=de'
    """

    def kept(line: re.Match[str]) -> str:
        name = line[2]
        return line[0] if _is_shown(name, line[3].strip().strip("\"'")) else f"{line[1]}{stand_in(name)}"

    return _ASSIGNED.sub(kept, text)


def _is_shown(name: str, value: str) -> bool:
    """Return whether a variable is no credential, neither by its name nor by a URL with a password in it."""
    secret = SECRET.search(name) and not PLAIN.fullmatch(value)
    return not secret and not ("://" in value and "@" in value)


def stand_in(name: str) -> str:
    """Return what stands for a credential."""
    return TOKEN if "TOKEN" in name.upper() else WITHHELD


def environment(given: Mapping[str, str], named: Iterable[str], sources: Iterable[str]) -> dict[str, str]:
    """Return a bot's environment: no credential and no proxy but those that were named.

    What its code asks for and nobody has set gets a stand-in, where its name says what it is: a token, an id.

    Args:
        given: The environment of the one who tests.
        named: `NAME`, to be taken over, or `NAME=VALUE`.
        sources: The bot's source files.

    Raises:
        LoadError: If a name was given that the environment has not.
    """
    plain = {name: value for name, value in given.items() if not PROXY.search(name)}
    made = {name: value if _is_shown(name, value) else stand_in(name) for name, value in plain.items()}
    for name in {found for source in sources for found in _ASKED.findall(source)} - made.keys():
        if SECRET.search(name):
            made[name] = stand_in(name)
        elif re.search(r"ID|ADMIN|OWNER|CHAT", name):
            made[name] = PERSON
    for each in named:
        name, equals, value = each.partition("=")
        if not equals and name not in given:
            raise LoadError(f"--env {name}: it is not set here. Write `--env {name}=VALUE`")
        made[name] = value if equals else given[name]
    return made
