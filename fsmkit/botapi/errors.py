"""How the model says no: Telegram's own status codes and sentences, and the connection that breaks.

Bots tell cases apart by these sentences, so they are written once, as Telegram writes them.
"""

from typing import Any


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
        """The answer as Telegram sends it."""
        body: dict[str, Any] = {"ok": False, "error_code": self.status, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return body


class DroppedError(Exception):
    """The connection broke before an answer came; whether the request was carried out is not known."""


def bad_request(problem: str) -> ApiError:
    """A 400 with Telegram's prefix."""
    return ApiError(400, f"Bad Request: {problem}")


def forbidden(problem: str) -> ApiError:
    """A 403 with Telegram's prefix."""
    return ApiError(403, f"Forbidden: {problem}")


def conflict(problem: str) -> ApiError:
    """A 409 with Telegram's prefix."""
    return ApiError(409, f"Conflict: {problem}")
