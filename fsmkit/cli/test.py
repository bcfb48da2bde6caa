"""`fsmkit check` and `fsmkit test`: what is wrong with a file's flows, printed and counted.

One function for each thing that may be tested: the declarations alone (`check_file`), the flows
(`test_file`), what a live store has (`test_store`), what a running bot has recorded (`test_recorded`). Each
returns whether all is well; the exit status is 0 then, 1 if something was found, 2 if it could not run.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import CommandError
from fsmkit.cli.graph import drawn_as, form_of
from fsmkit.cli.output import as_json, print_json, prints_to_stderr, write
from fsmkit.cli.stores import use_store
from fsmkit.errors import nearest_option
from fsmkit.flow.flow import Flow
from fsmkit.graph.drawing import Seen
from fsmkit.testing.check import PHASES, SEVERITIES, Severity, check
from fsmkit.testing.coverage import Coverage, crossing
from fsmkit.testing.findings import CODES, Phase
from fsmkit.testing.harness.actions import Action, NotReadableError, action_from_json
from fsmkit.testing.harness.engine_driver import EngineDriver
from fsmkit.testing.harness.instrument import quiet
from fsmkit.testing.lint import lint
from fsmkit.testing.loading import load
from fsmkit.testing.replay.live_store import check_store
from fsmkit.testing.replay.recordings import RecordedLine, Rehearsal, read_recording, rehearse
from fsmkit.testing.report import PROFILES, WANTED, Report


@attrs.frozen
class Outputs:
    """Files to be written.

    Attributes:
        json: For the report as JSON; `-`: standard output.
        graph: For the diagram, coloured by what was met.
    """

    json: str | None = None
    graph: str | None = None

    def check(self) -> None:
        """Raise CommandError, before anything runs, if the diagram's file has no known ending."""
        if self.graph is not None:
            form_of(self.graph)

    def write(self, report: Report) -> None:
        """Write them.

        Raises:
            CommandError: If one cannot be written.
        """
        if self.json is not None and self.json != "-":
            write(self.json, as_json(report.to_json()) + "\n")
        if self.graph is not None:
            write(self.graph, diagram(report.coverage, form_of(self.graph)))


def diagram(coverage: Coverage, form: str) -> bytes:
    """Return the drawing, coloured by what was met, in one of the forms of `fsmkit graph`."""
    graph = coverage.graph
    taken = frozenset(edge for edge in graph.edges if crossing(edge) in coverage.edges)
    return drawn_as(form, graph, Seen(taken, frozenset(coverage.states)))


@attrs.frozen
class StoredConversation:
    """A conversation of a report.

    Attributes:
        about: The finding that it shows.
        acts: What was done.
        chat: The group in which it took place, `None` for the private chat.
    """

    about: str
    acts: list[Action]
    chat: int | None = None


