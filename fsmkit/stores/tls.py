"""What is wrong with TLS between a store and its server, found out by asking the port itself.

A client of the wrong kind only sees that its connection is closed, or that nothing is said: a server that
speaks TLS cannot say in plain words what it expects, nor the other way round.
"""

import asyncio
import re
import ssl

PROBE_SECONDS = 2.0

SETTINGS = re.compile(
    r"CERTIFICATE|certificate file|WRONG_VERSION|UNSUPPORTED_PROTOCOL|NO_PROTOCOLS|HANDSHAKE_FAILURE|"
    r"KEY_VALUES_MISMATCH|NO_START_LINE|\[SSL\] PEM|tls\w+file file is not readable"
)
"""What TLS says of settings; that a connection ended it says in other words."""


async def speaks_tls(host: str, port: int) -> bool:
    """Return whether a port greets with TLS, whatever its certificate is; False too if it is silent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as error:
        # A server that wants a certificate of the client's, or other versions, says so in TLS.
        return isinstance(error, ssl.SSLError) and "ALERT" in str(error)
    writer.transport.abort()
    return True


async def answers_in_plain(host: str, port: int, question: bytes, answers: tuple[bytes, ...]) -> bool:
    """Return whether a port answers a question that is asked without TLS, with one of these beginnings."""
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
