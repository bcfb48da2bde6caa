"""Methods about the bot itself: who it is, its commands, its updates, its files, what it sees of a chat."""

from typing import Any

import attrs

from fsmkit.botapi.chats import chat, deliver, find_chat, user
from fsmkit.botapi.entities import utf16
from fsmkit.botapi.errors import Json, bad_request, conflict
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import OpenQuery, World

MAX_COMMANDS = 100


WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


def get_me(world: World, params: Params) -> Json:
    """`getMe`."""
    del params
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": True,
    }
    return {**world.bot, **abilities, "can_connect_to_business": True, "has_main_web_app": False}


async def get_updates(world: World, params: Params) -> list[Json]:
    """`getUpdates`."""
    if world.webhook:
        raise conflict(WEBHOOK_ACTIVE)
    allowed: Any = params.get("allowed_updates")
    return await world.queue.poll(
        offset=params.integer("offset"),
        limit=params.integer("limit", 100),
        timeout=min(max(params.integer("timeout"), 0), 50),
        allowed=allowed if isinstance(allowed, list) else None,
    )


def set_webhook(world: World, params: Params) -> bool:
    """`setWebhook`: from then on polls are refused; nothing is posted to the address."""
    url = params.text("url")
    if not url:
        return delete_webhook(world, params)
    if not url.startswith("https://"):
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    world.webhook = {"url": url, **params.pick(("max_connections", "allowed_updates", "ip_address"))}
    _drop_pending(world, params)
    world.queue.interrupt(conflict("terminated by setWebhook request"))
    return True


def delete_webhook(world: World, params: Params) -> bool:
    """`deleteWebhook`."""
    world.webhook = {}
    _drop_pending(world, params)
    return True


def get_webhook_info(world: World, params: Params) -> Json:
    """`getWebhookInfo`."""
    del params
    counted = {"has_custom_certificate": False, "pending_update_count": len(world.queue)}
    return {"url": "", **counted, **world.webhook}


def agree(world: World, params: Params) -> bool:
    """`logOut` and `close`: there is no server to leave."""
    del world, params
    return True


def set_my_commands(world: World, params: Params) -> bool:
    """`setMyCommands`, per scope and language."""
    commands: Any = params.get("commands")
    if not isinstance(commands, list):
        raise bad_request("can't parse commands: expected an Array of BotCommand")
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    for command in commands:
        name = str(command.get("command", "")).removeprefix("/")
        if not (
            0 < len(name) <= 32 and name.isascii() and name.replace("_", "a").isalnum() and name.islower()
        ):
            raise bad_request("BOT_COMMAND_INVALID")
        if not command.get("description"):
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    world.commands[_scope(params)] = commands
    return True


def get_my_commands(world: World, params: Params) -> list[Json]:
    """`getMyCommands`."""
    return world.commands.get(_scope(params), [])


def delete_my_commands(world: World, params: Params) -> bool:
    """`deleteMyCommands`."""
    world.commands.pop(_scope(params), None)
    return True


def get_chat(world: World, params: Params) -> Json:
    """`getChat`."""
    chat = find_chat(world, params)
    limits = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": _gifts()}
    return {**chat.info, **limits}


def get_chat_member(world: World, params: Params) -> Json:
    """`getChatMember`: the bot's own status is kept, everybody else the model has met is a plain member."""
    chat = find_chat(world, params)
    user_id = params.integer("user_id")
    if user_id == world.bot["id"]:
        return {"status": chat.bot_status, "user": world.bot}
    if user_id not in world.users:
        raise bad_request("invalid user_id specified")
    return {"status": "member", "user": user(world, user_id)}


def get_file(world: World, params: Params) -> Json:
    """`getFile`: where the file can be fetched."""
    file_id = params.text("file_id")
    stored = world.files.get(file_id) or world.files.get(file_id.removesuffix("-s"))
    if stored is None:
        raise bad_request("wrong file_id or the file is temporarily unavailable")
    about = {"file_id": file_id, "file_unique_id": f"u{file_id.rpartition('-')[0]}"}
    return {**about, "file_size": len(stored.content), "file_path": stored.path}


def _drop_pending(world: World, params: Params) -> None:
    if params.get("drop_pending_updates"):
        world.queue.take_all()


def _scope(params: Params) -> str:
    scope: Any = params.get("scope") or {"type": "default"}
    named = sorted((name, value) for name, value in scope.items())
    return f"{named} {params.text('language_code')}"


