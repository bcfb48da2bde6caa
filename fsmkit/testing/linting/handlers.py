"""What handlers want, and whether it ever comes to them."""

from collections.abc import Iterator

from fsmkit.handlers import Handler
from fsmkit.matching import AllOf, AnyOf, Matcher
from fsmkit.testing.findings import Finding
from fsmkit.testing.inputs.handlers import wants
from fsmkit.testing.linting.buttons import takes, values_of
from fsmkit.testing.linting.subject import Subject, finding


def shadowed(subject: Subject) -> Iterator[Finding]:
    """Handlers all of whose inputs are taken by another one that is tried before, in all of their states."""
    for flow in subject.flows:
        for handler in flow.handlers:
            states = [state for state in flow.states.values() if handler in subject.asked(flow, state)]
            by = [taker(subject, handler, subject.asked(flow, state)) for state in states]
            if by and all(by) and None not in handler.selectors and by[0] is not None:
                message = (
                    f"{handler.name} is never called: {by[0].name} ({by[0].place}) takes all that it wants"
                )
                yield finding("shadowed", message, handler.place, flow)


def taker(subject: Subject, handler: Handler, asked: list[Handler]) -> Handler | None:
    """A handler that is tried before, never passes, and wants all that this one wants."""
    inputs = subject.inputs(handler)
    for earlier in asked[: asked.index(handler)]:
        if earlier.when is not None or subject.graph.handlers[earlier].passes:
            continue
        if inputs.accepted and not inputs.presses and all(wants(earlier, act) for act in inputs.accepted):
            return earlier
        values = list(values_of(handler.matcher))
        if values and not inputs.accepted and handler.when is None and all(takes(earlier, v) for v in values):
            return earlier
    return None


def examples(subject: Subject) -> Iterator[Finding]:
    """Handlers for which no input is known, and examples that their own handler does not want."""
    for flow in subject.flows:
        for handler in flow.handlers:
            inputs = subject.inputs(handler)
            if handler.examples and not inputs.accepted:
                message = f"none of the examples= of {handler.name} is wanted by it"
                yield finding("wrong-example", message, handler.place, flow)
            elif not inputs.known and not _internal(handler.matcher):
                message = f"no input is known that {handler.name} wants: give examples=[...]"
                yield finding("no-input", message, handler.place, flow, note=True)


def _internal(matcher: Matcher) -> bool:
    """Whether a matcher wants what only comes of other things: an outcome, a return, a failure."""
    parts = matcher.matchers if isinstance(matcher, AnyOf | AllOf) else (matcher,)
    return all(part.kinds is not None and all(kind[:1].isupper() for kind in part.kinds) for part in parts)
