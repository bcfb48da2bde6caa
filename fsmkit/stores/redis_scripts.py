"""The Lua scripts of `fsmkit.stores.redis`: what runs on the server, in one step each.

They stand in `lua/*.lua`; here they are put together and given to a connection. Every script may be run
twice with the same arguments and has then run once: clients repeat what they got no answer to.
"""

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any, cast

import attrs
import hiredis

OF_ONE_KEY = ("acquire", "release", "renew", "load", "commit", "strike", "hold", "forget")
OF_A_SHARD = ("due", "take", "scan")

Argument = str | bytes | int
_pack: Any = cast(Any, hiredis.pack_command)  # annotated as if a command had one word


def pack(*words: Argument) -> bytes:
    """A command as it goes over the wire."""
    packed: bytes = _pack(words)
    return packed


@attrs.frozen
class Script:
    """One script as the server gets it.

    Attributes:
        name: Its name.
        source: Its text.
        sha: What the server knows it by.
    """

    name: str
    source: bytes
    sha: bytes

    def call(self, keys: Iterable[str], args: Iterable[Argument]) -> bytes:
        """The command that runs it, where the server knows it."""
        names = tuple(keys)
        return pack(b"EVALSHA", self.sha, len(names), *names, *args)

    def call_in_full(self, keys: Iterable[str], args: Iterable[Argument]) -> bytes:
        """The command that runs it and makes it known."""
        names = tuple(keys)
        return pack(b"EVAL", self.source, len(names), *names, *args)


class Scripts:
    """All scripts, for one prefix.

    Args:
        prefix: What all names begin with.
        cluster: Whether the server is a node of a cluster.
    """

    def __init__(self, prefix: str, cluster: bool) -> None:
        head = f"local PREFIX, CLUSTER = '{prefix}', {str(cluster).lower()}\n{_text('prelude')}"
        self._all = {name: _script(name, head + _text(name)) for name in OF_ONE_KEY}
        self._all.update({name: _script(name, _text(name)) for name in OF_A_SHARD})

    def __getitem__(self, name: str) -> Script:
        return self._all[name]

    def loading(self) -> list[bytes]:
        """The commands that make all of them known to a server."""
        return [pack(b"SCRIPT", b"LOAD", script.source) for script in self._all.values()]


def _script(name: str, text: str) -> Script:
    source = text.encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


def _text(name: str) -> str:
    return files("fsmkit.stores").joinpath("lua", f"{name}.lua").read_text("utf-8")
