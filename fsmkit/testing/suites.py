"""Tests for pytest and unittest runners, made from flows: `class TestSignup(flow_tests(signup))`."""

import contextlib
from collections.abc import Sequence
from typing import Any

from fsmkit.flow import Flow
from fsmkit.testing.acts import Act
from fsmkit.testing.checking import PHASES, check
from fsmkit.testing.findings import Phase
from fsmkit.testing.recorded import NotReadableError, act_from_json, act_to_json
from fsmkit.testing.report import Report


class FlowsWrongError(AssertionError):
    """Something is wrong with flows.

    Attributes:
        report: What.
    """

    def __init__(self, report: Report) -> None:
        self.report = report
        super().__init__(f"{report}\nseed {report.seed} (profile {report.profile})")


class FlowTests:
    """One test for each phase; made by `flow_tests`.

    Attributes:
        flows: The flows.
        options: Arguments of `check`.
        stored: Conversations that failed in the last run, as JSON; the plugin for pytest keeps them.
    """

    stored: Sequence[Any] = ()
    flows: tuple[Flow[Any], ...] = ()
    options: dict[str, Any] = {}  # noqa: RUF012  # set once, by `flow_tests`

    def test_lint(self) -> None:
        """The declarations are sound."""
        self._phase("lint")

    def test_tours(self) -> None:
        """Every edge, and every pair of edges, can be taken."""
        self._phase("tours")

    def test_random(self) -> None:
        """Random conversations, faults included, show nothing wrong."""
        self._phase("random")

    def test_parallel(self) -> None:
        """Several people at once end as in some order."""
        self._phase("parallel")

    def _phase(self, phase: Phase) -> None:
        if phase not in self.options.get("phases", PHASES):
            return
        options = {name: value for name, value in self.options.items() if name != "phases"}
        options["replays"] = [*options.get("replays", ()), *readable(self.stored, self.flows)]
        fail_if_wrong(check(*self.flows, phases=[phase], **options))


class DeployTests(FlowTests):
    """As `FlowTests`, where later versions are given."""

    def test_deploys(self) -> None:
        """Conversations that the flows began go on with each later version."""
        self._phase("deploys")


def flow_tests(*flows: Flow[Any], **options: Any) -> type[FlowTests]:
    """A class of tests for flows, to be subclassed by one whose name begins with `Test`.

    Args:
        flows: The flows.
        options: Arguments of `check`: `profile`, `seed`, `properties`, `resources`, …

    Example:
        >>> from fsmkit.telegram import command
        >>> flow = Flow("greet")
        >>> @flow.defstate(None, on=command("start"), to=())
        ... def start(event, ctx):
        ...     ctx.reply("Hello.")
        >>> class TestGreet(flow_tests(flow, profile="ci")):
        ...     pass
        >>> TestGreet().test_lint()
    """
    attributes: dict[str, Any] = {"flows": flows, "options": options, "__test__": True}
    if options.get("deploys"):
        return type("FlowTests", (DeployTests,), attributes)
    return type("FlowTests", (FlowTests,), attributes)


def fail_if_wrong(report: Report) -> None:
    """Raises FlowsWrongError with the report if something was found."""
    __tracebackhide__ = True
    if not report.ok:
        raise FlowsWrongError(report)


def failures_of(report: Report) -> list[list[dict[str, Any]]]:
    """The conversations of a report that show failures, as JSON."""
    return [[act_to_json(act) for act in finding.acts] for finding in report.failures if finding.acts]


def readable(stored: Sequence[Any], flows: Sequence[Flow[Any]]) -> list[list[Act]]:
    """Conversations of an earlier run, without those whose events the flows do not know any more."""
    found: list[list[Act]] = []
    for acts in stored:
        with contextlib.suppress(NotReadableError):
            found.append([act_from_json(act, flows) for act in acts])
    return found
