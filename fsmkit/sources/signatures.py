"""Signatures of webhooks, as payment providers and code forges use them; compared in constant time.

Each function makes a `verify` for `Webhook`: a function of the body and the headers.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping

from fsmkit.clock import Clock, SystemClock

TOLERANCE = 300.0
"""Seconds between signing and arrival, as Stripe recommends (https://docs.stripe.com/webhooks)."""

Verify = Callable[[bytes, Mapping[str, str]], bool]


def hmac_signature(
    secret: str | Iterable[str],
    *,
    header: str = "X-Hub-Signature-256",
    prefix: str = "sha256=",
    digest: str = "sha256",
) -> Verify:
    """Check the hex HMAC of the whole body in one header, as GitHub, Meta and many others send it.

    There is no time in it, so a request can be recorded and sent again: give events ids.

    Args:
        secret: The shared secret; several while one is being replaced.
        header: The header's name.
        prefix: What stands before the digits.
        digest: Name of the hash, as `hashlib` knows it.

    Example:
        >>> verify = hmac_signature("It's a Secret to Everybody")
        >>> verify(b"Hello, World!", {"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a3757"
        ...     "0b6d7586c22c46f4379c8b043e17"})
        True
    """
    secrets = _secrets(secret)

    def verify(body: bytes, headers: Mapping[str, str]) -> bool:
        given = _header(headers, header)
        return given.startswith(prefix) and any(
            _same(given.removeprefix(prefix), hmac.new(one, body, digest).hexdigest()) for one in secrets
        )

    return verify


def timestamped_signature(
    secret: str | Iterable[str],
    *,
    header: str = "Stripe-Signature",
    tolerance: float = TOLERANCE,
    clock: Clock | None = None,
) -> Verify:
    """`t=seconds,v1=hex`, the HMAC-SHA256 of `seconds.body`, as Stripe sends it; old requests are refused.

    Args:
        secret: The signing secret; several while one is being replaced.
        header: The header's name.
        tolerance: Seconds that the time in it may be off.
        clock: Where the time comes from.
    """
    secrets = _secrets(secret)
    clock = clock or SystemClock()

    def verify(body: bytes, headers: Mapping[str, str]) -> bool:
        parts = [part.strip().partition("=") for part in _header(headers, header).split(",")]
        time = next((value for name, _, value in parts if name == "t"), "")
        given = [value for name, _, value in parts if name == "v1"]
        if not (time.isascii() and time.isdigit()) or abs(clock.now() - float(time)) > tolerance:
            return False
        signed = time.encode() + b"." + body
        return any(
            _same(one, hmac.new(key, signed, "sha256").hexdigest()) for one in given for key in secrets
        )

    return verify


def _secrets(secret: str | Iterable[str]) -> list[bytes]:
    secrets = [one.encode() for one in ([secret] if isinstance(secret, str) else secret)]
    if not secrets or not all(secrets):
        raise ValueError("a signature without a secret can be made by anybody")
    return secrets


def _header(headers: Mapping[str, str], name: str) -> str:
    """Return a header by its name in any case of letters."""
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())
