"""A correct `to=` beats a guess, and what is read with certainty beats a wrong `to=`."""

import functools
import random
from typing import Any

import pytest

from fsmkit import ANY, END, Flow, transition
from fsmkit.graph.edges import edges_of

TABLE = {"yes": "age", "no": "name"}
PAIR = ("age", "name")
current = "name"
chosen = "name"


def found(function: Any, to: Any) -> list[str]:
    """The messages of findings about a function that is registered with `to=`."""
    flow = Flow("signup")
    for name in ("name", "age"):
        flow.state(name)
    flow.defstate(ANY, to=to)(function)
    return [problem.message for problem in edges_of(flow.handlers[0], flow).problems]


def helper(event, ctx):
    return ("transition", random.choice(PAIR))


def move_on():
    global current
    current = "age"


def at_the_end(function):
    """Its own result stands for the function's."""

    @functools.wraps(function)
    def wrapped(event, ctx):
        function(event, ctx)
        return ("end",)

    return wrapped


def translated(function):
    """Makes another result of the function's."""

    @functools.wraps(function)
    def wrapped(event, ctx):
        result = function(event, ctx)
        return helper(result, ctx)

    return wrapped


def logged(function):
    """Passes the function's result on, by way of a variable."""

    @functools.wraps(function)
    async def wrapped(event, ctx):
        result = await function(event, ctx)
        ctx.log(result)
        return result

    return wrapped


def admins_only(function):
    """Ends, or passes on what the function returns."""

    @functools.wraps(function)
    def wrapped(event, ctx):
        return function(event, ctx) if event.admin else ("end",)

    return wrapped


class Remembered:
    """An object around a function, which goes where it went before."""

    def __init__(self, function):
        self.function = function
        functools.update_wrapper(self, function)

    def __call__(self, event, ctx):
        return ctx.last or self.function(event, ctx)


class Pages:
    """A handler that is a method; where it goes may be changed."""

    last = "age"

    def __init__(self):
        self.next = "name"

    def turned(self, event, ctx):
        return ("transition", self.next)

    def fixed(self, event, ctx):
        return ("transition", "name")


def to_age(event, ctx):
    return ("transition", "age")


async def to_age_later(event, ctx):
    return ("transition", "age")


def calls_helper(event, ctx):
    if event:
        return helper(event, ctx)
    return ("transition", "age")


def looks_up(event, ctx):
    return ("transition", TABLE[event.text])


def looks_up_one(event, ctx):
    return ("transition", TABLE["no"])


def chooses(event, ctx):
    return ("transition", "age" if event else "name")


def chooses_results(event, ctx):
    return ("transition", "age") if event else ("end",)


def matches(event, ctx):
    match event.text:
        case "yes":
            return ("transition", "age")
        case _:
            return ("end",)


def walrus(event, ctx):
    if result := (event and ("transition", "age")):
        return result
    return ctx.note(last := ("end",)) or last


def overwritten(event, ctx):
    nxt = "name"
    nxt = "age"
    return ("transition", nxt)


def by_variable(event, ctx):
    nxt = "age"
    result = transition(nxt)
    ctx.log(result)
    return result


def rebound_inside(event, ctx):
    nxt = "name"

    def change():
        nonlocal nxt
        nxt = "age"

    change()
    return ("transition", nxt)


def after_the_return(event, ctx):
    return ("transition", "age")
    return ("transition", "name")


def falls_back(event, ctx):
    return (ctx.data and ctx.data.get("wanted")) or ("transition", "age")


def found_before(event, ctx):
    result = ("transition", "age")
    return result or ("transition", "name")


def by_global(event, ctx):
    return ("transition", current)


def with_argument(event, ctx, to="name"):
    return ("transition", to)


def made(to):
    """A handler of a factory."""

    def handler(event, ctx):
        return ("transition", to)

    return handler


in_loop = []
for chosen in PAIR:

    def handler(event, ctx, to=chosen):
        return ("transition", to)

    in_loop.append(handler)


CORRECT = [
    (calls_helper, ["age", "name"]),
    (looks_up, ["age", "name"]),
    (looks_up_one, "age"),  # the dict may be another one by then
    (chooses, ["age", "name"]),
    (chooses_results, ["age", END]),
    (matches, ["age", END]),
    (walrus, ["age", END]),
    (overwritten, "age"),
    (by_variable, "age"),
    (rebound_inside, "age"),
    (after_the_return, "age"),
    (falls_back, "age"),
    (found_before, "age"),
    (by_global, "age"),
    (at_the_end(to_age), END),
    (translated(to_age), "name"),
    (logged(to_age_later), "age"),
    (admins_only(to_age), ["age", END]),
    (Remembered(to_age), ["age", "name"]),
    (at_the_end(translated(to_age)), END),
    (translated(at_the_end(to_age)), ["age", "name"]),
    (functools.partial(with_argument, to="age"), "age"),
    (functools.partial(translated(with_argument), to="name"), "age"),
    (Pages().turned, "age"),
    (Pages().fixed, "name"),
    (lambda event, ctx: helper(event, ctx), ["age", "name"]),
    (lambda event, ctx: ("transition", "age"), "age"),
    (made("age"), "age"),
    (in_loop[0], "age"),
    (in_loop[1], "name"),
]

WRONG = [
    (calls_helper, "name", '"signup/age"'),
    (chooses, "name", '"signup/age"'),
    (chooses_results, "age", "the end"),
    (matches, "age", "the end"),
    (walrus, END, '"signup/age"'),
    (by_variable, "name", '"signup/age"'),
    (at_the_end(to_age), "age", "the end"),
    (logged(to_age_later), "name", '"signup/age"'),
    (admins_only(to_age), "age", "the end"),
    (admins_only(to_age), END, '"signup/age"'),
    (admins_only(admins_only(to_age)), END, '"signup/age"'),
    (at_the_end(translated(to_age)), "age", "the end"),
    (functools.partial(with_argument, to="age"), "name", '"signup/age"'),
    (Pages().fixed, "age", '"signup/name"'),
    (lambda event, ctx: ("transition", Pages.last), "name", '"signup/age"'),
    (lambda event, ctx: ("transition", PAIR[0]), "name", '"signup/age"'),
    (made("age"), "name", '"signup/age"'),
    (in_loop[0], "name", '"signup/age"'),
]


@pytest.mark.parametrize(("function", "to"), CORRECT)
def test_a_correct_to_is_never_contradicted(function: Any, to: Any) -> None:
    assert found(function, to) == []


@pytest.mark.parametrize(("function", "to", "returned"), WRONG)
def test_a_wrong_to_is_found(function: Any, to: Any, returned: str) -> None:
    assert any(
        f"returns {returned}, which its to= does not name" in message for message in found(function, to)
    )


@pytest.mark.parametrize("function", [to_age, by_variable, logged(to_age_later), made("age"), in_loop[0]])
def test_a_state_too_many_in_to_is_found_where_all_is_read(function: Any) -> None:
    [message] = found(function, ["age", "name"])
    assert message.endswith('names "signup/name", which it never returns')


def test_a_guess_is_an_edge_where_nothing_is_declared() -> None:
    flow = Flow("signup")
    for name in ("name", "age"):
        flow.state(name)
    flow.defstate(ANY)(overwritten)
    assert {target.state for target in edges_of(flow.handlers[0], flow).targets} == {"name", "age"}


def test_the_state_that_a_guess_names_need_not_exist() -> None:
    def handler(event, ctx):
        nxt = "nowhere"
        nxt = "age"
        return ("transition", nxt)

    assert found(handler, "age") == []
    assert 'names "nowhere"' in found(handler, None)[0]
