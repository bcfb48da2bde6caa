"""Methods that answer what Telegram asks the bot: a pressed button, an inline query, a payment."""

from typing import Any

from fsmkit.testing.botapi.entities import utf16
from fsmkit.testing.botapi.errors import bad_request
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.world import World

MAX_AGE = 15 * 60
"""Seconds in which a pressed button can be answered."""

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
    """`answerPreCheckoutQuery`: a refusal needs its reason."""
    _check_known(world, params.text("pre_checkout_query_id"))
    if not params.get("ok") and not params.get("error_message"):
        raise bad_request("error_message is empty")
    return True


def _check_known(world: World, query_id: str) -> None:
    if query_id not in world.other_queries:
        raise bad_request(TOO_OLD)
