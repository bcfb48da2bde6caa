"""A person's conversations, in whatever chats they are.

For events that are for a person and not for one place: an account that was closed, a payment by an app.
"""

from fsmkit.codec import decode_row
from fsmkit.keys import Key
from fsmkit.stores import Store


async def conversations_of(
    store: Store, user: int | str, bot: int | str | None, flow: str | None
) -> list[Key]:
    """The keys under which a person has a conversation that runs.

    Args:
        store: Where to look.
        user: The person's id.
        bot: Only with this bot.
        flow: Only with this flow in it, running or waiting.
    """
    return [key for key in await store.keys_of(user, bot=bot) if await _runs(store, key, flow)]


async def _runs(store: Store, key: Key, flow: str | None) -> bool:
    blob = await store.peek(key)
    if blob is None:
        return False
    running = (snapshot for snapshot in decode_row(blob).snapshots.values() if snapshot.active)
    return any(flow is None or any(frame.flow == flow for frame in snapshot.frames) for snapshot in running)
