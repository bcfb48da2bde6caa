"""What a `PicklePersistence` has kept, read by `pickled` in a process of its own."""

import json
import subprocess
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import attrs

from fsmkit.cli.errors import CommandError
from fsmkit.flow.locations import shown_path

_READER = Path(__file__).with_name("pickled.py")


WAIT_SECONDS = 600


FEW = 5
"""Names that a message lists."""


@attrs.frozen
class Named:
    """An object of a class that was not loaded; a member of an enum, as far as is known.

    Attributes:
        module: The module of the class.
        name: The qualified name of the class.
        by: `value` or `name`: what of the member is known.
        given: That value or name.
    """

    module: str
    name: str
    by: str | None
    given: Any

    def __str__(self) -> str:
        return f"{self.module}.{self.name}({self.given!r})"


@attrs.frozen
class Persisted:
    """What the files of a persistence hold.

    Attributes:
        conversations: State by key, by name of the ConversationHandler.
        user_data: By user id.
        chat_data: By chat id.
        strange: Names of classes and functions that were not loaded.
    """

    conversations: dict[str, dict[Any, Any]]
    user_data: dict[Any, Any]
    chat_data: dict[Any, Any]
    strange: tuple[str, ...]


def read_persistence(path: Path) -> Persisted:
    """Read a persistence: one file, or those of `single_file=False` by their common beginning.

    Raises:
        CommandError: If it is none, or cannot be read; nothing of it was run.
    """
    shown = shown_path(str(path))
    if path.is_file():
        held, strange = _read(path)
        whole = isinstance(held, dict) and "conversations" in held
        parts = held if whole else {"conversations": held}  # else it is the file of conversations itself
    else:
        files = {part: Path(f"{path}_{part}") for part in ("conversations", "user_data", "chat_data")}
        if not files["conversations"].is_file():
            raise CommandError(f"{shown}: no such file, and no {shown}_conversations either")
        read = {part: _read(file) for part, file in files.items() if file.is_file()}
        parts = {part: found for part, (found, _) in read.items()}
        strange = tuple(dict.fromkeys(name for _, names in read.values() for name in names))
    conversations = parts["conversations"]
    if not isinstance(conversations, dict) or not all(
        isinstance(name, str) and isinstance(each, dict) for name, each in conversations.items()
    ):
        raise CommandError(f"{shown} contains no conversations of PicklePersistence{_hint(strange)}")
    return Persisted(conversations, _dict(parts, "user_data"), _dict(parts, "chat_data"), strange)


def _read(path: Path) -> tuple[Any, tuple[str, ...]]:
    shown = shown_path(str(path))
    command = [sys.executable, "-I", str(_READER), str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=WAIT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"{shown} takes too long to read; it is not an ordinary persistence file"
        ) from error
    if done.returncode:
        problem = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["it was ended"]
        raise CommandError(f"{shown} cannot be read: {problem[0]}")
    said = json.loads(done.stdout)
    strange = tuple(said["strange"])
    if "error" in said:
        raise CommandError(f"{shown} is not a complete pickle file: {said['error']}{_hint(strange)}")
    return _value(said["held"]), strange


def _hint(strange: tuple[str, ...]) -> str:
    if not strange:
        return ""
    more = f" and {len(strange) - FEW} more" if len(strange) > FEW else ""
    return f". It names {', '.join(strange[:FEW])}{more}; nothing of that was loaded or run"


def _dict(parts: dict[Any, Any], name: str) -> dict[Any, Any]:
    part = parts.get(name)
    return part if isinstance(part, dict) else {}


def _value(said: list[Any]) -> Any:
    """Return a value from what `pickled.Plain` made of it."""
    kind, *rest = said
    if kind == "dict":
        pairs = [(_value(key), _value(item)) for key, item in rest[0]]
        return {key: item for key, item in pairs if isinstance(key, Hashable)}
    if kind == "tuple":
        return tuple(map(_value, rest[0]))
    if kind in ("list", "set", "frozenset"):
        made: Any = {"list": list, "set": list, "frozenset": list}[kind]
        return made(map(_value, rest[0]))
    if kind == "named":
        (module, name), by, given = rest
        value = _value(given)
        return Named(module, name, by, value if isinstance(value, Hashable) else None)
    return Named("?", rest[0], None, None) if kind == "unknown" else rest[0]
