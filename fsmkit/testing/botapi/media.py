"""Files in messages: what a bot may send for one, and the objects that describe it."""

import re
from typing import Any

from fsmkit.testing.botapi.errors import bad_request
from fsmkit.testing.botapi.params import Params
from fsmkit.testing.botapi.wire import Json
from fsmkit.testing.botapi.world import StoredFile, World

DEFAULTS: dict[str, Json] = {
    "photo": {"width": 800, "height": 600},
    "document": {"file_name": "document.txt", "mime_type": "text/plain"},
    "video": {"width": 640, "height": 360, "duration": 5, "mime_type": "video/mp4"},
    "animation": {"width": 320, "height": 240, "duration": 2, "mime_type": "video/mp4"},
    "audio": {"duration": 60, "mime_type": "audio/mpeg", "title": "Song"},
    "voice": {"duration": 3, "mime_type": "audio/ogg"},
    "video_note": {"length": 240, "duration": 3},
    "sticker": {
        "type": "regular",
        "width": 512,
        "height": 512,
        "is_animated": False,
        "is_video": False,
        "emoji": "🙂",
    },
}
"""What is said about a file of each kind where nobody says anything else."""

FILE_ID = re.compile(r"[A-Za-z0-9_-]{8,}")


def media_fields(world: World, kind: str, params: Params) -> Json:
    """The field of a message that a bot's file becomes.

    A file id that the model has not given out is taken for one of an earlier life of the bot: real ids cannot
    be told from wrong ones here, except by their characters.

    Raises:
        ApiError: If there is no file, or what is given is none.
    """
    stored, name = _file(world, kind, params)
    said = params.pick(("width", "height", "duration", "length", "title", "performer", "emoji"))
    if kind == "document" and name:
        said["file_name"] = name
    return describe(kind, stored, said)


def describe(kind: str, stored: StoredFile, said: Json) -> Json:
    """The media object, in the list of sizes that a photo is."""
    about = {
        "file_id": stored.file_id,
        "file_unique_id": f"u{stored.file_id.rpartition('-')[0] or stored.file_id}",
        **DEFAULTS[kind],
        "file_size": len(stored.content),
        **said,
    }
    if kind != "photo":
        # An animation comes as a document too, for clients that do not know it.
        twin = (
            {"document": {k: about[k] for k in ("file_id", "file_unique_id")}} if kind == "animation" else {}
        )
        return {kind: about, **twin}
    small = {**about, "file_id": f"{about['file_id']}-s", "file_unique_id": f"{about['file_unique_id']}s"}
    return {"photo": [{**small, "width": 90, "height": 67}, about]}


def _file(world: World, kind: str, params: Params) -> tuple[StoredFile, str]:
    """The file that a request carries or names, and its name."""
    given: Any = params.get(kind)
    part = given.removeprefix("attach://") if isinstance(given, str) else kind
    upload = params.uploads.get(part)
    if upload is not None:
        if not upload.content:
            raise bad_request("file must be non-empty")
        return world.store_file(kind, upload.content, upload.name), upload.name
    if not isinstance(given, str) or given.startswith("attach://"):
        raise bad_request(f"there is no {kind.replace('_', ' ')} in the request")
    if given in world.files:
        return world.files[given], ""
    if re.match(r"https?://[^\s/]+\.\S+", given):
        return world.store_file(kind, given.encode(), given), given.rpartition("/")[2]
    if FILE_ID.fullmatch(given):
        return StoredFile(given, "", b"?"), ""
    raise bad_request("wrong file identifier/HTTP URL specified")
