"""`fsmkit migrate`: what a new version of a file's flows does to the conversations of a live store."""

from typing import Any

import attrs

from fsmkit.cli.errors import CommandError
from fsmkit.cli.inspection.repair import flows_of
from fsmkit.cli.output import prints_to_stderr
from fsmkit.cli.stores import use_store
from fsmkit.cli.tables import columns
from fsmkit.clock import SystemClock
from fsmkit.engine.maintenance import PROBLEMS, StoreSurvey, carry_out, examine
from fsmkit.interpreter.migrations import Fit
from fsmkit.stores.protocol import Store

FITS: tuple[Fit, ...] = ("current", "migrated", "orphaned", "newer", "unknown", "unreadable")


@attrs.frozen
class MigrationReport:
    """What a migration did.

    Attributes:
        report: How the conversations stood to the flows before.
        dry_run: Whether nothing was to be written.
        written: How many rows were.
    """

    report: StoreSurvey
    dry_run: bool
    written: int

    @property
    def clean(self) -> bool:
        """Whether there was nothing that a migration cannot put right."""
        return not self.report.total(*PROBLEMS)


def migrate(url: str, target: str, *, bot: int | str | None, dry_run: bool) -> MigrationReport:
    """Check all rows, and migrate those that need it.

    Args:
        url: The store.
        target: `FILE[:FLOW]`.
        bot: Only this bot's rows.
        dry_run: Whether nothing is written.

    Raises:
        CommandError: If it cannot be done; nothing was written.
    """
    flows = flows_of(target)

    async def work(store: Store) -> MigrationReport:
        report = await examine(store, flows, bot)
        if len(report.bots) > 1:
            raise CommandError(
                f"the store has rows of the bots {', '.join(sorted(map(_bot, report.bots)))}, and "
                f"this file belongs to one bot: name it with --bot"
            )
        keys = () if dry_run else report.to_write
        return MigrationReport(report, dry_run, await carry_out(store, flows, keys, SystemClock().now()))

    with prints_to_stderr():  # migrations are the user's own functions
        return use_store(url, work)


def as_lines(done: MigrationReport) -> list[str]:
    """Return the outcome for a person."""
    report = done.report
    lines: list[str] = []
    if report.counts:
        shown = [fit for fit in FITS if fit != "unreadable" or report.total(fit)]
        rows = [
            (flow, state or "(draft)", *(counts[fit] for fit in shown))
            for (flow, state), counts in _sorted(report)
        ]
        lines += [*columns(["flow", "state", *shown], rows), ""]
    for key, one in report.examples:
        lines.append(f"{one.fit}: {key} in {one.flow}/{one.state or '(draft)'}: {one.reason}")
    more = report.total(*PROBLEMS) - len(report.examples)
    if more:
        lines.append(f"... and {more} more like these")
    lines += report.lost_lines()
    looked = f"{report.rows} row{'' if report.rows == 1 else 's'} checked"
    if done.dry_run:
        return [*lines, f"{looked}, {len(report.to_write)} to migrate; nothing was written (--dry-run)"]
    return [*lines, f"{looked}, {done.written} migrated"]


def as_json(done: MigrationReport) -> dict[str, Any]:
    """Return the outcome for scripts; the shape is in docs/reference/cli.md."""
    report = done.report
    lost = [{"message": said, "conversations": count} for said, count in report.lost.items()]
    return {
        **({"lost": lost} if lost else {}),
        "dry_run": done.dry_run,
        "rows": report.rows,
        "to_write": len(report.to_write),
        "written": done.written,
        "total": {fit: report.total(fit) for fit in FITS},
        "states": [
            {"flow": flow, "state": state, **{fit: counts[fit] for fit in FITS}}
            for (flow, state), counts in _sorted(report)
        ],
        "problems": [
            {"key": str(key), "flow": one.flow, "state": one.state, "fit": one.fit, "reason": one.reason}
            for key, one in report.examples
        ],
    }


def _sorted(report: StoreSurvey) -> list[Any]:
    return sorted(report.counts.items(), key=lambda item: (item[0][0], item[0][1] or ""))


def _bot(bot: int | str | None) -> str:
    return "-" if bot is None else str(bot)
