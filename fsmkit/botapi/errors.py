"""How the model says no, and what goes over the wire: JSON objects and uploads.

`ApiError` carries Telegram's own status codes and sentences, by which bots tell cases apart. A `Fault` is a
failure that a test has ordered; `DroppedError` is the connection that breaks.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs


class ApiError(Exception):
    """Telegram refuses a request.

    Attributes:
        status: The HTTP status, which is also `error_code` in the answer.
        description: The sentence of the answer, with Telegram's prefix (`Bad Request: …`).
        parameters: `retry_after` or `migrate_to_chat_id`, where Telegram gives one.
    """

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        self.status = status
        self.description = description
        self.parameters = parameters
        super().__init__(f"{status} {description}")

    def body(self) -> dict[str, Any]:
        """Return the answer as Telegram sends it."""
        body: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return body


class DroppedError(Exception):
    """The connection broke before an answer came; whether the request was carried out is not known."""


def bad_request(problem: str) -> ApiError:
    """Return a 400 with Telegram's prefix."""
    return ApiError(400, f"Bad Request: {problem}")


def forbidden(problem: str) -> ApiError:
    """Return a 403 with Telegram's prefix."""
    return ApiError(403, f"Forbidden: {problem}")


def conflict(problem: str) -> ApiError:
    """Return a 409 with Telegram's prefix."""
    return ApiError(409, f"Conflict: {problem}")


Json: TypeAlias = dict[str, Any]
"""A JSON object of the Bot API. `Any`: its fields are those of Telegram's documentation, not ours."""


@attrs.frozen
class Upload:
    """A file that came with a request."""

    name: str
    content: bytes


DESCRIPTIONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden: bot was blocked by the user",
    404: "Not Found",
    409: "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


SPARED = frozenset({"getUpdates"})
"""What `method="*"` leaves alone: a poller asks all the time and would use the failures up."""


@attrs.define
class Fault:
    """One ordered failure.

    Attributes:
        method: A method's name, or `*` for every method but `getUpdates`.
        error: What is answered; `None`: the connection breaks.
        times: How many requests still fail.
        after: The request is carried out first.
        when: Only requests whose decoded parameters satisfy it.
    """

    method: str
    error: ApiError | None
    times: int
    after: bool
    when: Callable[[dict[str, Any]], bool] | None

    def wants(self, method: str, params: dict[str, Any]) -> bool:
        """Tell whether this request is one of those that fail."""
        every = self.method == "*" and method not in SPARED
        named = every or self.method.lower() == method.lower()
        return named and self.times > 0 and (self.when is None or self.when(params))


def order(
    method: str,
    *,
    status: int | None,
    retry_after: int | None,
    description: str | None,
    times: int,
    drop: bool,
    after: bool,
    when: Callable[[dict[str, Any]], bool] | None,
) -> Fault:
    """Return a fault from what `OfflineTelegram.fail` was asked for."""
    # Without a status there is no answer to give once the request was carried out: it is lost.
    if drop or (after and status is None):
        return Fault(method, None, times, after, when)
    code = status if status is not None else (429 if retry_after is not None else 502)
    text = description or DESCRIPTIONS.get(code, "Internal Server Error")
    if retry_after is None:
        return Fault(method, ApiError(code, text), times, after, when)
    told = description or f"{text}: retry after {retry_after}"
    return Fault(method, ApiError(code, told, retry_after=retry_after), times, after, when)


def take(faults: list[Fault], method: str, params: dict[str, Any]) -> Fault | None:
    """Return the first fault that wants this request, used up once."""
    fault = next((fault for fault in faults if fault.wants(method, params)), None)
    if fault is not None:
        fault.times -= 1
        if not fault.times:
            faults.remove(fault)
    return fault