def stored_conversations(path: str, flows: Sequence[Flow[Any]]) -> list[StoredConversation]:
    """Return the conversations of a report.

    Args:
        path: The report.
        flows: The flows, for the classes of events from outside.

    Raises:
        CommandError: If the file is no report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        return [_stored(finding, flows) for finding in report["findings"] if finding["conversation"]]
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror or error}") from error
    except NotReadableError as error:
        raise CommandError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{path} is not a report of `fsmkit test --json`") from error


def _stored(finding: dict[str, Any], flows: Sequence[Flow[Any]]) -> StoredConversation:
    about = f"{finding.get('code', '?')}: {finding.get('message', '?')}"
    return StoredConversation(
        about, [action_from_json(step["act"], flows) for step in finding["conversation"]], finding.get("chat")
    )


def chosen(conversations: Sequence[StoredConversation], path: str, number: int) -> StoredConversation:
    """One of them.

    Args:
        conversations: All of them.
        path: Where they come from.
        number: Which, from 1.

    Raises:
        CommandError: If there is none of this number.
    """
    if not conversations:
        raise CommandError(f"{path} has no conversation, because nothing was found")
    if not 1 <= number <= len(conversations):
        raise CommandError(f"{path} has the conversations 1 to {len(conversations)}, but no number {number}")
    return conversations[number - 1]


def split_number(path: str) -> tuple[str, int]:
    """File and number of `FILE[:N]`.

    Example:
        >>> split_number("out.json:2"), split_number("out.json")
        (('out.json', 2), ('out.json', 1))
    """
    name, colon, number = path.rpartition(":")
    return (name, int(number)) if colon and number.isdecimal() and name else (path, 1)


Flows: TypeAlias = tuple[Flow[Any], ...]


def check_file(target: str) -> bool:
    """Print what the declarations show; return whether nothing is wrong.

    Args:
        target: `FILE[:FLOW]`.

    Raises:
        CommandError: If the flows cannot be loaded or do not fit together.
    """
    with prints_to_stderr():
        loaded = load(target)
        findings = lint(*loaded.flows)
    for finding in findings:
        echo(finding.line)
    wrong = sum(not finding.note for finding in findings)
    names = ", ".join(flow.name for flow in loaded.flows)
    echo(f"{names}: {wrong or 'no'} finding{'' if wrong == 1 else 's'}, {len(findings) - wrong} notes")
    return not wrong


def test_file(
    target: str,
    *,
    profile: Any,
    seed: int | None,
    outputs: Outputs,
    fail_under: dict[str, float],
    severity: Mapping[str, Severity],
    replay: str | None,
    deploys: Sequence[str],
    resources: str | None,
    mutate: bool,
    stores: tuple[str, ...],
) -> bool:
    """Tests a file's flows, and prints the report; whether nothing is wrong.

    Args:
        target: `FILE[:FLOW]`.
        profile: How long is searched.
        seed: Repeats the random phase.
        outputs: The files to be written; JSON on standard output takes the place of the text.
        fail_under: Percent of coverage that is wanted, by measure.
        severity: What findings are, by their code.
        deploys: `FILE[:FLOW]` of later versions, with which conversations go on.
        replay: A JSON report whose conversations are had again, instead of all else.
        resources: Name of the class or function of the file that makes `ctx.resources`.
        mutate: Whether the flows are broken on purpose, too, to see what notices it.
        stores: URLs of stores in which conversations are had once more.

    Raises:
        CommandError: If it cannot run.
    """
    if mutate and replay is not None:
        raise CommandError("--replay runs only the conversations of a report: leave --mutate out")
    if "mutants" in fail_under and not mutate:
        raise CommandError("--fail-under mutants=... needs --mutate")
    outputs.check()
    phases: list[Phase] = [] if replay is not None else [*PHASES]
    if mutate and phases:
        phases.append("mutants")
    with prints_to_stderr():
        loaded = load(target)
        first, later = versions_in(loaded.flows)
        later += [load(name).flows for name in deploys]
    replays = [] if replay is None else [each.acts for each in stored_conversations(replay, first)]
    if outputs.json != "-":
        names = ", ".join(flow.name for flow in loaded.flows)
        echo(f"testing {names} (profile {profile})")
    with prints_to_stderr():
        report = check(
            *first,
            profile=profile,
            seed=seed,
            load=lambda: versions_in(load(target).flows)[0],
            replays=replays,
            resources=None if resources is None else loaded.maker(resources),
            phases=phases,
            deploys=later,
            stores=stores,
            severity=severity,
            progress=_shown_progress(),
        )
    short = report.short_of(fail_under)
    if outputs.json == "-":
        print_json(report.to_json())
    else:
        _print(report, short)
    outputs.write(report)
    return report.ok and not short


def test_store(target: str, url: str, *, bot: int | str | None, profile: str, out: str | None) -> bool:
    """Holds a file's flows against what a live store has, and prints what would break; whether nothing would.

    Args:
        target: `FILE[:FLOW]`.
        url: The store; it is only read.
        bot: Only this bot's rows.
        profile: How long handlers are tried.
        out: Where the report is written as JSON; `-`: to standard output, instead of the text.

    Raises:
        CommandError: If it cannot run.
    """
    seconds = PROFILES[profile].seconds
    with prints_to_stderr():
        flows = load(target).flows
        report = use_store(url, lambda store: check_store(store, *flows, bot=bot, seconds=seconds))
    if out == "-":
        print_json(report.to_json())
    else:
        echo("\n".join(report.lines()))
        if out is not None:
            write(out, as_json(report.to_json()) + "\n")
    return report.ok


def test_recorded(target: str, recording: str, *, out: str | None) -> bool:
    """Has recorded conversations with a file's flows, and prints what goes another way; whether nothing does.

    Args:
        target: `FILE[:FLOW]`.
        recording: The file that `fsmkit.testing.replay.recorder.record` has written.
        out: Where the findings are written as JSON; `-`: to standard output, instead of the text.

    Raises:
        CommandError: If it cannot run.
    """
    with prints_to_stderr(), quiet():
        flows = load(target).flows
        try:
            talks = read_recording(recording, flows)
        except OSError as error:
            raise CommandError(f"{recording}: {error.strerror or error}") from error
        except (NotReadableError, UnicodeDecodeError) as error:
            raise CommandError(f"{recording}: {error}") from error
        done = asyncio.run(_rehearsed(flows, talks))
    findings = done.told()
    ok = all(finding.note for finding in findings)
    shown = {
        "ok": ok,
        "people": done.people,
        "events": done.steps,
        "left out": done.left,
        "findings": [finding.to_json() for finding in findings],
    }
    if out == "-":
        print_json(shown)
        return ok
    for finding in findings:
        echo(str(finding))
    wrong = sum(not finding.note for finding in findings)
    notes = f", {len(findings) - wrong} to look at" if len(findings) > wrong else ""
    echo(f"{done.steps} recorded events of {done.people} people: {wrong or 'nothing'} found{notes}")
    if done.left:
        echo(f"{done.left} events were skipped: the events before them are not known, or led elsewhere")
    if out is not None:
        write(out, as_json(shown) + "\n")
    return ok


async def _rehearsed(flows: Flows, talks: list[list[RecordedLine]]) -> Rehearsal:
    return await rehearse(EngineDriver(flows), talks)


def versions_in(flows: Flows) -> tuple[Flows, list[Flows]]:
    """Return the flows of a file with several versions of some: the oldest of each, and the others."""
    versions: dict[str, list[Flow[Any]]] = {}
    for flow in flows:
        versions.setdefault(flow.name, []).append(flow)
    for same in versions.values():
        if len({flow.version for flow in same}) != len(same):
            return flows, []  # two flows of one name; whoever puts them together says so
        same.sort(key=lambda flow: flow.version)
    count = max(map(len, versions.values()), default=0)
    later = [tuple(same[at] for same in versions.values() if at < len(same)) for at in range(1, count)]
    return tuple(same[0] for same in versions.values()), later


def read_fail_under(text: str) -> dict[str, float]:
    """Return `edges=100,pairs=80` as numbers.

    Raises:
        CommandError: If it reads differently.

    Example:
        >>> read_fail_under("edges=100,pairs=80")
        {'edges': 100.0, 'pairs': 80.0}
    """
    wanted: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.partition("=")
        try:
            wanted[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or name.strip() not in WANTED:
            raise CommandError(
                f"--fail-under {text!r}: write it like edges=100,pairs=80; the names are {', '.join(WANTED)}"
            )
    return wanted


def read_severity(given: Sequence[str]) -> dict[str, Severity]:
    """Return `unanswered=note` as a code and what its findings are.

    Raises:
        CommandError: If it reads differently.

    Example:
        >>> read_severity(["unanswered=note"])
        {'unanswered': 'note'}
    """
    known: dict[str, Severity] = {each: each for each in SEVERITIES}
    read: dict[str, Severity] = {}
    for text in given:
        code, _, level = text.partition("=")
        if level not in known or not code:
            levels = ", ".join(SEVERITIES)
            raise CommandError(
                f"--severity {text}: write it like unanswered=note; the severities are {levels}"
            )
        if code not in CODES:
            raise CommandError(f"--severity {text}: no finding has this code. {nearest_option(code, CODES)}")
        read[code] = known[level]
    return read


def _shown_progress() -> Callable[[str], None] | None:
    """Return what prints how far a test has come; on a terminal only, beside the report."""
    return (lambda line: echo(line, err=True)) if sys.stderr.isatty() else None


def _print(report: Report, short: list[str]) -> None:
    echo(str(report))
    for line in short:
        echo(f"not enough was covered: {line}")
    wrong = len(report.failures)
    steps, seconds = sum(report.steps.values()), sum(report.seconds.values())
    how = f"profile {report.profile}, seed {report.seed}"
    echo(f"{wrong or 'nothing'} found in {steps} steps, {seconds:.1f} s ({how})")
