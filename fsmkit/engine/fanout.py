"""`fan_out`: one event for many conversations, no faster than Telegram lets a bot talk."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from fsmkit.clock import monotonic
from fsmkit.engine.engine import Engine
from fsmkit.engine.fifo import KeyedWorkers
from fsmkit.engine.transaction import OUTSIDE, check_not_nested
from fsmkit.errors import StoreUnavailable
from fsmkit.keys import Key

RATE = 25.0
"""Conversations a second; Telegram sends about 30 messages a second for a bot
(https://core.telegram.org/bots/faq#broadcasting-to-users)."""


AT_ONCE = 16


RETRY_SECONDS = 5.0
"""Between two questions whether a store that was away is there again."""


async def fan_out(
    engine: Engine,
    keys: Iterable[Key],
    event: Any,
    *,
    id: str | int | tuple[str, str | int] | None = None,  # noqa: A002  # the field's word for it
    flow: str | None = None,
    rate: float = RATE,
) -> Counter[str]:
    """Send an event to many conversations.

    Args:
        engine: The engine.
        keys: The conversations.
        event: The event, the same for all.
        id: The id of the event: with the same id after an interruption, nobody gets it twice. With an id,
            this waits for a store that is not available.
        flow: Only this flow gets it.
        rate: Conversations a second, at most.

    Returns:
        How many `handled` it, `passed`, found it a `duplicate`, or `failed`. Exceptions go to the engine's
        `on_error`.

    Raises:
        NestedSend: If a handler awaits it.

    Example:
        >>> import asyncio
        >>> from fsmkit import Engine, Flow, Key
        >>> from fsmkit.engine.fanout import fan_out
        >>> news = Flow("news")
        >>> @news.defstate(None, on=str)
        ... def told(event, ctx):
        ...     ctx.reply(event)
        >>> asyncio.run(fan_out(Engine(news), [Key(1, 1), Key(2, 2)], "Hello", rate=1000))
        Counter({'handled': 2})
    """
    check_not_nested("fan_out", OUTSIDE)
    if rate <= 0:
        raise ValueError(f"fan_out(rate={rate!r}): more than zero a second, or nobody is ever told")
    told: Counter[str] = Counter()

    async def tell(key: Key) -> None:
        while True:
            try:
                outcome = await engine.send(key, event, id=id, flow=flow)
            except Exception as error:
                if isinstance(error, StoreUnavailable) and id is not None:
                    await engine.clock.sleep(RETRY_SECONDS)
                    continue
                told["failed"] += 1
                await engine.report(key, event, error)
            else:
                told[outcome.kind] += 1
            return

    lanes, due = KeyedWorkers(AT_ONCE), monotonic(engine.clock)
    try:
        for key in keys:
            await engine.clock.sleep(due - monotonic(engine.clock))
            await lanes.put(key.with_bot(engine.bot), partial(tell, key))
            due = max(due, monotonic(engine.clock) - 1.0) + 1.0 / rate
        await lanes.join()
    finally:
        await lanes.cancel()
    return told
