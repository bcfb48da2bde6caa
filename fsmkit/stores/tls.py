"""What is wrong with TLS between a store and its server, found out by asking the port itself.

A client of the wrong kind only sees that its connection is closed, or that nothing is said: a server that
speaks TLS cannot say in plain words what it expects, nor the other way round.
"""

import asyncio
import re
import ssl
from contextlib import suppress

PROBE_SECONDS = 2.0

SETTINGS = re.compile(
    r"CERTIFICATE|certificate file|WRONG_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|HANDSHAKE_FAILURE|"
    r"KEY_VALUES_MISMATCH|NO_START_LINE|\[SSL\] PEM|tls\w+file file is not readable"
)
"""What TLS says of settings; that a connection ended it says in other words."""


RECORDS = (b"\x15", b"\x16")
"""What an answer in TLS begins with: an alert, or a handshake (RFC 8446, section 5.1)."""


async def speaks_tls(host: str, port: int) -> bool:
    """Return whether a port answers TLS with TLS, whatever its certificate is; False too if it is silent."""
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    # The end of a line lets a server answer at once that takes the greeting for a command of its own.
    return await is_answered(host, port, outgoing.read() + b"\r\n", RECORDS)


async def is_answered(host: str, port: int, question: bytes, answers: tuple[bytes, ...]) -> bool:
    """Return whether a port answers these bytes, sent as they are, with one of these beginnings."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(question)
                return (await reader.read(64)).startswith(answers)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError):
        return False
