"""The pytest plugin: the fixture `fsmkit_chat`, and `pytest --fsmkit module:flow`.

It is loaded in each run of pytest where fsmkit is installed, so nothing else is imported until it is needed.
"""

import contextlib
import hashlib
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from fsmkit.flow.flow import Flow
from fsmkit.testing.check import PHASES, check
from fsmkit.testing.findings import Phase
from fsmkit.testing.harness.actions import Action, NotReadableError, action_from_json, action_to_json
from fsmkit.testing.report import Report

if TYPE_CHECKING:
    from fsmkit.testing.chat import Chat


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("fsmkit", "flows of fsmkit")
    group.addoption(
        "--fsmkit",
        action="append",
        default=[],
        metavar="FILE[:FLOW]",
        help="Test the flows of a file or module, without test code. May be given several times.",
    )
    group.addoption(
        "--fsmkit-profile",
        default="dev",
        choices=["dev", "ci", "thorough"],
        help="How long is searched.",
    )
    group.addoption("--fsmkit-seed", type=int, default=None, metavar="N", help="Repeats the random phase.")


@pytest.fixture
def fsmkit_chat() -> "Iterator[Callable[..., Chat]]":
    """Make `Chat`s that are closed after the test: `chat = fsmkit_chat(signup)`."""
    from fsmkit.testing.chat import Chat

    chats: list[Chat] = []

    def make(*bot: Any, **options: Any) -> Chat:
        chats.append(Chat(*bot, **options))
        return chats[-1]

    yield make
    for chat in chats:
        chat.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Give a test of flows the conversations that failed last time, and keeps those that fail now.

    They stand in pytest's own cache, beside those that `--last-failed` knows.
    """
    tested, cache = _tested(item), getattr(item.config, "cache", None)
    if tested is None or cache is None:
        return (yield)
    place = f"fsmkit/failures/{hashlib.sha256(item.nodeid.encode()).hexdigest()[:16]}"
    tested.stored = cache.get(place, [])
    try:
        result = yield
    except AssertionError as error:
        report = getattr(error, "report", None)
        if report is not None:
            cache.set(place, failures_of(report))
        raise
    if tested.stored:
        cache.set(place, [])
    return result


def _tested(item: pytest.Item) -> Any:
    """Return the test of flows that an item is; `None` for any other."""
    suites = sys.modules.get("fsmkit.testing.pytest_plugin")  # where it is not loaded, there is no such test
    instance = getattr(item, "instance", None)
    if suites is not None and isinstance(instance, suites.FlowTests):
        return instance
    return item if isinstance(item, FlowPhase) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add a test for each phase of each target of `--fsmkit`."""
    targets: Any = config.getoption("--fsmkit")
    for target in targets:
        collector = FlowFile.from_parent(session, name=str(target), nodeid=str(target))
        items.extend(collector.collect())


class FlowFile(pytest.Collector):
    """The flows of a file."""

    def collect(self) -> "list[FlowPhase]":
        """Return a test for each phase."""
        return [FlowPhase.from_parent(self, name=phase) for phase in ("lint", "tours", "random", "parallel")]


class FlowPhase(pytest.Item):
    """One phase.

    Attributes:
        stored: Conversations that failed in the last run, as JSON.
    """

    stored: Sequence[Any] = ()

    def runtest(self) -> None:
        """Carries it out.

        Raises:
            AssertionError: If something is wrong with the flows, or they cannot be loaded.
        """
        from fsmkit.testing.loading import LoadError, load

        target = self.parent.name if self.parent is not None else ""
        try:
            flows = load(target).flows
        except LoadError as error:
            raise AssertionError(str(error)) from error
        phase: Any = self.name
        profile: Any = self.config.getoption("--fsmkit-profile")
        seed: Any = self.config.getoption("--fsmkit-seed")
        fail_if_wrong(
            check(
                *flows,
                phases=[phase],
                profile=profile,
                seed=seed,
                load=lambda: load(target).flows,
                replays=readable(self.stored, flows),
            )
        )

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the report, without the plugin's own code around it."""
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> Any:
        """Return what is shown beside the test."""
        target = self.parent.name if self.parent is not None else ""
        return self.path, None, f"{target}: {self.name}"


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
    """Return a class of tests for flows, to be subclassed by one whose name begins with `Test`.

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
    """Raise FlowsWrongError with the report if something was found."""
    __tracebackhide__ = True
    if not report.ok:
        raise FlowsWrongError(report)


def failures_of(report: Report) -> list[list[dict[str, Any]]]:
    """Return the conversations of a report that show failures, as JSON."""
    return [
        [action_to_json(action) for action in finding.actions]
        for finding in report.failures
        if finding.actions
    ]


def readable(stored: Sequence[Any], flows: Sequence[Flow[Any]]) -> list[list[Action]]:
    """Conversations of an earlier run, without those whose events the flows do not know any more."""
    found: list[list[Action]] = []
    for actions in stored:
        with contextlib.suppress(NotReadableError):
            found.append([action_from_json(action, flows) for action in actions])
    return found
