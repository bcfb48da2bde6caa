"""Conversations of a report of `fsmkit test --json`, to be had again: by the tests, or in the terminal."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from fsmkit.cli.refusal import Refusal
from fsmkit.flow import Flow
from fsmkit.testing.acts import Act
from fsmkit.testing.recorded import NotReadableError, act_from_json


@attrs.frozen
class Stored:
    """A conversation of a report.

    Attributes:
        about: The finding that it shows.
        acts: What was done.
        chat: The group in which it took place, `None` for the private chat.
    """

    about: str
    acts: list[Act]
    chat: int | None = None


def stored_conversations(path: str, flows: Sequence[Flow[Any]]) -> list[Stored]:
    """The conversations of a report.

    Args:
        path: The report.
        flows: The flows, for the classes of events from outside.

    Raises:
        Refusal: If the file is no report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        return [_stored(finding, flows) for finding in report["findings"] if finding["conversation"]]
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or error}") from error
    except NotReadableError as error:
        raise Refusal(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path} is no report of `fsmkit test --json`") from error


def _stored(finding: dict[str, Any], flows: Sequence[Flow[Any]]) -> Stored:
    about = f"{finding.get('code', '?')}: {finding.get('message', '?')}"
    return Stored(
        about, [act_from_json(step["act"], flows) for step in finding["conversation"]], finding.get("chat")
    )


def chosen(conversations: Sequence[Stored], path: str, number: int) -> Stored:
    """One of them.

    Args:
        conversations: All of them.
        path: Where they come from.
        number: Which, from 1.

    Raises:
        Refusal: If there is none of this number.
    """
    if not conversations:
        raise Refusal(f"{path} has no conversation: nothing was found")
    if not 1 <= number <= len(conversations):
        raise Refusal(f"{path} has the conversations 1 to {len(conversations)}, and none of number {number}")
    return conversations[number - 1]


def split_number(path: str) -> tuple[str, int]:
    """File and number of `FILE[:N]`.

    Example:
        >>> split_number("out.json:2"), split_number("out.json")
        (('out.json', 2), ('out.json', 1))
    """
    name, colon, number = path.rpartition(":")
    return (name, int(number)) if colon and number.isdecimal() and name else (path, 1)
