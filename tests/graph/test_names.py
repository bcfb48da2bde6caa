"""Whose source is read, and what its names stand for; no code of the user's is run."""

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from fsmkit import ANY, END, Flow, State, StatesGroup, transition
from fsmkit.graph.edges import Edges, Target, edges_of
from fsmkit.graph.names import UNKNOWN, _module


class Signup(StatesGroup):
    name = State()
    age = State()

    class Address(StatesGroup):
        street = State()


signup = Flow("signup")
signup.state("age")

NEXT = "age"
AGE = Target("transition", "signup", "age")
NAME = Target("transition", "signup", "name")
THE_END = Target("end", "signup")


def edges(function: Any, to: Any = None) -> Edges:
    """The edges of a function that is registered with a flow of `name`, `age` and Signup's states."""
    flow = Flow("signup", states=Signup)
    for name in ("name", "age"):
        flow.state(name)
    flow.defstate(ANY, to=to)(function)
    return edges_of(flow.handlers[0], flow)


def codes(found: Edges) -> list[str]:
    return [problem.code for problem in found.problems]


def test_names_of_a_closure_are_read() -> None:
    def make(where: Any) -> Any:
        def handler(event, ctx):
            return ("transition", where)

        return handler

    assert edges(make("age")).targets == {AGE}
    assert edges(make(Signup.Address.street)).targets == {
        Target("transition", "signup", "Signup.Address:street")
    }


def test_a_closure_that_is_not_filled_yet_is_unread() -> None:
    def handler(event, ctx):
        return ("transition", later)

    found = edges(handler)
    later = "age"
    assert (found.complete, later) == (False, "age")
    assert edges(handler).targets == {AGE}


def test_groups_are_read_through_their_attributes() -> None:
    def handler(event, ctx):
        if event:
            return ("transition", Signup.name)
        return ("transition", Signup.Address.street)

    assert {t.state for t in edges(handler).targets} == {"Signup:name", "Signup.Address:street"}


def test_local_names_hide_global_ones() -> None:
    def handler(event, ctx):
        NEXT = event.text  # noqa: N806
        return ("transition", NEXT)

    def argument(event, NEXT):  # noqa: N803
        return ("transition", NEXT)

    assert not edges(handler).complete
    assert not edges(argument).complete


@pytest.mark.parametrize("keyword", ["for", "with", "except", "augmented", "capture", "unpacked", "global"])
def test_names_bound_otherwise_than_by_assignment_are_unread(keyword: str) -> None:
    def by_for(event, ctx):
        for NEXT in event:  # noqa: N806
            return ("transition", NEXT)
        raise ValueError

    def by_with(event, ctx):
        with event as NEXT:  # noqa: N806
            return ("transition", NEXT)

    def by_except(event, ctx):
        try:
            event()
        except KeyError as NEXT:
            return ("transition", NEXT)
        raise ValueError

    def by_augmented(event, ctx):
        where = "a"
        where += "ge"
        return ("transition", where)

    def by_capture(event, ctx):
        match event:
            case {"next": NEXT, **rest}:  # noqa: N806
                return ("transition", NEXT, rest)
        raise ValueError

    def by_unpacked(event, ctx):
        where, _ = event
        return ("transition", where)

    def by_global(event, ctx):
        global NEXT
        NEXT = "age"
        return ("transition", NEXT)

    found = edges(locals()[f"by_{keyword}"])
    assert not found.complete
    assert "unreadable-target" in codes(found)


def test_imports_in_a_function_are_read() -> None:
    def handler(event, ctx):
        import fsmkit.flow.results as r
        from fsmkit import transition as to

        return to("age") if event else r.end()

    def missing(event, ctx):
        from nowhere_at_all import orders  # type: ignore[import-not-found]

        return ("call", orders)

    assert edges(handler).targets == {AGE, THE_END}
    assert not edges(missing).complete


# -- whose source ---


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@attrs.frozen
class Bot:
    flow: Any
    first: str = "age"
    LAST = "name"

    @property
    def computed(self) -> str:
        raise AssertionError("code of the user's was run")

    def method(self, event, ctx):
        return ("transition", self.first if event else self.LAST)

    def through_the_flow(self, event, ctx):
        return ("transition", self.flow["age"])

    def by_a_property(self, event, ctx):
        return ("transition", self.computed)

    def __call__(self, event, ctx):
        return ("transition", self.first)

    @classmethod
    def of_the_class(cls, event, ctx):
        return ("transition", cls.LAST)

    @staticmethod
    def static(event, ctx):
        return ("transition", "age")


class Clever:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError("code of the user's was run")

    def __getitem__(self, name: str) -> Any:
        raise AssertionError("code of the user's was run")


