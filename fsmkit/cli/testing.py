"""`fsmkit check` and `fsmkit test`: what is wrong with a file's flows, told and counted.

The exit status: 0 nothing was found, 1 something was, 2 it could not run.
"""

import json
from pathlib import Path
from typing import Any

import click

from fsmkit.cli.loading import load
from fsmkit.cli.refusal import Refusal, definition_errors
from fsmkit.cli.reporting import Outputs, as_json
from fsmkit.errors import StoreError
from fsmkit.testing.acts import Act
from fsmkit.testing.checking import PHASES, check
from fsmkit.testing.findings import Phase
from fsmkit.testing.linting import lint
from fsmkit.testing.recorded import NotReadableError, act_from_json
from fsmkit.testing.report import WANTED, Report


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
    replays = [] if replay is None else _conversations(replay, loaded.flows)
    if outputs.json != "-":
        names = ", ".join(flow.name for flow in loaded.flows)
        click.echo(f"testing {names} (profile {profile})")
    with definition_errors():
        try:
            report = check(
                *loaded.flows,
                profile=profile,
                seed=seed,
                load=lambda: load(target).flows,
                replays=replays,
                resources=None if resources is None else loaded.maker(resources),
                phases=phases,
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
        click.echo(as_json(report))
    else:
        _print(report, short)
    outputs.write(report, short)
    return report.ok and not short


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


def _conversations(path: str, flows: Any) -> list[list[Act]]:
    """The conversations of a report.

    Raises:
        Refusal: If the file is no report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        steps = [finding["conversation"] for finding in report["findings"]]
        return [
            [act_from_json(step["act"], flows) for step in conversation]
            for conversation in steps
            if conversation
        ]
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror or error}") from error
    except NotReadableError as error:
        raise Refusal(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path} is no report of `fsmkit test --json`") from error
