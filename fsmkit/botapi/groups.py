"""Methods of a bot that looks after a group: its people, its name, pinned messages, topics, invitations.

Most of them need an administrator; one of this model has all rights, anybody else none.
"""

from typing import Any

from fsmkit.botapi.chats import (
    CHANNEL_RIGHTS,
    GROUP_RIGHTS,
    PERMISSIONS,
    RIGHTS,
    bot_member,
    change_bot,
    find_chat,
    member,
    user,
    writable_chat,
)
from fsmkit.botapi.entities import utf16
from fsmkit.botapi.errors import Json, bad_request
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import ChatRecord, World

# --- people ---


def get_chat_member(world: World, params: Params) -> Json:
    """`getChatMember`: somebody whom the model has met, but not in this chat, is a plain member of it."""
    where = find_chat(world, params)
    user_id = params.integer("user_id")
    if user_id == world.bot["id"]:
        return bot_member(world, where)
    if user_id not in world.users:
        raise bad_request("invalid user_id specified")
    return where.members.get(user_id) or member(user(world, user_id), "member")


def get_chat_administrators(world: World, params: Params) -> list[Json]:
    """`getChatAdministrators`: the bot itself is among them, other bots are not."""
    where = find_chat(world, params)
    if where.private:
        raise bad_request("there are no administrators in the private chat")
    people = [each for each in where.members.values() if not each["user"]["is_bot"]]
    return [
        each for each in (*people, bot_member(world, where)) if each["status"] in {"administrator", "creator"}
    ]


def get_chat_member_count(world: World, params: Params) -> int:
    """`getChatMemberCount`: those whom the model has met there, and the bot."""
    where = find_chat(world, params)
    if where.private:
        return 2
    inside = [
        each
        for each in where.members.values()
        if each["status"] not in {"left", "kicked"} and each.get("is_member", True)
    ]
    return len(inside) + (not where.bot_gone)


def ban_chat_member(world: World, params: Params) -> bool:
    """`banChatMember`."""
    where, person = _restrictable(world, params)
    return _become(where, person, "kicked", until_date=params.integer("until_date"))


def unban_chat_member(world: World, params: Params) -> bool:
    """`unbanChatMember`: somebody who was not banned is put out, unless `only_if_banned` is given."""
    where, person = _restrictable(world, params)
    banned = where.members.get(person["id"], {}).get("status") == "kicked"
    return True if params.get("only_if_banned") and not banned else _become(where, person, "left")


def restrict_chat_member(world: World, params: Params) -> bool:
    """`restrictChatMember`: whoever may do everything is a member again."""
    where, person = _restrictable(world, params)
    if where.info["type"] != "supergroup":
        raise bad_request("method is available only for supergroups")
    may = _permissions(params)
    if all(may.values()):
        return _become(where, person, "member")
    return _become(where, person, "restricted", **may, until_date=params.integer("until_date"))


def promote_chat_member(world: World, params: Params) -> bool:
    """`promoteChatMember`: without any right, the person is a member again."""
    where, person = _restrictable(world, params, "promote/demote")
    rights = {name: bool(params.get(name)) for name in (*RIGHTS, *GROUP_RIGHTS, *CHANNEL_RIGHTS)}
    if not any(rights.values()) and not params.get("is_anonymous"):
        return _become(where, person, "member")
    fields = {**rights, "can_be_edited": True, "is_anonymous": bool(params.get("is_anonymous"))}
    return _become(where, person, "administrator", **fields)


def set_custom_title(world: World, params: Params) -> bool:
    """`setChatAdministratorCustomTitle`."""
    where = _administered(world, params, "change custom title of the user")
    known = where.members.get(params.integer("user_id"), {})
    if known.get("status") != "administrator":
        raise bad_request("user is not an administrator")
    if utf16(title := params.text("custom_title")) > 16:
        raise bad_request("ADMIN_RANK_INVALID")
    where.members[known["user"]["id"]] = {**known, "custom_title": title}
    return True


