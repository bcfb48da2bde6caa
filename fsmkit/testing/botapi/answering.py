"""Methods that answer what Telegram asks the bot: a pressed button, an inline query, a payment."""

from typing import Any

from fsmkit.testing.botapi.chats import chat, find_chat
from fsmkit.testing.botapi.entities import utf16
from fsmkit.testing.botapi.errors import bad_request
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.updates import deliver
from fsmkit.testing.botapi.world import Query, World

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
    query.answers.append(dict(params.values))
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


def _payment(world: World, params: Params, field: str, *, check: bool = True) -> Query:
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
    query.answers.append(dict(params.values))
    return query


def _check_known(world: World, query_id: str) -> None:
    if query_id not in world.other_queries:
        raise bad_request(TOO_OLD)
