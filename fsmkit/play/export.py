"""A conversation that was played, written down: as a test for pytest, and as a transcript."""

from collections.abc import Iterator, Sequence

from fsmkit.play.steps import PlayedStep
from fsmkit.testing.findings import transcript
from fsmkit.testing.harness.actions import Action, Outside, action_to_json

MAX_LINE = 100
"""Characters of a line, as far as that can be helped."""


def transcript_of(path: Sequence[PlayedStep]) -> str:
    """Return a conversation as text."""
    return transcript([step.observation for step in path if step.observation is not None]) + "\n"


def pytest_test(target: str, resources: str | None, path: Sequence[PlayedStep], start: float) -> str:
    """Return a conversation as a test that passes on the version that was played.

    It checks what the person saw, and where the conversation stood, after each step. It is run from the
    directory in which the bot was played.

    Args:
        target: `FILE[:FLOW]`.
        resources: The name of what makes `ctx.resources`.
        path: The steps.
        start: The time at which the conversation begins, in seconds since 1970.
    """
    body = [line for step in path for line in _step(step)]
    reads = any("action_from_json" in line for line in body)
    raises = any("pytest.raises" in line for line in body)
    head = [
        *(["import pytest", ""] if raises else []),
        "from fsmkit.testing import Chat, ManualClock",
        *(["from fsmkit.testing.harness.actions import action_from_json"] if reads else []),
        "from fsmkit.testing.loading import load",
        "",
        f"loaded = load({target!r})",
        "flows = loaded.flows",
    ]
    made = "" if resources is None else f", resources=loaded.maker({resources!r})()"
    chat = f"    chat = Chat(*flows, clock=ManualClock({start!r}){made})"
    return "\n".join([*head, "", "", "def test_played():", chat, *body, ""])


def _step(step: PlayedStep) -> Iterator[str]:
    action, observation = step.action, step.observation
    if action is None or observation is None:
        return
    who = _who(action, step.place)
    code = f"{who}.{_code(action)}"
    if observation.errors:
        yield f"    with pytest.raises({_raised(observation.errors[0])}):"
        yield f"        {code}"
    else:
        yield f"    {code}"
    if observation.shown:
        yield from _expected(who, observation.shown)
    yield f"    assert {who}.state == {observation.state!r}"


def _who(action: Action, place: int | None) -> str:
    if place is not None:
        return f"chat.as_user({action.user}, chat={place})"
    return "chat" if action.user == 1 else f"chat.as_user({action.user})"


def _code(action: Action) -> str:
    """Return the call on a `Chat`; what has a class of the bot's in it is read from JSON."""
    code = action.code()
    if isinstance(action, Outside) or code.startswith("do("):
        return f"do(action_from_json({action_to_json(action)!r}, flows))"
    return code


def _raised(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ == "builtins":
        return kind.__name__
    return "Exception"


def _expected(who: str, shown: Sequence[str]) -> Iterator[str]:
    line = f"    {who}.expect({', '.join(map(repr, shown))})"
    if len(line) <= MAX_LINE:
        yield line
        return
    yield f"    {who}.expect("
    yield from (f"        {text!r}," for text in shown)
    yield "    )"