def leave_chat(world: World, params: Params) -> bool:
    """`leaveChat`."""
    where = _group(writable_chat(world, params))
    change_bot(world, where.info["id"], "left", by=world.bot["id"])
    return True


def answer_join_request(world: World, params: Params, *, approve: bool) -> bool:
    """`approveChatJoinRequest` and `declineChatJoinRequest`."""
    where = find_chat(world, params)
    request = (where.info["id"], params.integer("user_id"))
    if request not in world.join_requests:
        raise bad_request("USER_ALREADY_PARTICIPANT" if approve else "HIDE_REQUESTER_MISSING")
    world.join_requests.discard(request)
    if approve:
        _become(where, user(world, request[1]), "member")
    return True


def _restrictable(world: World, params: Params, verb: str = "restrict/unrestrict") -> tuple[ChatRecord, Json]:
    """Return a chat and somebody in it whom the bot may throw out, or make more or less of."""
    where = _administered(world, params, f"{verb} chat member")
    user_id = params.integer("user_id")
    if user_id == world.bot["id"]:
        raise bad_request("can't restrict self")
    if user_id not in world.users:
        raise bad_request("PARTICIPANT_ID_INVALID")
    status = where.members.get(user_id, {}).get("status")
    if status == "creator":
        raise bad_request("can't remove chat owner")
    if status == "administrator" and not where.members[user_id].get("can_be_edited"):
        raise bad_request("user is an administrator of the chat")
    return where, user(world, user_id)


def _become(where: ChatRecord, person: Json, status: str, **fields: Any) -> bool:
    where.members[person["id"]] = member(person, status, **fields)
    return True


def _permissions(params: Params) -> Json:
    """Return every permission as given; one that is left out is not given."""
    given: Any = params.get("permissions")
    if not isinstance(given, dict):
        raise bad_request("can't parse ChatPermissions: expected an Object")
    return {name: bool(given.get(name)) for name in PERMISSIONS}


def _group(where: ChatRecord) -> ChatRecord:
    if where.private:
        raise bad_request("chat member status can't be changed in private chats")
    return where


def _administered(world: World, params: Params, what: str) -> ChatRecord:
    """Return the group or channel that the bot may do something with as its administrator.

    Raises:
        ApiError: If it is no administrator there.
    """
    where = _group(writable_chat(world, params))
    if not where.bot_administers:
        raise bad_request(f"not enough rights to {what}")
    return where


# --- the chat itself ---


def set_chat_title(world: World, params: Params) -> bool:
    """`setChatTitle`, 1 to 128 characters."""
    where = _administered(world, params, "change chat title")
    title = params.text("title").strip()
    if not title:
        raise bad_request("title can't be empty")
    if utf16(title) > 128:
        raise bad_request("CHAT_TITLE_TOO_LONG")
    where.info = {**where.info, "title": title}
    return True


def set_chat_description(world: World, params: Params) -> bool:
    """`setChatDescription`, up to 255 characters; an empty one takes it away."""
    where = _administered(world, params, "change chat description")
    description = params.text("description").strip()
    if utf16(description) > 255:
        raise bad_request("CHAT_ABOUT_TOO_LONG")
    if description == where.details.get("description", ""):
        raise bad_request("chat description is not modified")
    others = {name: value for name, value in where.details.items() if name != "description"}
    where.details = others | ({"description": description} if description else {})
    return True


def set_chat_permissions(world: World, params: Params) -> bool:
    """`setChatPermissions`: what members may do; `getChat` shows it."""
    where = _administered(world, params, "change chat permissions")
    where.details = {**where.details, "permissions": _permissions(params)}
    return True


def set_chat_photo(world: World, params: Params) -> bool:
    """`setChatPhoto`: a file that comes with the request; `getChat` shows it."""
    where = _administered(world, params, "change chat photo")
    upload = next(iter(params.uploads.values()), None)
    if upload is None:
        raise bad_request("there is no photo in the request")
    small, big = (world.store_file("photo", upload.content, upload.name).file_id for _ in range(2))
    sizes = {"small": small, "big": big}
    photo = {f"{size}_{name}": file for size, file in sizes.items() for name in ("file_id", "file_unique_id")}
    where.details = {**where.details, "photo": photo}
    return True


