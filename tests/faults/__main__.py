"""Kills real bots, and says what became of what people had said: `python -m tests.faults`.

Each store, and each situation, in turn: at every operation of a step the bot is killed and started again. Then
kills at random moments while many people talk to it. It ends with an error where an update was lost, done
twice or out of order, or a reply was lost. `--quick` is what CI runs.
"""

import argparse
import asyncio
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from faults.crowd import kill_at_random
from faults.kills import QUICK, SITUATIONS, Found, kill_at_each
from faults.mutations import feed_mutated
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
    parser.add_argument("--quick", action="store_true", help="a few kills on SQLite, in half a minute")
    return parser


def _server(store: str, stack: ExitStack) -> str:
    """Start a store's server; return how a bot is told of it, with a name of its own to be added."""
    if store == "sqlite":
        return "sqlite "
    if store == "redis":
        from stores.redis_server import RedisServer

        redis = RedisServer()
        stack.callback(redis.remove)
        redis.start()
        return f"redis {redis.url} "
    from stores.postgres_server import PostgresServer

    postgres = PostgresServer()
    stack.callback(postgres.remove)
    postgres.start()
    return f"postgres {postgres.dsn} "


async def _run(given: argparse.Namespace) -> bool:
    """Kill, and tell what was found; return whether nothing has happened that must not."""
    stores, situations = given.store or STORES, given.situation or list(SITUATIONS)
    every, kills, people, mutated = given.every, given.kills, given.people, given.mutated
    if given.quick:
        stores, situations, every, kills, people, mutated = ("sqlite",), QUICK, 6, 4, 50, 0
    well = True
    for store in stores:
        with ExitStack() as stack:
            where = _server(store, stack)
            total = Found()
            for number, situation in enumerate(situations):
                home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                found = await kill_at_each(home, situation, every, f"{where}faults{number}")
                print(f"{store:9} {situation:14} {found}", flush=True)
                total.add(found)
            print(f"{store:9} {'all of these':14} {total}", flush=True)
            well = well and total.is_well
            if kills:
                home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                found = await kill_at_random(home, kills, people, f"{where}crowd")
                print(f"{store:9} {f'{people} people':14} {found}", flush=True)
                well = well and found.is_well
    if mutated:
        with tempfile.TemporaryDirectory() as home:
            asked, answered, dead = await feed_mutated(Bench(Path(home) / "bot.db"), mutated)
        print(
            f"{mutated} mutated updates: {len(answered)} of {len(asked)} good ones answered, {len(dead)} set aside"
        )
        well = well and asked == answered
    return well


if __name__ == "__main__":
    sys.exit(not asyncio.run(_run(_parser().parse_args())))
