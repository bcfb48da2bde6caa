"""Matchers: what says whether a handler wants an event, and what it matched.

The algebra (`|`, `&`, `~`) and the matchers for every kind of event. Those for what comes from Telegram
are in `fsmkit.telegram`; anything with PTB's `check_update` fits in here without importing it.
"""

import abc
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, get_origin, overload, runtime_checkable

import attrs

from fsmkit.flow.events import MESSAGE_KINDS, ChatEvent, Internal

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    E = TypeVar("E", default=Any)
    Other = TypeVar("Other", default=Any)
else:
    from typing import TypeVar

    E = TypeVar("E")


@runtime_checkable
class ChecksUpdates(Protocol):
    """PTB's filters and handlers."""

    def check_update(self, update: Any) -> Any:
        """Return something that is neither `None` nor `False` if the update is wanted."""
        ...


@attrs.frozen
class Example:
    """An event that a matcher may want, in outline; generated tests make of it what a person does.

    Attributes:
        kind: The kind of the `ChatEvent`; `"message"`: any message; `None`: any event.
        value: What it says: a text, a pattern that the text matches as a whole, the value of a button;
            `None`: anything.
        args: Of a command: the pattern of the words after it.
    """

    kind: str | None = None
    value: Any = None
    args: re.Pattern[str] | None = None


class Matcher(abc.ABC, Generic[E]):
    """Says whether a handler wants an event.

    To write your own, subclass it and give `match`. Matchers combine with `|` (the first that matches),
    `&` (both; the last one's match counts) and `~` (Telegram events of the same kind that do not match).
    """

    kinds: frozenset[str] | None = None
    """The kinds of `ChatEvent` that it can match; `None`: any, and other events too."""

    value_classes: tuple[type, ...] = ()
    """Classes of button values that it names: only what is named can be read back after a restart."""

    @abc.abstractmethod
    def match(self, event: Any) -> Any:
        """Return what was matched, for `ctx.match`; `None` if the event is not wanted."""

    def why_not(self, event: Any) -> str | None:
        """Return why an event is not wanted, in a few words; `None` if it is."""
        if self.match(event) is not None:
            return None
        kind = kind_of(event)
        if self.kinds is not None and kind not in self.kinds:
            return f"not {self.label()}"
        return f"not this {kind}"

    def impossible(self) -> str | None:
        """Return why nothing can ever match, if so."""
        if self.kinds is not None and not self.kinds:
            return "no event is of all these kinds at once"
        return None

    def label(self) -> str:
        """Return what people call the events that it wants, for reasons."""
        return repr(self)

    def labels(self) -> Sequence[str]:
        """Return the same one by one, as diagrams write them."""
        return (self.label(),)

    def examples(self) -> Iterable[Any]:
        """Return what it may want: texts of messages, events from outside, classes of such, `Example`s.

        They are inputs for generated tests. Each is tried, so a guess does no harm; by default one of each of
        its kinds. `examples=` of a handler replaces them.
        """
        return [Example()] if self.kinds is None else map(Example, sorted(self.kinds))

    @overload
    def __or__(self, other: "Matcher[Other]") -> "Matcher[E | Other]": ...

    @overload
    def __or__(self, other: "On") -> "Matcher": ...

    def __or__(self, other: "On") -> "Matcher":
        return AnyOf((self, as_matcher(other)))

    def __ror__(self, other: "On") -> "Matcher":
        return AnyOf((as_matcher(other), self))

    def __and__(self, other: "On") -> "Matcher[E]":
        return AllOf((self, as_matcher(other)))

    def __rand__(self, other: "On") -> "Matcher":
        return AllOf((as_matcher(other), self))

    def __invert__(self) -> "Matcher":
        return Not(self)


def kind_of(event: Any) -> str:
    """Return what an event is called in reasons: the kind of a Telegram event, else the name of its class."""
    return event.kind if isinstance(event, ChatEvent) else type(event).__name__


On: TypeAlias = Matcher | type | ChecksUpdates | Callable[[Any], Any]
"""What may stand in `on=`: a matcher, an event class, a PTB filter or handler, a predicate."""


class NewText(Matcher):
    """Any new text message that is not a command: what a handler without `on=` wants."""

    kinds = frozenset({"text"})

    def match(self, event: Any) -> Any:
        """Return the text."""
        return event.text if isinstance(event, ChatEvent) and event.kind == "text" else None

    def label(self) -> str:
        """Return `text`."""
        return "text"

    def __repr__(self) -> str:
        return "text()"