def delete_chat_photo(world: World, params: Params) -> bool:
    """`deleteChatPhoto`."""
    where = _administered(world, params, "change chat photo")
    if "photo" not in where.details:
        raise bad_request("CHAT_NOT_MODIFIED")
    where.details = {name: value for name, value in where.details.items() if name != "photo"}
    return True


# --- pinned messages ---


def pin_chat_message(world: World, params: Params) -> bool:
    """`pinChatMessage`: `getChat` shows the newest that is pinned."""
    where, message_id = _pinnable(world, params), params.integer("message_id")
    if message_id not in where.messages:
        raise bad_request("message to pin not found")
    where.pinned = (*(each for each in where.pinned if each != message_id), message_id)
    return True


def unpin_chat_message(world: World, params: Params) -> bool:
    """`unpinChatMessage`: without a number, the one that was pinned last."""
    where = _pinnable(world, params)
    message_id = params.get("message_id") or (where.pinned[-1] if where.pinned else None)
    if message_id not in where.messages:
        raise bad_request("message to unpin not found")
    where.pinned = tuple(each for each in where.pinned if each != message_id)
    return True


def unpin_all_chat_messages(world: World, params: Params) -> bool:
    """`unpinAllChatMessages`."""
    _pinnable(world, params).pinned = ()
    return True


def _pinnable(world: World, params: Params) -> ChatRecord:
    where = writable_chat(world, params)
    if not where.private and not where.bot_administers:
        raise bad_request("not enough rights to manage pinned messages in the chat")
    return where


# --- invitations ---

MAX_LINK_NAME = 32


def export_chat_invite_link(world: World, params: Params) -> str:
    """`exportChatInviteLink`: a new primary link; the one before is no longer good."""
    where = _administered(world, params, "manage chat invite link")
    for address, link in where.links.items():
        if link["is_primary"]:
            where.links[address] = {**link, "is_primary": False, "is_revoked": True}
    return str(_new_link(world, where, Params({}), is_primary=True)["invite_link"])


def create_chat_invite_link(world: World, params: Params) -> Json:
    """`createChatInviteLink`."""
    return _new_link(world, _administered(world, params, "manage chat invite link"), params)


def edit_chat_invite_link(world: World, params: Params) -> Json:
    """`editChatInviteLink`: what is not given again is gone."""
    where, old = _link(world, params)
    if old["is_primary"] or old["is_revoked"]:
        raise bad_request("INVITE_HASH_EXPIRED")
    fixed = {name: old[name] for name in ("invite_link", "creator", "is_primary", "is_revoked")}
    new = where.links[old["invite_link"]] = {**fixed, **_link_options(params)}
    return new


def revoke_chat_invite_link(world: World, params: Params) -> Json:
    """`revokeChatInviteLink`."""
    where, old = _link(world, params)
    new = where.links[old["invite_link"]] = {**old, "is_revoked": True}
    return new


def _new_link(world: World, where: ChatRecord, params: Params, *, is_primary: bool = False) -> Json:
    options = _link_options(params)
    address = f"https://t.me/+offline{world.number()}"
    state = {"invite_link": address, "creator": world.bot, "is_primary": is_primary, "is_revoked": False}
    link = where.links[address] = {**state, **options}
    return link


def _link_options(params: Params) -> Json:
    asks = bool(params.get("creates_join_request"))
    if asks and params.get("member_limit"):
        raise bad_request("member limit can't be specified for links requiring administrator approval")
    if utf16(params.text("name")) > MAX_LINK_NAME:
        raise bad_request("INVITE_NAME_TOO_LONG")
    return {"creates_join_request": asks, **params.pick(("name", "expire_date", "member_limit"))}


