"""Methods about the bot itself: who it is, its commands, its updates, its files, what it sees of a chat.

And its answers to questions: pressed buttons, inline queries, and what is asked before a payment.
"""

import re
from typing import Any

import attrs

from fsmkit.botapi.chats import (
    CHANNEL_RIGHTS,
    GROUP_RIGHTS,
    RIGHTS,
    business_connection,
    chat,
    deliver,
    find_chat,
    invoice_of,
)
from fsmkit.botapi.entities import utf16
from fsmkit.botapi.errors import Json, bad_request, conflict
from fsmkit.botapi.params import Params
from fsmkit.botapi.world import OpenQuery, World

MAX_COMMANDS = 100
MAX_DESCRIPTION = 256
SCOPES = {
    "default",
    "all_private_chats",
    "all_group_chats",
    "all_chat_administrators",
    "chat",
    "chat_administrators",
    "chat_member",
}
"""Scopes of commands, https://core.telegram.org/bots/api#botcommandscope."""


WEBHOOK_ACTIVE = (
    "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)


def get_me(world: World, params: Params) -> Json:
    """`getMe`."""
    del params
    abilities = {
        "can_join_groups": True,
        "can_read_all_group_messages": not world.privacy,
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
        if not 0 < len(str(command.get("description") or "").strip()) <= MAX_DESCRIPTION:
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
    where = find_chat(world, params)
    limits = {"accent_color_id": 0, "max_reaction_count": 11, "accepted_gift_types": _gifts()}
    pinned = {"pinned_message": where.messages[where.pinned[-1]]} if where.pinned else {}
    return {**where.info, **limits, **where.details, **pinned}


PROFILE = {"name": 64, "description": 512, "short_description": 120}
"""Texts about the bot, and the most characters of each (https://core.telegram.org/bots/api#setmyname)."""


def set_my_text(world: World, params: Params, *, field: str) -> bool:
    """`setMyName`, `setMyDescription`, `setMyShortDescription`, per language; an empty one takes it away."""
    text = params.text(field)
    if utf16(text) > PROFILE[field]:
        raise bad_request(f"{field.replace('_', ' ')} is too long")
    world.profile[f"{field} {params.text('language_code')}"] = text
    return True


def get_my_text(world: World, params: Params, *, field: str) -> Json:
    """`getMyName`, `getMyDescription`, `getMyShortDescription`; by default that of all languages."""
    common = world.profile.get(f"{field} ") or (world.bot["first_name"] if field == "name" else "")
    return {field: world.profile.get(f"{field} {params.text('language_code')}") or common}


def set_chat_menu_button(world: World, params: Params) -> bool:
    """`setChatMenuButton`, of one private chat or of all."""
    button: Any = params.get("menu_button") or {"type": "default"}
    if button.get("type") not in {"default", "commands", "web_app"}:
        raise bad_request("MenuButton has unsupported type")
    world.profile[f"menu_button {_private_chat(world, params)}"] = button
    return True


def get_chat_menu_button(world: World, params: Params) -> Json:
    """`getChatMenuButton`; a chat without one of its own has that of all."""
    own = world.profile.get(f"menu_button {_private_chat(world, params)}")
    button: Json = own or world.profile.get("menu_button None") or {"type": "commands"}
    return button


def _private_chat(world: World, params: Params) -> int | None:
    if params.get("chat_id") is None:
        return None
    where = find_chat(world, params)
    if not where.private:
        raise bad_request("chat menu button can be changed only in private chats")
    return int(where.info["id"])


def set_my_rights(world: World, params: Params) -> bool:
    """`setMyDefaultAdministratorRights`: for groups or for channels."""
    given: Any = params.get("rights") or {}
    world.profile[f"rights {bool(params.get('for_channels'))}"] = given
    return True


def get_my_rights(world: World, params: Params) -> Json:
    """`getMyDefaultAdministratorRights`."""
    channels = bool(params.get("for_channels"))
    given: Json = world.profile.get(f"rights {channels}", {})
    names = (*RIGHTS, *(CHANNEL_RIGHTS if channels else GROUP_RIGHTS), "is_anonymous")
    return {name: bool(given.get(name)) for name in names}


def get_user_profile_photos(world: World, params: Params) -> Json:
    """`getUserProfilePhotos`: those that `add_user` was given."""
    user_id, first = params.integer("user_id"), params.integer("offset")
    if user_id not in world.users:
        raise bad_request("invalid user_id specified")
    photos = world.profile_photos.get(user_id, [])
    return {"total_count": len(photos), "photos": photos[first : first + params.integer("limit", 100)]}


def get_business_connection(world: World, params: Params) -> Json:
    """`getBusinessConnection`: one that the model was told of in full (`connect`)."""
    found = business_connection(world, params)
    if "user" not in found:
        raise bad_request("business connection not found")
    return found


def read_business_message(world: World, params: Params) -> bool:
    """`readBusinessMessage`."""
    business_connection(world, params)
    if params.integer("message_id") not in find_chat(world, params).messages:
        raise bad_request("message not found")
    return True


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
    if not isinstance(scope, dict) or scope.get("type") not in SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    lang = params.text("language_code") or ""
    if lang and not re.fullmatch("[a-z]{2}", lang):
        raise bad_request("invalid language code specified")
    named = sorted((name, value) for name, value in scope.items())
    return f"{named} {lang}"


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

FRAME = ("message_thread_id", "is_topic_message", "business_connection_id")
"""Fields that a payment has in common with its invoice: where in the chat it stands."""

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
    _open_query(world, params, "inline_query_id")
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
    asked = _payment(world, params, "pre_checkout_query_id").content
    if params.get("ok"):
        paid = {
            "telegram_payment_charge_id": f"charge-{asked['id']}",
            "provider_payment_charge_id": "offline",
        }
        fields = ("currency", "total_amount", "invoice_payload", "shipping_option_id", "order_info")
        payment = {**{name: asked[name] for name in fields if name in asked}, **paid}
        person, sold = asked["from"], invoice_of(world, asked["invoice_payload"], asked["from"]["id"])
        where, invoice = sold or (chat(world, person["id"]), {})
        frame = {name: invoice[name] for name in FRAME if name in invoice}
        message = {"message_id": where.next_id(), "date": world.date(), "chat": where.info, **frame}
        world.payments[paid["telegram_payment_charge_id"]] = payment | {"chat": where.info, "from": person}
        kind = "business_message" if "business_connection_id" in frame else "message"
        deliver(world, kind, {**message, "from": person, "successful_payment": payment})
    return True


def refund_star_payment(world: World, params: Params) -> bool:
    """`refundStarPayment`, once; the person sees it in the chat where it was paid."""
    charge = params.text("telegram_payment_charge_id")
    paid = world.payments.get(charge)
    if paid is None or paid["currency"] != "XTR" or paid["from"]["id"] != params.integer("user_id"):
        raise bad_request("CHARGE_NOT_FOUND")
    if paid.get("refunded"):
        raise bad_request("CHARGE_ALREADY_REFUNDED")
    world.payments[charge] = {**paid, "refunded": True}
    where = chat(world, paid["chat"]["id"])
    fields = ("currency", "total_amount", "invoice_payload", "telegram_payment_charge_id")
    refunded = {name: paid[name] for name in fields}
    message = {"message_id": where.next_id(), "date": world.date(), "chat": where.info}
    deliver(world, "message", {**message, "from": paid["from"], "refunded_payment": refunded})
    return True


def answer_shipping_query(world: World, params: Params) -> bool:
    """`answerShippingQuery`, once and within ten seconds; a yes needs ways to ship."""
    options: Any = params.get("shipping_options")
    _payment(world, params, "shipping_query_id", check=not params.get("ok") or bool(options))
    return True


def _payment(world: World, params: Params, field: str, *, check: bool = True) -> OpenQuery:
    """Return the question before a payment, with the answer noted.

    Raises:
        ApiError: If it was answered, is too old, or the answer is incomplete.
    """
    query = _open_query(world, params, field)
    if query.answers or world.clock.now() - query.at > MAX_CHECKOUT_AGE:
        raise bad_request(TOO_OLD)
    if not params.get("ok") and not params.get("error_message"):
        raise bad_request("error_message is empty")
    if not check:
        raise bad_request("there are no shipping options")
    world.other_queries[params.text(field)] = attrs.evolve(query, answers=(*query.answers, params.values))
    return query


def _open_query(world: World, params: Params, field: str) -> OpenQuery:
    """Return the query that a field names, which is of the kind that the field is about."""
    query = world.other_queries.get(params.text(field))
    if query is None or query.kind != field.removesuffix("_id"):
        raise bad_request(TOO_OLD)
    return query
