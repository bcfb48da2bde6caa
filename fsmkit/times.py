"""The times that flows and states declare: checked, in seconds, and whose counts where several could.

Declared durations only; the moments that are stored of them are in `fsmkit.deadlines`.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

import attrs

from fsmkit.errors import DefinitionError
from fsmkit.states import INHERIT, Prompt, Ttl

DEFAULT_TTL = timedelta(days=1)

Seconds = float | Literal["inherit"] | None
"""A duration; `None` for never, `"inherit"` for the flow's, or of a flow for its caller's."""


@attrs.frozen(eq=False)
class Times:
    """What a state declares, with its flow's where it declares nothing; or what a flow declares.

    Attributes:
        ttl: Idle seconds until the timeout; `"inherit"` where neither has them: the caller's, else a day.
        max_age: Seconds after which a state (a flow) has to be left, whatever is done in it.
        remind_after: Idle seconds until the reminder; `"inherit"`: the caller's, else never.
        reminder: What the reminder says; `None`: nothing but what a handler of it does.
    """

    ttl: Seconds
    max_age: float | None
    remind_after: Seconds
    reminder: Prompt | None

    @property
    def idle_alone(self) -> float | None:
        """Idle seconds until the timeout where nobody called the flow."""
        return idle_seconds((self,))

    @property
    def remind_alone(self) -> float | None:
        """Idle seconds until the reminder where nobody called the flow."""
        return None if isinstance(self.remind_after, str) else self.remind_after


def times_of(declared: Any, whose: str, place: str | None) -> Times:
    """What a flow or a state declares, by itself.

    Args:
        declared: The `Flow` or the `State`.
        whose: What it is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If something is no time, or a reminder could never come.
    """
    max_age = seconds_of(declared.max_age, whose, place, "max_age")
    if isinstance(max_age, str):
        raise DefinitionError(
            f"{whose} has max_age=INHERIT", place=place, remedy="Write seconds, a timedelta, or None (never)"
        )
    times = Times(
        seconds_of(declared.ttl, whose, place),
        max_age,
        seconds_of(declared.remind_after, whose, place, "remind_after"),
        declared.reminder,
    )
    _check_reminder(times, whose, place)
    return times


def combined(
    state: Times, flow: Times, prompt: Prompt | None, handled: bool, whose: str, place: str | None
) -> Times:
    """What counts in a state of a flow.

    Args:
        state: What the state declares.
        flow: What its flow declares.
        prompt: The state's prompt: what a reminder says where neither has one.
        handled: Whether some handler of the flow wants reminders.
        whose: What the state is called in errors.
        place: `file:line` for errors.

    Raises:
        DefinitionError: If a reminder of the state has nothing to say, or could never come.
    """
    own = state.remind_after != "inherit"
    remind_after = state.remind_after if own else flow.remind_after
    reminder = state.reminder if state.reminder is not None else flow.reminder
    said = reminder if reminder is not None else prompt
    if state.reminder is not None and not isinstance(remind_after, float):
        raise DefinitionError(
            f"{whose} has a reminder, and no time for it", place=place, remedy="Add remind_after="
        )
    if isinstance(remind_after, float) and said is None and not handled:
        if own:
            raise DefinitionError(
                f"{whose} has remind_after=, and nothing to say then",
                place=place,
                remedy="Add reminder= or a prompt, or handle Reminder",
            )
        remind_after = None  # the flow's, which has something to say in other states
    ttl = state.ttl if state.ttl != "inherit" else flow.ttl
    times = Times(ttl, state.max_age, remind_after, reminder)
    if own:
        _check_reminder(attrs.evolve(times, max_age=flow.max_age), whose, place)
        _check_reminder(times, whose, place)
    return times


def idle_seconds(times: Iterable[Times]) -> float | None:
    """Idle seconds of a conversation, `None` for never.

    Args:
        times: Of each of its frames, the running one first.
    """
    for each in times:
        if not isinstance(each.ttl, str):
            return each.ttl
    return DEFAULT_TTL.total_seconds()


def remind_seconds(times: Iterable[Times]) -> float | None:
    """Idle seconds until the reminder, `None` for never; the argument is as for `idle_seconds`."""
    for each in times:
        if not isinstance(each.remind_after, str):
            return each.remind_after
    return None


def seconds_of(time: Ttl, whose: str, place: str | None, what: str = "ttl") -> Seconds:
    """A declared time in seconds, `None` for never, `"inherit"` for INHERIT.

    Raises:
        DefinitionError: If it is no time, or not a positive one.
    """
    if time is None:
        return None
    if time is INHERIT:
        return "inherit"
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < float("inf"):
        raise DefinitionError(
            f"{whose} has {what}={time!r}", place=place, remedy="Write seconds, a timedelta, or None (never)"
        )
    return float(seconds)


def _check_reminder(times: Times, whose: str, place: str | None) -> None:
    """Refuses a reminder that a timeout always precedes."""
    for what, seconds in (("ttl", times.ttl), ("max_age", times.max_age)):
        after = times.remind_after
        if isinstance(after, float) and isinstance(seconds, float) and after >= seconds:
            raise DefinitionError(
                f"{whose} has remind_after={after:g}, which is not before its {what}={seconds:g}",
                place=place,
                remedy="Remind earlier",
            )