class OfClass(Matcher):
    """Events of one class; the match is the event."""

    def __init__(self, wanted: type) -> None:
        self.wanted = wanted
        if issubclass(wanted, Internal):
            self.kinds = frozenset({wanted.__name__})

    def match(self, event: Any) -> Any:
        """Return the event itself."""
        return event if isinstance(event, self.wanted) else None

    def why_not(self, event: Any) -> str | None:
        """Return the class that the event is not of."""
        return None if isinstance(event, self.wanted) else f"not {self.label()}"

    def examples(self) -> Iterable[Any]:
        """Return the class; for one of Telegram's events any of them."""
        return [Example() if issubclass(self.wanted, ChatEvent) else self.wanted]

    def __repr__(self) -> str:
        return self.wanted.__name__


class Predicate(Matcher):
    """Events from outside for which a function is true; the match is what it returned."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def match(self, event: Any) -> Any:
        """Return what the function returned, if that is true."""
        return None if isinstance(event, Internal) else self.function(event) or None

    def why_not(self, event: Any) -> str | None:
        """Return that the function said no, or that it is not asked about such events."""
        return None if self.match(event) is not None else f"{self!r} said no to this {kind_of(event)}"

    def __repr__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))


class CheckUpdate(Matcher):
    """What a PTB filter or handler wants; the match is what its `check_update` returned."""

    def __init__(self, checker: ChecksUpdates) -> None:
        self.checker = checker

    def match(self, event: Any) -> Any:
        """Return what `check_update` returned for the event's update."""
        if not isinstance(event, ChatEvent):
            return None
        found = self.checker.check_update(event.update)
        return None if found is False else found

    def examples(self) -> Iterable[Any]:
        """Return what a handler names, then any event."""
        return examples_of_checker(self.checker)

    def __repr__(self) -> str:
        return repr(self.checker)


def examples_of_checker(checker: ChecksUpdates) -> Iterator[Example]:
    """Yield the commands and the pattern that a PTB handler has, then any event."""
    for name in sorted(getattr(checker, "commands", ())):
        yield Example("command", name)
    pattern = getattr(checker, "pattern", None)
    if isinstance(pattern, re.Pattern):
        yield from (Example(kind, pattern) for kind in ("raw_button", "inline", "pre_checkout_query"))
    yield Example()


class AnyOf(Matcher):
    """The first of several that matches."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self.matchers = tuple(matchers)
        every = [matcher.kinds for matcher in self.matchers]
        if None not in every:
            self.kinds = frozenset().union(*(kinds for kinds in every if kinds is not None))

    def match(self, event: Any) -> Any:
        """Return the match of the first that matches."""
        for matcher in self.matchers:
            found = matcher.match(event)
            if found is not None:
                return found
        return None

    def impossible(self) -> str | None:
        """Return a reason if none of them can match."""
        reasons = [matcher.impossible() for matcher in self.matchers]
        return reasons[0] if reasons and None not in reasons else None

    def label(self) -> str:
        """Return all their labels."""
        return " | ".join(matcher.label() for matcher in self.matchers)

    def labels(self) -> Sequence[str]:
        """Return those of each."""
        return [label for matcher in self.matchers for label in matcher.labels()]

    def examples(self) -> Iterable[Any]:
        """Return the examples of all of them."""
        return (example for matcher in self.matchers for example in matcher.examples())

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.matchers))


class AllOf(Matcher):
    """All of several; the match is that of the last one, so `text() & pattern` gives the pattern's."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self.matchers = tuple(matchers)
        if (named := _common([each for each in self.matchers if not isinstance(each, Not)])) is not None:
            # `inline() & ~text("x")`: the others say what it is about
            self.matchers = tuple(
                Not(each.matcher, named) if isinstance(each, Not) else each for each in self.matchers
            )
        self.kinds = _common(self.matchers)

    def match(self, event: Any) -> Any:
        """Return the match of the last one, if all match."""
        found = None
        for matcher in self.matchers:
            found = matcher.match(event)
            if found is None:
                return None
        return found

    def why_not(self, event: Any) -> str | None:
        """Return the reason of the first that does not match."""
        return next((reason for matcher in self.matchers if (reason := matcher.why_not(event))), None)

    def impossible(self) -> str | None:
        """Return a reason if one of them can never match, or no event is of all their kinds."""
        reasons = [reason for matcher in self.matchers if (reason := matcher.impossible())]
        return reasons[0] if reasons else super().impossible()

    def label(self) -> str:
        """Return all their labels."""
        return " & ".join(f"({m.label()})" if isinstance(m, AnyOf) else m.label() for m in self.matchers)

    def examples(self) -> Iterable[Any]:
        """Return the examples of all of them."""
        return (example for matcher in self.matchers for example in matcher.examples())

    def __repr__(self) -> str:
        return " & ".join(f"({m!r})" if isinstance(m, AnyOf) else repr(m) for m in self.matchers)


