"""`fsmkit check` and `fsmkit test`: what is wrong with a file's flows, told and counted.

The exit status: 0 nothing was found, 1 something was, 2 it could not run.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, TypeAlias

import click

from fsmkit.cli.loading import load
from fsmkit.cli.refusal import Refusal, definition_errors
from fsmkit.cli.replaying import stored_conversations
from fsmkit.cli.reporting import Outputs, as_json, write
from fsmkit.cli.storing import use_store
from fsmkit.errors import StoreError
from fsmkit.flow import Flow
from fsmkit.testing.checking import PHASES, check
from fsmkit.testing.findings import Phase
from fsmkit.testing.linting import lint
from fsmkit.testing.livestore import check_store
from fsmkit.testing.quiet import quiet
from fsmkit.testing.recorded import NotReadableError
from fsmkit.testing.recordings import Line, Rehearsal, read_recording, rehearse
from fsmkit.testing.report import PROFILES, WANTED, Report
from fsmkit.testing.stages.direct import DirectStage

Flows: TypeAlias = tuple[Flow[Any], ...]


def check_file(target: str) -> bool:
    """Prints what the declarations show; whether nothing is wrong.

    Args:
        target: `FILE[:FLOW]`.

    Raises:
        Refusal: If the flows cannot be loaded or do not fit together.
    """
    loaded = load(target)
    with definition_errors():
        findings = lint(*loaded.flows)
    for finding in findings:
        click.echo(finding.line)
    wrong = sum(not finding.note for finding in findings)
    names = ", ".join(flow.name for flow in loaded.flows)
    click.echo(f"{names}: {wrong or 'no'} finding{'' if wrong == 1 else 's'}, {len(findings) - wrong} notes")
    return not wrong


def test_file(
    target: str,
    *,
    profile: Any,
    seed: int | None,
    outputs: Outputs,
    fail_under: dict[str, float],
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
        deploys: `FILE[:FLOW]` of later versions, with which conversations go on.
        replay: A JSON report whose conversations are had again, instead of all else.
        resources: Name of the class or function of the file that makes `ctx.resources`.
        mutate: Whether the flows are broken on purpose, too, to see what notices it.
        stores: URLs of stores in which conversations are had once more.

    Raises:
        Refusal: If it cannot run.
    """
    if mutate and replay is not None:
        raise Refusal("--replay has only the conversations of a report again: leave --mutate out")
    if "mutants" in fail_under and not mutate:
        raise Refusal("--fail-under mutants=... needs --mutate")
    outputs.check()
    phases: list[Phase] = [] if replay is not None else [*PHASES]
    if mutate and phases:
        phases.append("mutants")
    loaded = load(target)
    first, later = versions_in(loaded.flows)
    later += [load(name).flows for name in deploys]
    replays = [] if replay is None else [each.acts for each in stored_conversations(replay, first)]
    if outputs.json != "-":
        names = ", ".join(flow.name for flow in loaded.flows)
        click.echo(f"testing {names} (profile {profile})")
    with definition_errors():
        try:
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
            )
        except StoreError as error:
            raise Refusal(str(error)) from error
        except ModuleNotFoundError as error:
            if error.name != "hypothesis":
                raise
            raise Refusal(str(error)) from error
    short = report.short_of(fail_under)
    if outputs.json == "-":
        click.echo(as_json(report.to_json()))
    else:
        _print(report, short)
    outputs.write(report, short)
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
        Refusal: If it cannot run.
    """
    flows = load(target).flows
    with definition_errors():
        report = use_store(
            url, lambda store: check_store(store, *flows, bot=bot, seconds=PROFILES[profile].seconds)
        )
    if out == "-":
        click.echo(as_json(report.to_json()))
    else:
        click.echo("\n".join(report.lines()))
        if out is not None:
            write(out, as_json(report.to_json()) + "\n")
    return report.ok


def test_recorded(target: str, recording: str, *, out: str | None) -> bool:
    """Has recorded conversations with a file's flows, and prints what goes another way; whether nothing does.

    Args:
        target: `FILE[:FLOW]`.
        recording: The file that `fsmkit.testing.recorder.record` has written.
        out: Where the findings are written as JSON; `-`: to standard output, instead of the text.

    Raises:
        Refusal: If it cannot run.
    """
    flows = load(target).flows
    try:
        talks = read_recording(recording, flows)
    except OSError as error:
        raise Refusal(f"{recording}: {error.strerror or error}") from error
    except (NotReadableError, UnicodeDecodeError) as error:
        raise Refusal(f"{recording}: {error}") from error
    with definition_errors(), quiet():
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
        click.echo(as_json(shown))
        return ok
    for finding in findings:
        click.echo(str(finding))
    wrong = sum(not finding.note for finding in findings)
    notes = f", {len(findings) - wrong} to look at" if len(findings) > wrong else ""
    click.echo(f"{done.steps} recorded events of {done.people} people: {wrong or 'nothing'} found{notes}")
    if done.left:
        click.echo(f"{done.left} events were left out: what went before is not known, or went another way")
    if out is not None:
        write(out, as_json(shown) + "\n")
    return ok


async def _rehearsed(flows: Flows, talks: list[list[Line]]) -> Rehearsal:
    return await rehearse(DirectStage(flows), talks)


def versions_in(flows: Flows) -> tuple[Flows, list[Flows]]:
    """The flows of a file that has several versions of some: the oldest of each, and those that follow."""
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
    """`edges=100,pairs=80` as numbers.

    Raises:
        Refusal: If it reads differently.

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
            raise Refusal(
                f"--fail-under {text!r}: write it like edges=100,pairs=80; it knows {', '.join(WANTED)}"
            )
    return wanted


def _print(report: Report, short: list[str]) -> None:
    click.echo(str(report))
    for line in short:
        click.echo(f"too little was met: {line}")
    wrong = len(report.failures)
    steps, seconds = sum(report.steps.values()), sum(report.seconds.values())
    how = f"profile {report.profile}, seed {report.seed}"
    click.echo(f"{wrong or 'nothing'} found in {steps} steps, {seconds:.1f} s ({how})")
