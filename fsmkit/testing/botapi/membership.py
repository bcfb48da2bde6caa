"""Who is in which chat: people who block the bot, groups that throw it out or become supergroups."""

from fsmkit.testing.botapi.chats import chat as chat_of
from fsmkit.testing.botapi.chats import user as user_of
from fsmkit.testing.botapi.updates import deliver
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import World


def bot_status(world: World, chat_id: int, status: str, *, by: int) -> Json:
    """Somebody changes what the bot is in a chat: the `my_chat_member` update."""
    where = chat_of(world, chat_id)
    change = {
        "chat": where.info,
        "from": user_of(world, by),
        "date": world.date(),
        "old_chat_member": _member(world, where.bot_status),
        "new_chat_member": _member(world, status),
    }
    return deliver(world, "my_chat_member", change)


def migrate(world: World, old: int, new: int) -> list[Json]:
    """A group becomes a supergroup: the two service messages, and the old id is refused from now on."""
    before = chat_of(world, old, type="group")
    after = chat_of(world, new, type="supergroup", title=before.info["title"])
    updates = [
        _service(world, old, {"migrate_to_chat_id": new}),
        _service(world, new, {"migrate_from_chat_id": old}),
    ]
    before.migrated_to = new
    after.bot_status = before.bot_status
    return updates


def _service(world: World, chat_id: int, content: Json) -> Json:
    where = chat_of(world, chat_id)
    message = {"message_id": where.next_id(), "date": world.date(), "chat": where.info, **content}
    return deliver(world, "message", message)


def _member(world: World, status: str) -> Json:
    """A `ChatMember` of the bot with the fields that its status needs."""
    member: Json = {"user": world.bot, "status": status}
    if status == "kicked":
        member["until_date"] = 0
    return member