clever = Clever()


def test_a_decorated_handler_is_read_through_its_decorator() -> None:
    @decorated
    def handler(event, ctx):
        return ("transition", "age")

    assert edges(handler).targets == {AGE}


def test_methods_are_read_with_what_they_are_bound_to() -> None:
    bot = Bot(signup)
    assert edges(bot.method).targets == {AGE, NAME}
    assert edges(bot.through_the_flow).targets == {AGE}
    assert edges(bot.of_the_class).targets == {NAME}
    assert edges(bot.static).targets == {AGE}
    assert edges(bot).targets == {AGE}


def test_partials_are_read_with_their_arguments() -> None:
    def first(where, event, ctx):
        return ("transition", where)

    def named(event, ctx, *, where="name"):
        return ("transition", where)

    assert edges(functools.partial(first, "age")).targets == {AGE}
    assert edges(functools.partial(named, where="age")).targets == {AGE}
    assert edges(functools.partial(named)).targets == {NAME}
    assert edges(functools.partial(functools.partial(first), Signup.age)).targets == {
        Target("transition", "signup", "Signup:age")
    }


def test_a_decorator_that_gives_other_arguments_leaves_the_rest_readable() -> None:
    def handler(first, second, third, fourth):
        return ("transition", "age") if first else ("transition", second)

    @functools.wraps(handler)
    def wrapper(event, ctx):
        return handler(event, ctx, 1, 2)

    wrapper.__signature__ = inspect.signature(lambda event, ctx: None)
    assert edges(wrapper).targets == {AGE}
    assert not edges(wrapper).complete


def test_lambdas_on_one_line_are_told_apart() -> None:
    both = [lambda e, c: ("transition", "age"), lambda e, c: ("end",) if e else c.stay]
    assert edges(both[0]).targets == {AGE}
    assert edges(both[1]).targets == {THE_END}
    # fmt: off
    nested = lambda e, c: transition("age") if (lambda e, c: ("end",)) else None  # noqa: E731
    # fmt: on
    assert edges(nested).targets == {AGE}


def test_a_lambda_over_several_lines_is_read() -> None:
    table = {
        "handler": lambda event, ctx: (
            "transition",
            "age",
            ctx.data,
        ),
    }
    assert edges(table["handler"]).targets == {AGE}


def test_no_code_of_the_user_is_run() -> None:
    def attribute(event, ctx):
        return ("transition", clever.anything)

    def item(event, ctx):
        return ("transition", clever["anything"])

    for handler in (attribute, item, Bot(signup).by_a_property):
        assert codes(edges(handler)) == ["unreadable-target"]


# -- no source ---


def test_a_handler_without_source_is_a_finding() -> None:
    names: dict[str, Any] = {}
    exec("def handler(event, ctx):\n    return ('end',)", names)
    found = edges(names["handler"])
    assert codes(found) == ["unreadable-source"]
    assert "there is no source file" in found.problems[0].message
    assert not found.complete
    assert edges(names["handler"], to=END).problems == ()


def test_a_handler_not_written_in_python_is_a_finding() -> None:
    assert codes(edges(max)) == ["unreadable-source"]


def test_a_generator_is_a_finding() -> None:
    def handler(event, ctx):
        yield ("end",)

    assert codes(edges(handler)) == ["unreadable-source"]
    assert "generator" in edges(handler).problems[0].message


def test_a_changed_file_is_unread_rather_than_misread(tmp_path: Any) -> None:
    file = tmp_path / "bot.py"
    text = "def handler(event, ctx):\n    return ('end',)\n"
    names: dict[str, Any] = {}
    exec(compile(text, str(file), "exec"), names)
    file.write_text(text)
    assert edges(names["handler"]).targets == {THE_END}
    file.write_text("import os\nimport sys\n" + text)
    assert codes(edges(names["handler"])) == ["unreadable-source"]
    file.write_text("def (\n")
    assert codes(edges(names["handler"])) == ["unreadable-source"]


def test_what_stands_beside_a_package_that_is_none_is_unknown() -> None:
    names: dict[str, Any] = {"__package__": ""}
    exec("def handler(event, ctx): ...", names)
    assert _module(".beside", names["handler"]) is UNKNOWN


def test_a_handler_whose_file_stays_is_looked_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(event: Any, ctx: Any) -> Any:
        nonlocal_free = [event for _ in range(3)]
        return ("transition", "age") if nonlocal_free else END

    first = edges(start)
    walked: list[ast.AST] = []
    children = ast.iter_child_nodes
    monkeypatch.setattr(ast, "iter_child_nodes", lambda node: walked.append(node) or children(node))
    assert edges(start).targets == first.targets == {AGE, THE_END}
    assert walked == []
