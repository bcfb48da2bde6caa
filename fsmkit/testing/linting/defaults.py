"""What states say and how long they last, as far as it is worth a look."""

from collections.abc import Iterator

from fsmkit.effects import Reply
from fsmkit.places import place_of as place_of_function
from fsmkit.states import INHERIT
from fsmkit.testing.findings import Finding
from fsmkit.testing.linting.subject import Subject, finding, place_of

MAX_TEXT = 4096
"""UTF-16 units, https://core.telegram.org/bots/api#sendmessage."""


def prompts(subject: Subject) -> Iterator[Finding]:
    """Prompts that are longer than a message."""
    for flow in subject.flows:
        for state in flow.states.values():
            for what, said in (("prompt", state.prompt), ("otherwise", state.otherwise)):
                text = said.text if isinstance(said, Reply) else said
                if isinstance(text, str) and len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
                    message = f"the {what} of state {state.name!r} is longer than a message ({MAX_TEXT})"
                    yield finding("long-prompt", message, place_of(flow, state), flow)


def defaults(subject: Subject) -> Iterator[Finding]:
    """States that say nothing to what they do not understand, never time out, or are lifted untried."""
    for flow in subject.flows:
        silent = [state.name for state in flow.states.values() if state.otherwise is None]
        if silent:
            names = ", ".join(map(repr, silent[:6])) + (", …" if len(silent) > 6 else "")
            message = f"says nothing to what it does not understand: give otherwise= to {names}"
            yield finding("no-otherwise", message, flow.place, flow, note=True)
        untested = [v for v in flow.migrations if not flow.migration_examples[v]]
        if untested:
            message = f"migrate({untested[0]}) is not tried by the tests: give examples= of what was stored"
            place = place_of_function(flow.migrations[untested[0]])
            yield finding("untried-migration", message, place, flow, note=True)
        endless = [
            s.name for s in flow.states.values() if s.ttl is None or (s.ttl is INHERIT and flow.ttl is None)
        ]
        if endless:
            names = ", ".join(map(repr, endless[:6])) + (", …" if len(endless) > 6 else "")
            yield finding("no-ttl", f"never times out in {names}", flow.place, flow, note=True)
