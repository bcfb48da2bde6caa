"""The Bot API itself: one table of methods, one way through which every request goes.

A request is decoded, met by the failures on order, carried out, written into the log. How it came (in process
or over HTTP) is not known here.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from fsmkit.botapi import account, sending
from fsmkit.botapi import account as answering
from fsmkit.botapi import sending as editing
from fsmkit.botapi.errors import ApiError, DroppedError, Fault, Json, Upload, take
from fsmkit.botapi.params import Params, decode
from fsmkit.botapi.world import World

Result: TypeAlias = "Json | list[Json] | bool"


Method: TypeAlias = "Callable[[World, Params], Result | Awaitable[Result]]"

MEDIA = {
    "sendPhoto": "photo",
    "sendDocument": "document",
    "sendVideo": "video",
    "sendAnimation": "animation",
    "sendAudio": "audio",
    "sendVoice": "voice",
    "sendVideoNote": "video_note",
    "sendSticker": "sticker",
}


METHODS: Mapping[str, Method] = MappingProxyType(
    {
        "getMe": account.get_me,
        "getUpdates": account.get_updates,
        "setWebhook": account.set_webhook,
        "deleteWebhook": account.delete_webhook,
        "getWebhookInfo": account.get_webhook_info,
        "logOut": account.agree,
        "close": account.agree,
        "setMyCommands": account.set_my_commands,
        "getMyCommands": account.get_my_commands,
        "deleteMyCommands": account.delete_my_commands,
        "getChat": account.get_chat,
        "getChatMember": account.get_chat_member,
        "getFile": account.get_file,
        "sendMessage": sending.send_message,
        "sendLocation": sending.send_location,
        "sendContact": sending.send_contact,
        "sendInvoice": sending.send_invoice,
        "sendPoll": sending.send_poll,
        "sendChatAction": sending.send_chat_action,
        "forwardMessage": sending.forward_message,
        "copyMessage": sending.copy_message,
        "editMessageText": editing.edit_message_text,
        "editMessageCaption": editing.edit_message_caption,
        "editMessageMedia": editing.edit_message_media,
        "editMessageReplyMarkup": editing.edit_message_reply_markup,
        "deleteMessage": editing.delete_message,
        "deleteMessages": editing.delete_messages,
        "deleteBusinessMessages": editing.delete_business_messages,
        "answerCallbackQuery": answering.answer_callback_query,
        "answerInlineQuery": answering.answer_inline_query,
        "answerPreCheckoutQuery": answering.answer_pre_checkout_query,
        "answerShippingQuery": answering.answer_shipping_query,
        "approveChatJoinRequest": partial(answering.answer_join_request, approve=True),
        "declineChatJoinRequest": partial(answering.answer_join_request, approve=False),
        **{name: partial(sending.send_media, kind=kind) for name, kind in MEDIA.items()},
    }
)


CANONICAL = MappingProxyType({name.lower(): name for name in METHODS})
"""Telegram takes method names in any case."""


@attrs.frozen
class Call:
    """One request of the bot.

    Attributes:
        method: The method's name.
        params: Its parameters, decoded from JSON.
        result: What it was answered, `None` where it was refused or the answer was lost.
        error: Why it was refused, `None` where it was not.
        at: When, in seconds of the clock.
    """

    method: str
    params: Json
    result: Any
    error: ApiError | DroppedError | None
    at: float


class BotApi:
    """Answers requests from a `World`.

    Args:
        world: What the bot can see.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.on_call: Callable[[Call], None] | None = None
        """Told of each request once it is answered."""

    async def request(
        self,
        token: str,
        method: str,
        fields: Mapping[str, object],
        uploads: Mapping[str, Upload] | None = None,
    ) -> tuple[int, Json]:
        """One request, from what came over the wire to status and body.

        Raises:
            DroppedError: If the connection breaks instead of an answer.
        """
        try:
            if token != self.world.token:
                raise ApiError(401, "Unauthorized")
            name = CANONICAL.get(method.lower())
            if name is None:
                raise ApiError(404, "Not Found")
            params = decode(fields, uploads)
            result = await self._logged(name, params)
        except ApiError as error:
            return error.status, error.body()
        return 200, {"ok": True, "result": result}

    async def call(self, method: str, values: Json) -> Any:
        """Carry out a request that is no text on a wire: its values have their types already.

        Raises:
            ApiError: If Telegram refuses it.
            DroppedError: If the connection breaks instead of an answer.
        """
        return await self._logged(method, Params(values))

    def download(self, token: str, path: str) -> bytes | None:
        """The content of a file, `None` where there is none at this path."""
        if token != self.world.token:
            return None
        found = (stored.content for stored in self.world.files.values() if stored.path == path)
        return next(found, None)

    async def _logged(self, method: str, params: Params) -> Any:
        """Carries a request out and writes it down; asked is asked, so refused ones stand there too."""
        at = self.world.clock.now()
        try:
            result = await self._with_faults(method, params)
        except (ApiError, DroppedError) as error:
            self._note(Call(method, params.values, None, error, at))
            raise
        self._note(Call(method, params.values, result, None, at))
        return result

    def _note(self, call: Call) -> None:
        self.calls.append(call)
        if self.on_call is not None:
            self.on_call(call)

    async def _with_faults(self, method: str, params: Params) -> Any:
        fault = take(self.faults, method, params.values)
        if fault is None:
            return await self._run(method, params)
        if fault.after:
            await self._run(method, params)
        raise fault.error if fault.error is not None else DroppedError(method)

    async def _run(self, method: str, params: Params) -> Any:
        result = METHODS[method](self.world, params)
        return await result if inspect.isawaitable(result) else result
