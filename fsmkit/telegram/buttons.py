"""What stands in a button's callback data: where it belongs, and a tag that nobody else can make.

`~`, then 24 characters of base64url (18 bytes: key id, scope, flow, run, entry, owner, tag), then the
value, within Telegram's 64 bytes (https://core.telegram.org/bots/api#inlinekeyboardbutton). Neither chat
nor state are in it, so that buttons survive the move of a group and the renaming of a state.
"""

import base64
import hmac
import struct
from collections.abc import Iterable
from hashlib import blake2b

from fsmkit.effects import Bound, Button
from fsmkit.errors import DefinitionError
from fsmkit.events import Pressed

MARK = "~"
_HEADER = struct.Struct(">BB2sIH2s")  # 12 bytes, and 6 of the tag
_TAG = 6
_MENU, _STORED, _OWNED = 1, 2, 4
ENTRY_MASK = 0xFFFF


class Foreign(Exception):
    """A button of another person's conversation."""

    def __init__(self, flow: str) -> None:
        self.flow = flow
        super().__init__(f"a button of somebody else's conversation in flow {flow!r}")


class ButtonCodec:
    """Makes callback data of buttons, and places of callback data.

    Args:
        token: The bot's token; the key is derived from it, so other bots' data are refused.
        flows: Names of the flows.

    Raises:
        DefinitionError: If two flows' names cannot be told apart in a button.
    """

    def __init__(self, token: str, flows: Iterable[str]) -> None:
        self._key = blake2b(token.encode(), digest_size=32, person=b"fsmkit-buttons-1").digest()
        self._id = blake2b(self._key, digest_size=1, person=b"fsmkit-key-id").digest()[0]
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
        """The callback data of a button.

        Raises:
            ValueError: If the value neither fits nor stands in the row.
        """
        scope, value = 0, button.value
        flow, run, entry, owner = bound.flow, bound.run, bound.entry & ENTRY_MASK, bound.owner
        if button.flow is not None:
            scope, flow, run, entry, owner = _MENU, button.flow, 0, 0, None
        elif value in bound.values:
            scope, value = _STORED, str(bound.values.index(value))
        if owner is not None:
            scope |= _OWNED
        header = _HEADER.pack(self._id, scope, _short(flow), run, entry, self._owner(owner))
        signed = base64.urlsafe_b64encode(header + self._tag(header, value)).decode()
        data = f"{MARK}{signed}{value}"
        if len(data.encode()) > 64:
            raise ValueError(f"the value of button {button.text!r} is too long to be sent: {button.value!r}")
        return data

    def decode(self, data: str | None, user: int | None) -> Pressed | None:
        """The place that a button was bound to, `None` if the data are not ours or were tampered with.

        Raises:
            Foreign: If only somebody else may press it.
        """
        if data is None or not data.startswith(MARK) or len(data) < 25:
            return None
        try:
            raw = base64.b64decode(data[1:25], altchars=b"-_", validate=True)
        except ValueError:
            return None
        if base64.urlsafe_b64encode(raw).decode() != data[1:25]:  # `+/` is read like `-_`
            return None
        header, tag, value = raw[: _HEADER.size], raw[_HEADER.size :], data[25:]
        key_id, scope, short, run, entry, owner = _HEADER.unpack(header)
        flow = self._flows.get(short)
        if key_id != self._id or flow is None or not hmac.compare_digest(tag, self._tag(header, value)):
            return None
        if scope & _OWNED and owner != self._owner(user):
            raise Foreign(flow)
        if scope & _STORED:
            return Pressed(flow, run, entry, value=None, position=int(value))
        return Pressed(flow, run, entry, menu=bool(scope & _MENU), value=value)

    def _tag(self, header: bytes, value: str) -> bytes:
        return blake2b(
            header + value.encode("utf-8", "surrogatepass"), key=self._key, digest_size=_TAG
        ).digest()

    def _owner(self, user: int | str | None) -> bytes:
        if user is None:
            return b"\0\0"
        return blake2b(str(user).encode(), key=self._key, digest_size=2, person=b"owner").digest()


def _short(flow: str) -> bytes:
    return blake2b(flow.encode(), digest_size=2, person=b"flow").digest()
