"""Kills real bots, and says what became of what people had said: `python -m tests.faults`.

Each store, and each situation, in turn: at every operation of a step the bot is killed and started again. Then
kills at random moments while many people talk to it. Then what is no kill (`faults.troubles`): requests that
fail, a store that is away, a process that stands still, a full disk, a flood of one chat, and mutated updates.
It ends with an error where an update was lost, done twice or out of order, or a reply was lost. `--quick` is
what CI runs.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.crowd import kill_at_random
from faults.kills import QUICK, SITUATIONS, Found, kill_at_each
from faults.mutations import feed_mutated
from faults.troubles import (
    FAILURES,
    FLOOD,
    LockedFile,
    be_away,
    fail_at_each,
    fill_disk,
    flood,
    outlive,
    stand_still,
)
from polled_bot import Bench

STORES = ("sqlite", "redis", "postgres")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.faults", description=__doc__)
    parser.add_argument("--store", action="append", choices=STORES, help="only this store; may be repeated")
    parser.add_argument("--situation", action="append", choices=SITUATIONS, help="only this situation")
    parser.add_argument("--every", type=int, default=1, help="kill at each of so many operations")
    parser.add_argument("--kills", type=int, default=300, help="how many kills at random moments")
    parser.add_argument("--people", type=int, default=50, help="how many people talk meanwhile")
    parser.add_argument("--mutated", type=int, default=20_000, help="how many mutated updates a bot is given")
    parser.add_argument("--flood", type=int, default=FLOOD, help="how many messages of one chat wait")
    parser.add_argument(
        "--no-troubles", action="store_true", help="only kills, the flood and mutated updates"
    )
    parser.add_argument("--quick", action="store_true", help="a few kills on SQLite, in half a minute")
    return parser


def _server(store: str, stack: ExitStack) -> tuple[str, Any]:
    """Start a store's server; return how a bot is told of it, with a name of its own to be added, and the server."""
    if store == "sqlite":
        return "sqlite ", None
    if store == "redis":
        from stores.redis_server import RedisServer

        redis = RedisServer()
        stack.callback(redis.remove)
        redis.start()
        return f"redis {redis.url} ", redis
    from stores.postgres_server import PostgresServer

    postgres = PostgresServer()
    stack.callback(postgres.remove)
    postgres.start()
    return f"postgres {postgres.dsn} ", postgres


class Report:
    """Prints what was found, each a line, and remembers whether nothing has happened that must not."""

    def __init__(self) -> None:
        self.is_well = True

    def add(self, store: str, what: str, found: Found) -> None:
        """Print a line."""
        print(f"{store:9} {what:18} {found}", flush=True)
        self.is_well = self.is_well and found.is_well


def _home(stack: ExitStack) -> Path:
    return Path(stack.enter_context(tempfile.TemporaryDirectory()))


async def _kill(given: argparse.Namespace, store: str, stack: ExitStack, where: str, report: Report) -> None:
    total = Found()
    for number, situation in enumerate(given.situation or SITUATIONS):
        found = await kill_at_each(_home(stack), situation, given.every, f"{where}faults{number}")
        report.add(store, situation, found)
        total.add(found)
    report.add(store, "all of these", total)
    if given.kills:
        found = await kill_at_random(_home(stack), given.kills, given.people, f"{where}crowd")
        report.add(store, f"{given.people} people", found)


async def _trouble(store: str, stack: ExitStack, where: str, server: Any, report: Report) -> None:
    if server is None:
        home = _home(stack)
        file = LockedFile(home / "away")
        found = await be_away(home, f"{where}away", file.lock, file.unlock)
    else:
        found = await be_away(_home(stack), f"{where}away", server.stop, server.start)
        for what in ("lease", "claim", "due"):
            waits = await outlive(store, where.split()[1], f"outlive_{what}", what)
            print(
                f"{store:9} {what:18} of a killed worker: {waits[len(waits) // 2]:.2f} s, at most {waits[-1]:.2f} s",
                flush=True,
            )
    report.add(store, "away for 5 s", found)
    report.add(store, "stands still", await stand_still(_home(stack), f"{where}still"))
    if store == "sqlite":
        report.add(store, "disk full", await fill_disk(_home(stack)))
        for how in FAILURES:
            report.add("Bot API", f"fails: {how}", await fail_at_each(_home(stack), how))


async def _run(given: argparse.Namespace) -> bool:
    """Kill, and tell what was found; return whether nothing has happened that must not."""
    if given.quick:
        given.store, given.situation, given.every, given.kills = ("sqlite",), QUICK, 6, 4
        given.mutated, given.flood, given.no_troubles = 0, 0, True
    report = Report()
    for store in given.store or STORES:
        with ExitStack() as stack:
            where, server = _server(store, stack)
            await _kill(given, store, stack, where, report)
            if not given.no_troubles:
                await _trouble(store, stack, where, server, report)
    with ExitStack() as stack:
        if given.flood:
            handled, usual, longest, grown = await flood(_home(stack), messages=given.flood)
            print(
                f"{given.flood} messages of one chat, {handled} handled; others wait {usual:.2f} s, at most "
                f"{longest:.2f} s; {grown:.0f} MiB more in memory",
                flush=True,
            )
            report.is_well = report.is_well and (handled == given.flood and usual <= 0.5 and grown < 32)
        if given.mutated:
            asked, answered, dead = await feed_mutated(Bench(_home(stack) / "bot.db"), given.mutated)
            print(
                f"{given.mutated} mutated updates: {len(answered)} of {len(asked)} good ones answered, "
                f"{len(dead)} set aside"
            )
            report.is_well = report.is_well and asked == answered
    return report.is_well


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # what Telegram's side says of clients that were killed
    sys.exit(not asyncio.run(_run(_parser().parse_args())))