def _link(world: World, params: Params) -> tuple[ChatRecord, Json]:
    where = _administered(world, params, "manage chat invite link")
    given: Any = params.get("invite_link")
    address = given.get("invite_link") if isinstance(given, dict) else given
    if address not in where.links:
        raise bad_request("INVITE_HASH_EXPIRED")
    return where, where.links[address]


# --- topics ---

GENERAL = 1
"""The thread of the topic that every forum has (https://core.telegram.org/api/forum)."""

TOPIC_COLOR = 0x6FB9F0


def create_forum_topic(world: World, params: Params) -> Json:
    """`createForumTopic`: the thread has the number of the service message that begins it."""
    where = _forum(world, params)
    name = params.text("name").strip()
    if not 1 <= utf16(name) <= 128:
        raise bad_request("TOPIC_TITLE_EMPTY" if not name else "TOPIC_TITLE_INVALID")
    look = {"name": name, "icon_color": TOPIC_COLOR, **params.pick(("icon_color", "icon_custom_emoji_id"))}
    thread = where.next_id()
    place = {"chat": where.info, "message_thread_id": thread, "is_topic_message": True}
    about = {"message_id": thread, "date": world.date(), "from": world.bot}
    where.messages[thread] = {**about, **place, "forum_topic_created": look}
    where.own.add(thread)
    where.threads[thread] = {"message_thread_id": thread, **look}
    return where.threads[thread]


def edit_forum_topic(world: World, params: Params) -> bool:
    """`editForumTopic`: what is not given stays."""
    where, topic = _topic(world, params)
    return _change_topic(where, topic, params.pick(("name", "icon_custom_emoji_id")))


def set_topic_closed(world: World, params: Params, *, closed: bool) -> bool:
    """`closeForumTopic` and `reopenForumTopic`: in one that is closed only administrators write."""
    where, topic = _topic(world, params)
    return _change_topic(where, topic, {"is_closed": closed})


def delete_forum_topic(world: World, params: Params) -> bool:
    """`deleteForumTopic`: its messages go with it."""
    where, topic = _topic(world, params)
    thread = topic["message_thread_id"]
    del where.threads[thread]
    gone = [number for number, each in where.messages.items() if each.get("message_thread_id") == thread]
    for number in gone:
        del where.messages[number]
    where.own.difference_update(gone)
    where.pinned = tuple(number for number in where.pinned if number not in gone)
    return True


def unpin_all_topic_messages(world: World, params: Params, *, general: bool = False) -> bool:
    """`unpinAllForumTopicMessages` and `unpinAllGeneralForumTopicMessages`."""
    where = _forum(world, params)
    thread = None if general else _topic(world, params)[1]["message_thread_id"]
    where.pinned = tuple(
        number for number in where.pinned if where.messages[number].get("message_thread_id") != thread
    )
    return True


def change_general_topic(world: World, params: Params, **change: bool) -> bool:
    """`editGeneralForumTopic`, `closeGeneralForumTopic`, `hideGeneralForumTopic` and their opposites."""
    where = _forum(world, params)
    plain = {"message_thread_id": GENERAL, "name": "General", "is_closed": False, "is_hidden": False}
    general = where.threads.get(GENERAL, plain)
    return _change_topic(where, general, change or params.pick(("name",)))


def _forum(world: World, params: Params) -> ChatRecord:
    where = writable_chat(world, params)
    if not where.info.get("is_forum"):
        raise bad_request("the chat is not a forum")
    if not where.bot_administers:
        raise bad_request("not enough rights to manage topics")
    return where


def _topic(world: World, params: Params) -> tuple[ChatRecord, Json]:
    where = _forum(world, params)
    topic = where.threads.get(params.integer("message_thread_id"))
    if topic is None:
        raise bad_request("TOPIC_ID_INVALID")
    return where, topic


def _change_topic(where: ChatRecord, topic: Json, change: Json) -> bool:
    if not any(topic.get(name, False) != value for name, value in change.items()):
        raise bad_request("TOPIC_NOT_MODIFIED")
    where.threads[topic["message_thread_id"]] = {**topic, **change}
    return True
