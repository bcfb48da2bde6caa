"""The Bot API itself: one table of methods, one way through which every request goes.

`METHODS` is what the model knows, `MISSING` what it does not. A request is decoded, met by the failures on
order, carried out, written into the log. How it came (in process or over HTTP) is not known here.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs

from fsmkit.botapi import account, groups, sending
from fsmkit.botapi.errors import ApiError, DroppedError, Fault, Json, Upload, take
from fsmkit.botapi.params import Params, decode
from fsmkit.botapi.world import World

Result: TypeAlias = "Json | list[Json] | bool | int | str"


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
        "getChatMember": groups.get_chat_member,
        "getFile": account.get_file,
        "sendMessage": sending.send_message,
        "sendLocation": sending.send_location,
        "sendContact": sending.send_contact,
        "sendInvoice": sending.send_invoice,
        "sendPoll": sending.send_poll,
        "sendChatAction": sending.send_chat_action,
        "forwardMessage": sending.forward_message,
        "copyMessage": sending.copy_message,
        "editMessageText": sending.edit_message_text,
        "editMessageCaption": sending.edit_message_caption,
        "editMessageMedia": sending.edit_message_media,
        "editMessageReplyMarkup": sending.edit_message_reply_markup,
        "deleteMessage": sending.delete_message,
        "deleteMessages": sending.delete_messages,
        "deleteBusinessMessages": sending.delete_business_messages,
        "answerCallbackQuery": account.answer_callback_query,
        "answerInlineQuery": account.answer_inline_query,
        "answerPreCheckoutQuery": account.answer_pre_checkout_query,
        "answerShippingQuery": account.answer_shipping_query,
        "approveChatJoinRequest": partial(groups.answer_join_request, approve=True),
        "declineChatJoinRequest": partial(groups.answer_join_request, approve=False),
        "sendVenue": sending.send_venue,
        "sendDice": sending.send_dice,
        "sendMediaGroup": sending.send_media_group,
        "forwardMessages": sending.forward_messages,
        "copyMessages": sending.copy_messages,
        "createInvoiceLink": sending.create_invoice_link,
        "editMessageLiveLocation": sending.edit_live_location,
        "stopMessageLiveLocation": sending.stop_live_location,
        "stopPoll": sending.stop_poll,
        "setMessageReaction": sending.set_message_reaction,
        "refundStarPayment": account.refund_star_payment,
        "getBusinessConnection": account.get_business_connection,
        "readBusinessMessage": account.read_business_message,
        "getUserProfilePhotos": account.get_user_profile_photos,
        "setMyName": partial(account.set_my_text, field="name"),
        "getMyName": partial(account.get_my_text, field="name"),
        "setMyDescription": partial(account.set_my_text, field="description"),
        "getMyDescription": partial(account.get_my_text, field="description"),
        "setMyShortDescription": partial(account.set_my_text, field="short_description"),
        "getMyShortDescription": partial(account.get_my_text, field="short_description"),
        "setChatMenuButton": account.set_chat_menu_button,
        "getChatMenuButton": account.get_chat_menu_button,
        "setMyDefaultAdministratorRights": account.set_my_rights,
        "getMyDefaultAdministratorRights": account.get_my_rights,
        "getChatAdministrators": groups.get_chat_administrators,
        "getChatMemberCount": groups.get_chat_member_count,
        "banChatMember": groups.ban_chat_member,
        "unbanChatMember": groups.unban_chat_member,
        "restrictChatMember": groups.restrict_chat_member,
        "promoteChatMember": groups.promote_chat_member,
        "setChatAdministratorCustomTitle": groups.set_custom_title,
        "leaveChat": groups.leave_chat,
        "setChatTitle": groups.set_chat_title,
        "setChatDescription": groups.set_chat_description,
        "setChatPermissions": groups.set_chat_permissions,
        "setChatPhoto": groups.set_chat_photo,
        "deleteChatPhoto": groups.delete_chat_photo,
        "pinChatMessage": groups.pin_chat_message,
        "unpinChatMessage": groups.unpin_chat_message,
        "unpinAllChatMessages": groups.unpin_all_chat_messages,
        "exportChatInviteLink": groups.export_chat_invite_link,
        "createChatInviteLink": groups.create_chat_invite_link,
        "editChatInviteLink": groups.edit_chat_invite_link,
        "revokeChatInviteLink": groups.revoke_chat_invite_link,
        "createForumTopic": groups.create_forum_topic,
        "editForumTopic": groups.edit_forum_topic,
        "closeForumTopic": partial(groups.set_topic_closed, closed=True),
        "reopenForumTopic": partial(groups.set_topic_closed, closed=False),
        "deleteForumTopic": groups.delete_forum_topic,
        "unpinAllForumTopicMessages": groups.unpin_all_topic_messages,
        "unpinAllGeneralForumTopicMessages": partial(groups.unpin_all_topic_messages, general=True),
        "editGeneralForumTopic": groups.change_general_topic,
        "closeGeneralForumTopic": partial(groups.change_general_topic, is_closed=True),
        "reopenGeneralForumTopic": partial(groups.change_general_topic, is_closed=False),
        "hideGeneralForumTopic": partial(groups.change_general_topic, is_hidden=True, is_closed=True),
        "unhideGeneralForumTopic": partial(groups.change_general_topic, is_hidden=False),
        **{name: partial(sending.send_media, kind=kind) for name, kind in MEDIA.items()},
    }
)


CANONICAL = MappingProxyType({name.lower(): name for name in METHODS})
"""Telegram takes method names in any case."""

MISSING = """
    addStickerToSet answerGuestQuery answerWebAppQuery approveSuggestedPost banChatSenderChat
    convertGiftToStars createChatSubscriptionInviteLink createNewStickerSet declineSuggestedPost
    deleteAllMessageReactions deleteChatStickerSet deleteMessageReaction deleteStickerFromSet
    deleteStickerSet deleteStory editChatSubscriptionInviteLink editMessageChecklist editStory
    editUserStarSubscription getAvailableGifts getBusinessAccountGifts getBusinessAccountStarBalance
    getChatGifts getCustomEmojiStickers getForumTopicIconStickers getGameHighScores
    getManagedBotAccessSettings getManagedBotToken getMyStarBalance getStarTransactions getStickerSet
    getUserChatBoosts getUserGifts getUserPersonalChatMessages getUserProfileAudios giftPremiumSubscription
    postStory removeBusinessAccountProfilePhoto removeChatVerification removeMyProfilePhoto
    removeUserVerification replaceManagedBotToken replaceStickerInSet repostStory savePreparedInlineMessage
    savePreparedKeyboardButton sendChecklist sendGame sendGift sendLivePhoto sendMessageDraft sendPaidMedia
    setBusinessAccountBio setBusinessAccountGiftSettings setBusinessAccountName
    setBusinessAccountProfilePhoto setBusinessAccountUsername setChatMemberTag setChatStickerSet
    setCustomEmojiStickerSetThumbnail setGameScore setManagedBotAccessSettings setMyProfilePhoto
    setPassportDataErrors setStickerEmojiList setStickerKeywords setStickerMaskPosition
    setStickerPositionInSet setStickerSetThumbnail setStickerSetTitle setUserEmojiStatus
    transferBusinessAccountStars transferGift unbanChatSenderChat upgradeGift uploadStickerFile verifyChat
    verifyUser
"""
"""Methods that python-telegram-bot has and this model does not; the refusal of one names it."""


def _unknown(method: str) -> ApiError:
    """Return the refusal of a method: Telegram's own 404 only where Telegram would give it."""
    named = [name for name in MISSING.split() if name.lower() == method.lower()]
    # Without Telegram's prefix, since PTB would write the name in small letters.
    return ApiError(400, f"OfflineTelegram does not know {named[0]}") if named else ApiError(404, "Not Found")


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
        """Answer one request, from what came over the wire to status and body.

        Raises:
            DroppedError: If the connection breaks instead of an answer.
        """
        try:
            if token != self.world.token:
                raise ApiError(401, "Unauthorized")
            name = CANONICAL.get(method.lower())
            if name is None:
                raise _unknown(method)
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
        """Return the content of a file, `None` where there is none at this path."""
        if token != self.world.token:
            return None
        found = (stored.content for stored in self.world.files.values() if stored.path == path)
        return next(found, None)

    async def _logged(self, method: str, params: Params) -> Any:
        """Carry a request out and write it down; asked is asked, so refused ones stand there too."""
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