def _gifts() -> Json:
    kinds = (
        "unlimited_gifts",
        "limited_gifts",
        "unique_gifts",
        "premium_subscription",
        "gifts_from_channels",
    )
    return dict.fromkeys(kinds, False)


MAX_AGE = 15 * 60
"""Seconds in which a pressed button can be answered."""

MAX_CHECKOUT_AGE = 10
"""Seconds in which a payment has to be approved (https://core.telegram.org/bots/api#answerprecheckoutquery)."""

MAX_NOTE = 200
"""Characters of the note that a press is answered with (https://core.telegram.org/bots/api#answercallbackquery)."""

MAX_RESULTS = 50


TOO_OLD = "query is too old and response timeout expired or query ID is invalid"


def answer_callback_query(world: World, params: Params) -> bool:
    """`answerCallbackQuery`; a second answer is taken too, as by Telegram, and recorded."""
    query = world.queries.get(params.text("callback_query_id"))
    if query is None or world.clock.now() - query.at > MAX_AGE:
        raise bad_request(TOO_OLD)
    if utf16(params.text("text")) > MAX_NOTE:
        raise bad_request("MESSAGE_TOO_LONG")
    world.queries[params.text("callback_query_id")] = attrs.evolve(
        query, answers=(*query.answers, params.values)
    )
    return True


def answer_inline_query(world: World, params: Params) -> bool:
    """`answerInlineQuery`: the results' shape, their number and their ids are checked."""
    _check_known(world, params.text("inline_query_id"))
    results: Any = params.get("results")
    if not isinstance(results, list):
        raise bad_request("expected an Array of inline query results")
    if len(results) > MAX_RESULTS:
        raise bad_request("RESULTS_TOO_MUCH")
    ids = [result.get("id") for result in results]
    if not all(isinstance(result_id, str) and 1 <= len(result_id.encode()) <= 64 for result_id in ids):
        raise bad_request("RESULT_ID_INVALID")
    if len(set(ids)) < len(ids):
        raise bad_request("RESULT_ID_DUPLICATE")
    return True


def answer_pre_checkout_query(world: World, params: Params) -> bool:
    """`answerPreCheckoutQuery`, once and within ten seconds; after a yes the person has paid."""
    query = _payment(world, params, "pre_checkout_query_id")
    asked = query.content
    if params.get("ok"):
        where = chat(world, asked["from"]["id"])
        paid = {
            "telegram_payment_charge_id": f"charge-{asked['id']}",
            "provider_payment_charge_id": "offline",
        }
        fields = ("currency", "total_amount", "invoice_payload", "shipping_option_id", "order_info")
        payment = {**{name: asked[name] for name in fields if name in asked}, **paid}
        message = {"message_id": where.next_id(), "date": world.date(), "chat": where.info}
        deliver(world, "message", {**message, "from": asked["from"], "successful_payment": payment})
    return True


def answer_shipping_query(world: World, params: Params) -> bool:
    """`answerShippingQuery`, once and within ten seconds; a yes needs ways to ship."""
    options: Any = params.get("shipping_options")
    _payment(world, params, "shipping_query_id", check=not params.get("ok") or bool(options))
    return True


def answer_join_request(world: World, params: Params, *, approve: bool) -> bool:
    """`approveChatJoinRequest` and `declineChatJoinRequest`."""
    where = find_chat(world, params)
    request = (where.info["id"], params.integer("user_id"))
    if request not in world.join_requests:
        raise bad_request("USER_ALREADY_PARTICIPANT" if approve else "HIDE_REQUESTER_MISSING")
    world.join_requests.discard(request)
    return True


def _payment(world: World, params: Params, field: str, *, check: bool = True) -> OpenQuery:
    """The question before a payment, and the answer noted.

    Raises:
        ApiError: If it was answered, is too old, or the answer is incomplete.
    """
    query = world.other_queries.get(params.text(field))
    if query is None or query.answers or world.clock.now() - query.at > MAX_CHECKOUT_AGE:
        raise bad_request(TOO_OLD)
    if not params.get("ok") and not params.get("error_message"):
        raise bad_request("error_message is empty")
    if not check:
        raise bad_request("there are no shipping options")
    world.other_queries[params.text(field)] = attrs.evolve(query, answers=(*query.answers, params.values))
    return query


def _check_known(world: World, query_id: str) -> None:
    if query_id not in world.other_queries:
        raise bad_request(TOO_OLD)
