"""`Webhook`: events that other servers report by HTTP, such as a payment provider. Needs `fsmkit[webhook]`.

The answer is the acknowledgement: 200 only once the step is stored, so that whatever fails in between is
reported again by the other side, and recognised by its id.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from fsmkit.engine.engine import Engine
from fsmkit.engine.source import Incoming, feed
from fsmkit.errors import LeaseLost, StoredByNewerVersion, StoreUnavailable, requires_extra
from fsmkit.interpreter.naming import named

with requires_extra("webhook"):
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    from fsmkit.sources.asgi import HEADER_SECONDS, BodyReader, serve_asgi

_log = logging.getLogger("fsmkit.sources")

MAX_BODY = 1 << 20
"""Bytes of a request; payment providers send a few thousand."""
BODY_SECONDS = 10.0
"""How long a request's body may take; providers send it at once."""
RETRY_SECONDS = 10

Headers: TypeAlias = Mapping[str, str]
Parse: TypeAlias = Callable[[bytes, Headers], "Incoming | Iterable[Incoming] | None"]
"""Makes events of a request's body and headers; `None`: it is of no interest. ValueError, KeyError and the
like: the request is malformed."""
Verify: TypeAlias = Callable[[bytes, Headers], bool]
"""Whether a request's body and headers are signed by whom they should be; see `fsmkit.sources.signatures`."""


class Webhook:
    """Takes events by HTTP POST on a path.

    It has its own port (`attach(..., sources=[webhook])`), or is part of an existing web application:
    `webhook.route(engine)` is a route for that.

    Args:
        path: The path, as in `"/stripe"`.
        parse: Makes events from a body.
        verify: Whether the body is authentic. There is no default: everybody can call an unsigned webhook.
            If something in front of the bot checks the sender, write `verify=lambda body, headers: True`.
        host: The address to listen on; `"0.0.0.0"` for all of this machine.
        port: The port; 0 for any free one, which the log names.
        max_body: How many bytes the body of a request may have.
        body_seconds: How many seconds the body may take to arrive.
        header_seconds: How many seconds the head may take, on its own port.

    Example:
        >>> import json
        >>> from fsmkit import Key
        >>> from fsmkit.sources import Incoming
        >>> from fsmkit.sources.signatures import hmac_signature
        >>> from fsmkit.sources.webhook import Webhook
        >>> def parse(body, headers):
        ...     told = json.loads(body)
        ...     return Incoming(Key.parse(told["order"]), told["amount"], told["id"])
        >>> hook = Webhook("/paid", parse=parse, verify=hmac_signature("whsec_..."))
    """

    def __init__(
        self,
        path: str,
        *,
        parse: Parse,
        verify: Verify,
        host: str = "127.0.0.1",
        port: int = 8080,
        max_body: int = MAX_BODY,
        body_seconds: float = BODY_SECONDS,
        header_seconds: float = HEADER_SECONDS,
    ) -> None:
        if not path.startswith("/"):
            raise ValueError(f"Webhook({path!r}): a path begins with a slash")
        self.name = f"webhook {path}"
        self.path = path
        self.port = port
        """The port; once it runs, the one that it was given."""
        self._parse = parse
        self._verify = verify
        self._host = host
        self._bodies = BodyReader(max_body, body_seconds)
        self._header_seconds = header_seconds

    def route(self, engine: Engine) -> Route:
        """Return a route for a Starlette or FastAPI application of your own."""

        async def endpoint(request: Request) -> Response:
            return await self._answer(engine, request)

        return Route(self.path, endpoint, methods=["POST"])

    async def run(self, engine: Engine) -> None:
        """Serve the path on a port of its own until it is cancelled; a request that is there is answered."""
        app = Starlette(routes=[self.route(engine)])
        serving = serve_asgi(app, self._host, self.port, header_seconds=self._header_seconds)
        async with serving as (_, self.port):
            _log.info("%s listens on %s:%d", self.name, self._host, self.port)
            try:
                await asyncio.Event().wait()
            finally:  # a client that takes its time does not hold up the end
                self._bodies.give_up()

    async def _answer(self, engine: Engine, request: Request) -> Response:
        body = await self._bodies.read(request)
        if not await self._is_authentic(body, request.headers):
            return PlainTextResponse("the signature is wrong", 401)
        try:
            events = _several(await _said(self._parse(body, request.headers)))
        except Exception as error:  # whatever a user's parse raises at what it was not made for
            _log.warning("%s: a request could not be read: %r", self.name, error)
            return PlainTextResponse("the request could not be read", 400)
        for incoming in events:
            refusal = await self._feed(engine, incoming)
            if refusal is not None:
                return refusal
        return PlainTextResponse("ok")

    async def _feed(self, engine: Engine, incoming: Incoming) -> Response | None:
        """Give an event to the engine; return an answer if it has to come again."""
        try:
            outcome = await feed(engine, self.name, incoming)
        except (StoreUnavailable, StoredByNewerVersion, LeaseLost) as error:
            _log.warning("%s: %s", self.name, error)
            return PlainTextResponse("not now", 503, headers={"Retry-After": str(RETRY_SECONDS)})
        except Exception as error:
            await engine.report(incoming.key, incoming.event, error)
            return PlainTextResponse("the event could not be handled", 500)
        if outcome.kind == "passed":
            _log.info("%s: nobody wanted %s for %s", self.name, named(incoming.event), incoming.key)
        return None

    async def _is_authentic(self, body: bytes, headers: Headers) -> bool:
        try:
            authentic = await _said(self._verify(body, headers))
        except Exception as error:  # a missing header, for example, in a function of the user's own
            _log.warning("%s: a signature could not be checked: %r", self.name, error)
            return False
        if not authentic:
            _log.warning("%s: a request with a wrong signature was refused", self.name)
        return bool(authentic)


def _several(events: Any) -> list[Incoming]:
    found = [] if events is None else [events] if isinstance(events, Incoming) else list(events)
    for event in found:
        if not isinstance(event, Incoming):
            raise TypeError(f"parse returned {event!r}; it returns Incoming(key, event, id), or several")
    return found


async def _said(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
