"""The pytest plugin: the fixture `fsmkit_chat`, and `pytest --fsmkit module:flow`.

It is loaded in each run of pytest where fsmkit is installed, so nothing else is imported until it is needed.
"""

import hashlib
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fsmkit.testing.chat import Chat


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options."""
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
    """Makes `Chat`s that are closed after the test: `chat = fsmkit_chat(signup)`."""
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
    """Gives a test of flows the conversations that failed last time, and keeps those that fail now.

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
            from fsmkit.testing.suites import failures_of

            cache.set(place, failures_of(report))
        raise
    if tested.stored:
        cache.set(place, [])
    return result


def _tested(item: pytest.Item) -> Any:
    """The test of flows that an item is; `None` for any other."""
    suites = sys.modules.get("fsmkit.testing.suites")  # where it is not loaded, there is no such test
    instance = getattr(item, "instance", None)
    if suites is not None and isinstance(instance, suites.FlowTests):
        return instance
    return item if isinstance(item, FlowPhase) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Adds a test for each phase of each target of `--fsmkit`."""
    targets: Any = config.getoption("--fsmkit")
    for target in targets:
        collector = FlowFile.from_parent(session, name=str(target), nodeid=str(target))
        items.extend(collector.collect())


class FlowFile(pytest.Collector):
    """The flows of a file."""

    def collect(self) -> "list[FlowPhase]":
        """A test for each phase."""
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
        from fsmkit.cli.loading import load
        from fsmkit.cli.refusal import Refusal
        from fsmkit.testing.checking import check
        from fsmkit.testing.suites import fail_if_wrong, readable

        target = self.parent.name if self.parent is not None else ""
        try:
            flows = load(target).flows
        except Refusal as refusal:
            raise AssertionError(refusal.message) from refusal
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
        """The report, without the plugin's own code around it."""
        if isinstance(excinfo.value, AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> Any:
        """What is shown beside the test."""
        target = self.parent.name if self.parent is not None else ""
        return self.path, None, f"{target}: {self.name}"