class Not(Matcher):
    """Telegram events of the kind that a matcher is about, and that it does not want; the match is the event.

    "Anything but a photo" means messages: no vote, no inline query, no payment.

    Args:
        matcher: What is not wanted.
        among: Kinds that are wanted; by default those that the matcher is about.
    """

    def __init__(self, matcher: Matcher, among: frozenset[str] | None = None) -> None:
        self.matcher = matcher
        self.kinds = _kinds_about(matcher) if among is None else among

    def match(self, event: Any) -> Any:
        """Return the event itself."""
        if not isinstance(event, ChatEvent) or (self.kinds is not None and event.kind not in self.kinds):
            return None
        return event if self.matcher.match(event) is None else None

    def label(self) -> str:
        """Return the label of what it does not want, negated."""
        return f"~({self.matcher.label()})"

    def __repr__(self) -> str:
        return f"~({self.matcher!r})"


def _common(matchers: Iterable[Matcher]) -> frozenset[str] | None:
    """Return the kinds that all of several can match; `None`: any."""
    every = [matcher.kinds for matcher in matchers if matcher.kinds is not None]
    return frozenset.intersection(*every) if every else None


_WRITTEN = MESSAGE_KINDS | {"command", "album"}
_PRESSED = frozenset({"button", "raw_button"})
_OTHER_MESSAGES = frozenset({"edited", "service", "successful_payment", "refunded_payment"})


def _kinds_about(matcher: Matcher) -> frozenset[str] | None:
    """Return the kinds among which a matcher chooses; `None`: nothing is known of what it is about."""
    if isinstance(matcher, Not):
        return matcher.kinds
    if isinstance(matcher, AnyOf | AllOf):
        every = [kinds for each in matcher.matchers if (kinds := _kinds_about(each)) is not None]
        return frozenset().union(*every) if every else None
    if matcher.kinds is None or isinstance(matcher, OfClass):
        return None
    return frozenset().union(*map(_family, matcher.kinds))


def _family(kind: str) -> frozenset[str]:
    """Return the kinds that a person could have sent instead: what is not edited is a new message."""
    if kind in _WRITTEN or kind in _OTHER_MESSAGES:
        return _WRITTEN | {kind}
    return _PRESSED if kind in _PRESSED else frozenset({kind})


def classes_in(matchers: Iterable[Matcher]) -> list[type]:
    """Return the users' event classes that matchers ask for."""
    wanted = (matcher.wanted for matcher in parts_of(matchers) if isinstance(matcher, OfClass))
    return list(dict.fromkeys(kind for kind in wanted if not issubclass(kind, (ChatEvent, Internal))))


def value_classes_in(matchers: Iterable[Matcher]) -> list[type]:
    """Return the classes of button values that matchers name."""
    return list(dict.fromkeys(kind for matcher in parts_of(matchers) for kind in matcher.value_classes))


def parts_of(matchers: Iterable[Matcher]) -> Iterator[Matcher]:
    """Yield matchers, and those that they are made of."""
    stack = list(matchers)
    while stack:
        matcher = stack.pop()
        yield matcher
        if isinstance(matcher, AnyOf | AllOf):
            stack.extend(matcher.matchers)
        elif isinstance(matcher, Not):
            stack.append(matcher.matcher)


def as_matcher(on: Any) -> Matcher:
    """Return the matcher for what stands in `on=`.

    Raises:
        TypeError: If nothing is known that such an object could match.
    """
    if isinstance(on, Matcher):
        return on
    if isinstance(on, type) and issubclass(on, Matcher):
        raise TypeError(f"{on.__name__} is a class of matchers; make one: {on.__name__}()")
    if isinstance(on, type):
        return OfClass(on)
    if isinstance(on, ChecksUpdates):
        return CheckUpdate(on)
    if callable(on):
        if _makes_matcher(on):
            raise TypeError(f"{on!r} makes a matcher; write {getattr(on, '__name__', 'it')}(...)")
        return Predicate(on)
    raise TypeError(
        f"{on!r} is not a matcher, an event class, a PTB filter or handler, or a function of an event"
    )


def _makes_matcher(function: Callable[..., Any]) -> bool:
    returned = getattr(function, "__annotations__", {}).get("return")
    returned = get_origin(returned) or returned
    return isinstance(returned, type) and issubclass(returned, Matcher)
