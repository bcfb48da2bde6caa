"""A finding as a test to be pasted: it runs as it stands, fails while the mistake is there, and passes after.

It has all that the run was given and that the conversation needs: flows, resources, properties, oracles,
later versions, the group. What a conversation shows by itself, an exception, is written with `Chat`; all else
needs oracles, and is had again by `check`, which looks for nothing further. Only the finding itself makes
that one fail: another mistake, elsewhere in the flow or in the same conversation, has a test of its own.
"""

import contextlib
import keyword
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import attrs

from fsmkit.flow.flow import Flow
from fsmkit.flow.locations import shown_path
from fsmkit.interpreter.codec import FILE_PREFIX
from fsmkit.testing.findings import Finding
from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import Action, Deploy, Outside, action_to_json
from fsmkit.testing.loading import draws_chance
from fsmkit.testing.oracles import ORACLES, Oracle
from fsmkit.testing.properties import After, Always, Condition, Eventually, Never, Property

OF_MANY = ("stuck", "flaky")
"""What one conversation does not show: it says something about all that go on from a place."""


@attrs.frozen(eq=False)
class Given:
    """What a run was given; the fields are arguments of `check`."""

    flows: tuple[Flow[Any], ...]
    seed: int
    profile: str
    resources: Any = None
    properties: tuple[Property, ...] = ()
    oracles: tuple[Oracle, ...] = ORACLES
    deploys: tuple[tuple[Flow[Any], ...], ...] = ()
    stores: tuple[str, ...] = ()


def pasted_test(given: Given, finding: Finding) -> str:
    """Return a finding as a test.

    Args:
        given: What the run was given in which it was found.
        finding: The finding.
    """
    return _Test(given, finding).text()


