"""What stands in a button's callback data: where it belongs, and a tag that nobody else can make.

`~`, then 24 characters of base64url (18 bytes: key id, scope, flow, run, entry, owner, tag), then the
value, within Telegram's 64 bytes (https://core.telegram.org/bots/api#inlinekeyboardbutton). Neither chat
nor state are in it, so that buttons survive the move of a group and the renaming of a state.
"""

import base64
import hmac
import re
import struct
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from hashlib import blake2b

from fsmkit.errors import DefinitionError
from fsmkit.flow.events import Pressed
from fsmkit.flow.messages import Button
from fsmkit.interpreter.row import Bound

MARK = "~"
_SIGNED = re.compile(MARK + "[A-Za-z0-9_-]{24}")
MIN_KEY = 16
"""Characters that a secret must have; whoever presses buttons sees tags, and could try out short ones."""
_HEADER = struct.Struct(">BB2sIH2s")  # 12 bytes, and 6 of the tag
_TAG = 6
_MENU, _STORED, _OWNED, _PACKED = 1, 2, 4, 8
ENTRY_MASK = 0xFFFF


class Foreign(Exception):
    """A button of another person's conversation."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        super().__init__(f"a button of somebody else's conversation in flow {flow!r}")


class _TagKey:
    """What tags are made with.

    Args:
        text: The secret, with the bot's id as in a token: two bots may share a text.
        bot: The bot's id.

    Attributes:
        number: Its first guess in callback data; two keys may share it.
    """

    __slots__ = ("_owners", "_tags", "number")

    def __init__(self, text: str, bot: str) -> None:
        whole = text if text.startswith(f"{bot}:") else f"{bot}:{text}"
        secret = blake2b(whole.encode(), digest_size=32, person=b"fsmkit-buttons-1").digest()
        self.number = blake2b(secret, digest_size=1, person=b"fsmkit-key-id").digest()[0]
        # They are copied for each button: the key is set up once.
        self._tags = blake2b(key=secret, digest_size=_TAG)
        self._owners = blake2b(key=secret, digest_size=2, person=b"owner")

    def tag(self, header: bytes, value: str) -> bytes:
        made = self._tags.copy()
        made.update(header + value.encode("utf-8", "surrogatepass"))
        return made.digest()

    def owner(self, user: int | str | None) -> bytes:
        if user is None:
            return b"\0\0"
        made = self._owners.copy()
        made.update(str(user).encode())
        return made.digest()


class ButtonCodec:
    """Makes callback data of buttons, and places of callback data.

    Args:
        token: The bot's token; the key is derived from it, so other bots' data are refused.
        flows: Names of the flows.
        keys: Secrets to derive keys from instead: the first makes new buttons, all are accepted.

    Raises:
        DefinitionError: If two flows' names cannot be told apart in a button, or a secret is too short.
    """

    def __init__(self, token: str, flows: Iterable[str], keys: Sequence[str] | None = None) -> None:
        bot = token.partition(":")[0]
        self._keys = [_TagKey(text, bot) for text in ([token] if keys is None else _checked(keys))]
        self._flows: dict[bytes, str] = {}
        for name in flows:
            other = self._flows.setdefault(_short(name), name)
            if other != name:
                raise DefinitionError(
                    f"flows {other!r} and {name!r} cannot be told apart in buttons",
                    place=None,
                    remedy="Rename one",
                )

    def encode(self, button: Button, bound: Bound) -> str:
        """Return the callback data of a button.

        Raises:
            ValueError: If the value neither fits nor stands in the row.
        """
        key = self._keys[0]
        scope, value = _PACKED if button.packed else 0, button.value
        flow, run, entry, owner = bound.flow, bound.run, bound.entry & ENTRY_MASK, bound.owner
        if type(value) is not str:
            raise ValueError(f"the value of button {button.text!r} was not made text of: {value!r}")
        if button.flow is not None:
            scope, flow, run, entry, owner = scope | _MENU, button.flow, 0, 0, None
        elif value in bound.values:
            scope, value = scope | _STORED, str(bound.values.index(value))
        if owner is not None:
            scope |= _OWNED
        header = _HEADER.pack(key.number, scope, _short(flow), run, entry, key.owner(owner))
        signed = base64.urlsafe_b64encode(header + key.tag(header, value)).decode()
        data = f"{MARK}{signed}{value}"
        if len(data.encode()) > 64:
            raise ValueError(f"the value of button {button.text!r} is too long to be sent: {button.value!r}")
        return data

    def decode(self, data: str | None, user: int | None) -> Pressed | None:
        """Return the place that a button was bound to, `None` if the data are not ours or were tampered with.

        Raises:
            Foreign: If only somebody else may press it.
        """
        raw, value = _parts(data)
        if raw is None:
            return None
        header, tag = raw[: _HEADER.size], raw[_HEADER.size :]
        number, scope, short, run, entry, owner = _HEADER.unpack(header)
        flow = self._flows.get(short)
        if flow is None:
            return None
        for key in self._keys:
            if key.number == number and _equal(tag, key.tag(header, value)):
                break
        else:
            return None
        if scope & _OWNED and owner != key.owner(user):
            raise Foreign(flow)
        packed = bool(scope & _PACKED)
        if scope & _STORED:
            return Pressed(flow, run, entry, value=None, position=int(value), packed=packed)
        return Pressed(flow, run, entry, menu=bool(scope & _MENU), value=value, packed=packed)

    def claimed(self, data: str | None) -> str | None:
        """Return the flow that data claim to belong to, whether they do or not; `None` if it is unknown."""
        raw, _ = _parts(data)
        return None if raw is None else self._flows.get(_HEADER.unpack(raw[: _HEADER.size])[2])


def looks_ours(data: str | None) -> bool:
    """Whether callback data claim to be of one of fsmkit's own buttons."""
    return data is not None and data.startswith(MARK)


_equal = hmac.compare_digest


def _parts(data: str | None) -> tuple[bytes | None, str]:
    """Header with tag, and value; nothing for what was not made by us, nor looks like it."""
    if data is None or _SIGNED.match(data) is None:
        return None, ""
    return a2b_base64(data[1:25].replace("-", "+").replace("_", "/")), data[25:]


def _checked(keys: Sequence[str]) -> Sequence[str]:
    if isinstance(keys, str) or not keys or not all(isinstance(key, str) for key in keys):
        raise DefinitionError(
            "button_keys= is not a list of texts", place=None, remedy="Write button_keys=[new, old]"
        )
    for key in keys:
        if len(key) < MIN_KEY:
            raise DefinitionError(
                f"a key in button_keys= has {len(key)} characters, which can be guessed",
                place=None,
                remedy=f"Give {MIN_KEY} or more, for example of secrets.token_urlsafe()",
            )
    return keys


def _short(flow: str) -> bytes:
    return blake2b(flow.encode(), digest_size=2, person=b"flow").digest()
