"""PTB's way to the Bot API in memory: a request class that asks the model instead of the network.

All that is said in PTB's types stands here; the rest of the room speaks JSON.
"""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from telegram import Update
from telegram.error import NetworkError
from telegram.ext import Application, ApplicationBuilder, ExtBot
from telegram.request import BaseRequest, RequestData

from fsmkit.botapi.api import BotApi
from fsmkit.botapi.errors import ApiError, DroppedError, Json, Upload

FILE = re.compile(r".*?/file/bot([^/]+)/(.+)")


METHOD = re.compile(r".*/bot([^/]+)/([^/]+)")


class OfflineRequest(BaseRequest):
    """Hands each request of a bot to the Bot API in memory.

    Args:
        api: The model that answers.
    """

    __slots__ = ("_api",)

    def __init__(self, api: BotApi) -> None:
        self._api = api

    @property
    def read_timeout(self) -> float | None:
        """None: an answer from memory is never late, and a long poll ends by itself."""
        return None

    async def initialize(self) -> None:
        """Do nothing: there is nothing to open."""

    async def shutdown(self) -> None:
        """Do nothing: there is nothing to close."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: object = BaseRequest.DEFAULT_NONE,
        write_timeout: object = BaseRequest.DEFAULT_NONE,
        connect_timeout: object = BaseRequest.DEFAULT_NONE,
        pool_timeout: object = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Answer one request from the model.

        Raises:
            NetworkError: If the connection was ordered to break.
        """
        # An answer from memory takes no time, and a file is fetched by its address alone.
        del method, read_timeout, write_timeout, connect_timeout, pool_timeout
        path = unquote(urlsplit(url).path)
        if found := FILE.fullmatch(path):
            return self._download(found[1], found[2])
        found = METHOD.fullmatch(path)
        if found is None:
            return 404, _encoded(ApiError(404, "Not Found").body())
        fields = {
            **dict(parse_qsl(urlsplit(url).query)),
            **(request_data.json_parameters if request_data else {}),
        }
        try:
            status, body = await self._api.request(found[1], found[2], fields, _uploads(request_data))
        except DroppedError as dropped:
            raise NetworkError(f"connection broken by order during {dropped}") from dropped
        return status, _encoded(body)

    def _download(self, token: str, path: str) -> tuple[int, bytes]:
        content = self._api.download(token, path)
        if content is None:
            return 404, _encoded(ApiError(404, "Not Found").body())
        return 200, content


# PTB's six type parameters say what a bot keeps in its context; here any bot is welcome.
AnyApplication = Application[Any, Any, Any, Any, Any, Any]


AnyBuilder = ApplicationBuilder[Any, Any, Any, Any, Any, Any]


class OfflineBuilder(AnyBuilder):
    """A builder whose bot cannot reach the network, whatever it is told of token, requests and servers.

    They are put in when the application is built: a builder that has a request refuses every other setting of
    the network, which a bot's own code may well make.

    Args:
        api: The model that answers.
    """

    __slots__ = ("_api",)

    def __init__(self, api: BotApi) -> None:
        super().__init__()
        self._api = api

    def build(self) -> AnyApplication:
        """Build the application on the model."""
        self._token = self._api.world.token
        self._request = OfflineRequest(self._api)
        self._get_updates_request = OfflineRequest(self._api)
        return super().build()


async def process(app: AnyApplication, updates: Iterable[Json]) -> None:
    """Give updates to an application, one after the other."""
    for given in updates:
        update = Update.de_json(given, app.bot)
        if isinstance(app.bot, ExtBot):
            app.bot.insert_callback_data(update)  # as where updates are fetched: `arbitrary_callback_data`
        await app.process_update(update)


def _uploads(request_data: RequestData | None) -> dict[str, Upload]:
    parts = request_data.multipart_data if request_data and request_data.contains_files else {}
    return {
        part: Upload(name, content if isinstance(content, bytes) else content.read())
        for part, (name, content, _) in parts.items()
    }


def _encoded(body: Json) -> bytes:
    return json.dumps(body).encode()