@attrs.define(eq=False)
class _Test:
    """A test that is being written.

    Attributes:
        given: What the run was given.
        finding: What the test shows.
        imports: The lines of its head, by the name that each binds.
        missing: What has no name by which another file could import it.
    """

    given: Given
    finding: Finding
    imports: dict[str, str] = attrs.field(factory=dict[str, str])
    missing: list[str] = attrs.field(factory=list[str])

    def text(self) -> str:
        """Return it."""
        by_hand = self.finding.shown_by_hand and not draws_chance(self.given.flows)
        called = self._import("fsmkit.testing", "Chat" if by_hand else "check")
        conversation = [each.code() for each in self.finding.actions] if by_hand else self._conversation()
        subject = [self._flow(flow) for flow in self.given.flows]
        subject += [] if self.finding.chat is None else [f"chat={self.finding.chat}"]
        subject += self._resources(by_hand)
        lines = [f"def {self.finding.test_name}():"]
        if by_hand:
            self._import_actions(" ".join(conversation))
            lines.append(f"    chat = {called}({', '.join(subject)})")
            lines += [
                f"    {by(each)}.{code}"
                for each, code in zip(self.finding.actions, conversation, strict=True)
            ]
        else:
            subject += self._settings()
            lines += ["    conversation = [", *(f"        {each}," for each in conversation), "    ]"]
            lines.append(
                f"    report = {called}({', '.join(subject)}, phases=[{self._phases()}]{self._replays()})"
            )
            lines.append(f"    {self._ends()}")
        if self.missing:
            said = f"{', '.join(self.missing)}: give it a name at the top level of a module, and pass it here"
            lines.insert(1, f"    raise NotImplementedError({said!r})")
        head = sorted(line for line in self.imports.values() if line.startswith("from "))
        made = sorted(line for line in self.imports.values() if not line.startswith("from "))
        if made:
            head = sorted({*head, "from fsmkit.testing.loading import load"})
        return "\n".join([*head, *([""] if made else []), *made, "", "", *lines])

    # -- what is given to `check` ---------------------------------------------------------------------

    def _settings(self) -> Iterator[str]:
        run = self.given
        if run.properties:
            yield f"properties=[{', '.join(map(self._property, run.properties))}]"
        if tuple(run.oracles) != tuple(ORACLES):
            yield f"oracles=[{', '.join(self._oracles(run.oracles))}]"
        if any(isinstance(part, Deploy) for action in self.finding.actions for part in _within(action)):
            versions = [", ".join(map(self._flow, later)) for later in run.deploys]
            yield f"deploys=[{', '.join(f'({version},)' for version in versions)}]"
        if self.finding.phase == "stores":
            yield f"stores={list(run.stores)!r}"
        if self.finding.code == "flaky":
            yield f"seed={run.seed}"
        if self.finding.code in OF_MANY and run.profile not in ("dev", "own"):
            yield f"profile={run.profile!r}"

    def _phases(self) -> str:
        return repr(self.finding.phase) if self.finding.code in OF_MANY else ""

    def _replays(self) -> str:
        return "" if self.finding.phase == "stores" else ", replays=[conversation]"

    def _ends(self) -> str:
        # Of properties several may be broken, and their messages never change: each says which one it is.
        what = "message" if self.finding.code == "property" else "code"
        shown = getattr(self.finding, what)
        # As a text: pytest cuts other objects off in the middle.
        return f"assert {shown!r} not in {{finding.{what} for finding in report.failures}}, str(report)"

    def _oracles(self, oracles: Sequence[Oracle]) -> Iterator[str]:
        rest = list(oracles)
        if all(oracle in rest for oracle in ORACLES):
            yield f"*{self._import('fsmkit.testing', 'ORACLES')}"
            rest = [oracle for oracle in rest if oracle not in ORACLES]
        yield from map(self._named, rest)

    def _property(self, given: Property) -> str:
        place = self._global(given)
        if place is not None:
            return self._import(*place)
        match given:
            case Always() | Never():
                return f"{self._maker(type(given).__name__.lower())}({self._condition(given.condition)})"
            case Eventually():
                return (
                    f"{self._maker('eventually')}({self._condition(given.condition)}, within={given.within})"
                )
            case After() if given.goal is not None:
                first, goal = self._condition(given.first), self._condition(given.goal)
                return f"{self._maker('after')}({first}).until({goal}, within={given.within})"
            case _:
                return self._named(given)

    def _maker(self, name: str) -> str:
        return self._import("fsmkit.testing", name)

    def _condition(self, condition: Condition) -> str:
        return self._named(condition) if callable(condition) else repr(str(condition))

    def _resources(self, by_hand: bool) -> Iterator[str]:
        given = self.given.resources
        if given is not None:
            made = by_hand and isinstance(given, type | FunctionType)
            yield f"resources={self._named(given)}{'()' * made}"

    # -- names ------------------------------------------------------------------------------------------

    def _flow(self, flow: Flow[Any]) -> str:
        """Return the name by which a flow is imported: its file may have run again, and made another one."""
        names = {getattr(handler.function, "__module__", None) for handler in flow.handlers}
        for module in (sys.modules[name] for name in names if name in sys.modules):
            for name, value in vars(module).items():
                if isinstance(value, Flow) and (value.name, value.version) == (flow.name, flow.version):
                    return self._import(module.__name__, name)
        return self._named(flow)

    def _named(self, given: Any) -> str:
        """Return the name by which a class, a function or an object of the user's is imported."""
        place = self._written_at_top(given) or self._global(given)
        if place is None:
            self.missing.append(getattr(given, "__qualname__", repr(given)))
            return "..."
        return self._import(*place)

    @staticmethod
    def _written_at_top(given: Any) -> tuple[str, str] | None:
        module, name = getattr(given, "__module__", None), getattr(given, "__qualname__", "<")
        return None if module is None or "<" in name else (str(module), str(name))

    def _global(self, given: Any) -> tuple[str, str] | None:
        own = {
            getattr(handler.function, "__module__", "")
            for flow in self.given.flows
            for handler in flow.handlers
        }
        modules = sorted(sys.modules.items(), key=lambda item: item[0] not in own)
        for name, module in modules:
            for known, value in list(vars(module).items()) if isinstance(module, ModuleType) else ():
                if value is given and known.isidentifier():
                    return name, known
        return None

    def _import(self, module: str, name: str) -> str:
        """Import a name; return what it is called in this test, where another one may be called alike."""
        top, dot, rest = name.partition(".")
        for number in range(len(self.imports) + 2):
            local = top if number == 0 else f"{top}_{number + 1}"
            line = self._line(module, top, local)
            if self.imports.setdefault(local, line) == line:
                return local + dot + rest
        raise AssertionError("unreachable: a name is free at last")

    @staticmethod
    def _line(module: str, name: str, local: str) -> str:
        path = getattr(sys.modules.get(module), "__file__", None) if module.startswith(FILE_PREFIX) else None
        if path is not None and not _can_be_imported(path):
            return f"{local} = load({shown_path(path)!r}).module.{name}"
        renamed = "" if local == name else f" as {local}"
        return f"from {module.removeprefix(FILE_PREFIX)} import {name}{renamed}"

    # -- the conversation -------------------------------------------------------------------------------

    def _conversation(self) -> list[str]:
        return [self._action(action) for action in self.finding.actions]

    def _action(self, action: Action) -> str:
        """Return an action as code: its `repr` where that makes the same again, else as JSON."""
        kinds = {kind.__name__: kind for kind in vars(actions).values() if isinstance(kind, type)}
        tops = {_top_of(type(event)) for event in _events(action)}
        classes = {name: getattr(sys.modules.get(module), name, None) for module, name in tops}
        with contextlib.suppress(Exception):  # whatever the classes of a user show, it may be no code
            if eval(repr(action), {**kinds, **classes}) == action and not kinds.keys() & classes.keys():
                self._import_actions(repr(action))
                if all(self._import(module, name) == name for module, name in tops):
                    return repr(action)
        read = self._import(actions.__name__, "action_from_json")
        flows = ", ".join(self._flow(flow) for flow in self.given.flows)
        return f"{read}({action_to_json(action)!r}, [{flows}])"

    def _import_actions(self, code: str) -> None:
        for kind in sorted(set(re.findall(r"\b[A-Z]\w+(?=\()", code))):
            if isinstance(getattr(actions, kind, None), type):
                self._import(actions.__name__, kind)


def by(action: Action) -> str:
    """Return who does something, in a test with a `chat`."""
    return "chat" if action.user == 1 else f"chat.as_user({action.user})"


def _can_be_imported(path: str) -> bool:
    """Whether a file's name is that of a module, which no other takes."""
    stem = Path(path).stem
    return stem.isidentifier() and not keyword.iskeyword(stem) and stem not in sys.stdlib_module_names


def _top_of(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__.partition(".")[0]


def _events(action: Action) -> Iterator[Any]:
    """Yield the events from outside in an action and those that it holds."""
    for each in _within(action):
        if isinstance(each, Outside):
            yield each.event


def _within(action: Action) -> Iterator[Action]:
    """Yield an action, and those that it holds."""
    yield action
    for field in attrs.fields(type(action)):
        value = getattr(action, field.name)
        for part in value if isinstance(value, tuple | list) else (value,):
            if isinstance(part, Action):
                yield from _within(part)
