"""The outcome of `fsmkit import-persistence`, for people and for scripts."""

import asyncio
import os
from pathlib import Path
from typing import Any

from fsmkit.cli.columns import columns
from fsmkit.cli.importing.taking import Report, take
from fsmkit.cli.refusal import Refusal
from fsmkit.cli.running import default_store
from fsmkit.telegram.running import TOKEN

FEW = 10
"""Problems and names that are listed for people; JSON has all."""


def import_persistence(
    file: str, target: str, url: str | None, *, bot: int | str | None, dry_run: bool
) -> Report:
    """Takes the conversations of a persistence into a store.

    Args:
        file: The persistence.
        target: `FILE[:FLOW]`.
        url: The store; by default that of `fsmkit run`.
        bot: The bot's id; by default that of the token in the environment.
        dry_run: Whether nothing is written.

    Raises:
        Refusal: If it cannot be done; nothing was written.
    """
    bot = _bot_of_token() if bot is None else bot
    if bot is None:
        raise Refusal(
            f"whose conversations they are is not in the file: name the bot with --bot ID, the number before "
            f"the colon of its token, or set {TOKEN}"
        )
    return asyncio.run(take(Path(file), target, url or default_store(target), bot=bot, dry_run=dry_run))


def as_lines(report: Report) -> list[str]:
    """The outcome for a person."""
    lines: list[str] = []
    if report.taken:
        rows = [(flow, state, count) for (flow, state), count in sorted(report.taken.items())]
        lines += [*columns(["flow", "state", "to take" if report.dry_run else "taken"], rows), ""]
    for problem in report.problems[:FEW]:
        lines.append(f"not taken: {problem.conversation} {problem.key!r}: {problem.reason}")
    if len(report.problems) > FEW:
        lines.append(f"... and {len(report.problems) - FEW} more")
    for name, count in report.unknown.items():
        lines.append(f"not taken: {count} of {name!r}, of which no flow was made")
    for name, count in report.left_over.items():
        lines.append(f"left over: {count} of {name!r}, nested where the conversation around it is not")
    for name, count in report.there.items():
        lines.append(f"left alone: {count} of flow {name!r}, which the store has already")
    if report.strange:
        more = f" and {len(report.strange) - FEW} more" if len(report.strange) > FEW else ""
        lines.append(f"not loaded, as in any such file: {', '.join(report.strange[:FEW])}{more}")
    total = report.taken.total()
    said = "to take; nothing was written (--dry-run)" if report.dry_run else "taken"
    return [*lines, f"{total} conversation{'' if total == 1 else 's'} {said}"]


def as_json(report: Report) -> dict[str, Any]:
    """The outcome for scripts; the shape is in docs/reference/cli.md."""
    return {
        "dry_run": report.dry_run,
        "taken": [
            {"flow": flow, "state": state, "conversations": count}
            for (flow, state), count in sorted(report.taken.items())
        ],
        "already_there": dict(report.there),
        "left_over": dict(report.left_over),
        "unknown": dict(report.unknown),
        "problems": [
            {"conversation": one.conversation, "key": repr(one.key), "reason": one.reason}
            for one in report.problems
        ],
        "not_loaded": list(report.strange),
    }


def _bot_of_token() -> int | None:
    number = os.environ.get(TOKEN, "").partition(":")[0]
    return int(number) if number.isdecimal() else None
