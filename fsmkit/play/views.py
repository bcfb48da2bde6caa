"""What is to be seen in a world, as JSON for the page: messages, people, what is stored."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fsmkit.botapi.api import Call
from fsmkit.botapi.errors import Json
from fsmkit.botapi.keyboards import buttons_of
from fsmkit.botapi.world import World
from fsmkit.engine.engine import Engine
from fsmkit.engine.presses import value_of
from fsmkit.flow.events import Pressed
from fsmkit.interpreter.codec import decode_row
from fsmkit.interpreter.row import Frame, Row, Snapshot, timeout_at
from fsmkit.keys import Key
from fsmkit.telegram.buttons import ButtonCodec, Foreign
from fsmkit.testing.harness.faults import FragileStore
from fsmkit.testing.harness.rendering import MEDIA

SERVICE = ("new_chat_members", "left_chat_member", "pinned_message", "new_chat_title", "group_chat_created")
"""Fields of messages that nobody has written."""

PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"RIFF": "image/webp"}
"""What a file that can be shown begins with."""

MAX_LOOKED = 40
"""Messages with buttons of a chat, newest first, of which it is looked whether a press would be stale."""

Shown = dict[str, Any]


def bubble_of(message: Json, world: World) -> Shown:
    """Return a message as it is seen."""
    sender = message.get("from") or message.get("sender_chat") or {}
    shown: Shown = {
        "id": message["message_id"],
        "from": "bot" if sender.get("id") == world.bot["id"] else "person",
        "user": sender.get("id"),
        "who": sender.get("first_name") or sender.get("title") or "",
        "date": message["date"],
        "edited": "edit_date" in message,
        "text": message.get("text", message.get("caption", "")),
        "entities": message.get("entities", message.get("caption_entities", [])),
        "media": _media(message, world),
        "rows": [
            [_button(button) for button in row]
            for row in message.get("reply_markup", {}).get("inline_keyboard", [])
        ],
    }
    if "media_group_id" in message:
        shown["album"] = message["media_group_id"]
    if "message_thread_id" in message:
        shown["thread"] = message["message_thread_id"]
    if (replied := message.get("reply_to_message")) is not None:
        shown["reply"] = replied.get("text", replied.get("caption", "…"))[:80]
    return shown


def _button(button: Json) -> Shown:
    data, url = button.get("callback_data"), button.get("url")
    kind = "data" if data is not None else "url" if url is not None else "pay" if "pay" in button else "other"
    return {"text": button["text"], "kind": kind, **({"url": url} if url is not None else {})}


def _media(message: Json, world: World) -> Shown | None:
    for kind in MEDIA:
        if kind in message:
            content = message[kind][-1] if kind == "photo" else message[kind]
            return {"kind": kind, "name": content.get("file_name", ""), **_picture(content["file_id"], world)}
    if "location" in message:
        point = message["location"]
        return {"kind": "location", "name": f"{point['latitude']:.4f}, {point['longitude']:.4f}"}
    if "contact" in message:
        return {"kind": "contact", "name": " ".join(map(str, message["contact"].values()))}
    if "poll" in message:
        poll = message["poll"]
        options = [option["text"] for option in poll["options"]]
        return {"kind": "poll", "name": poll["question"], "options": options, "poll": poll["id"]}
    if "invoice" in message:
        bill = message["invoice"]
        amount = f"{bill['total_amount'] / 100:.2f} {bill['currency']}"
        where = world.chats[message["chat"]["id"]]
        payload = where.invoices.get(message["message_id"], "")
        return {"kind": "invoice", "name": f"{bill['title']}, {amount}", "payload": payload}
    if "dice" in message:
        return {"kind": "dice", "name": f"{message['dice']['emoji']} {message['dice']['value']}"}
    found = next((kind for kind in SERVICE if kind in message), None)
    if found is None and "text" not in message and "caption" not in message:
        found = next((kind for kind in message if kind not in ("message_id", "date", "chat", "from")), "")
    return None if found is None else {"kind": "service", "name": found.replace("_", " ")}


def _picture(file_id: str, world: World) -> Shown:
    stored = world.files.get(file_id)
    return {"file": file_id} if stored is not None and picture_type(stored.content) else {}


def picture_type(content: bytes) -> str | None:
    """Return the media type of a file that a browser can show, `None` for all others."""
    return next((kind for begin, kind in PICTURES.items() if content.startswith(begin)), None)


# -- what the bot has done in passing --------------------------------------------------------------


def notices_of(calls: Iterable[Call]) -> list[Shown]:
    """Return what a person has seen that is no message: answers to presses, `typing…`, links that open."""
    found: list[Shown] = []
    for call in calls:
        params = call.params
        if call.error is not None:
            found.append({"kind": "refused", "text": f"{call.method}: {call.error}"})
        elif call.method == "answerCallbackQuery" and params.get("text"):
            kind = "alert" if params.get("show_alert") else "toast"
            found.append({"kind": kind, "text": str(params["text"])})
        elif call.method == "answerCallbackQuery" and params.get("url"):
            found.append({"kind": "toast", "text": f"opens {params['url']}"})
        elif call.method in ("answerPreCheckoutQuery", "answerShippingQuery") and not params.get("ok"):
            found.append({"kind": "alert", "text": str(params.get("error_message") or "Declined")})
        elif call.method == "sendChatAction":
            found.append({"kind": "typing", "text": str(params["action"]).replace("_", " ")})
    return found


def keyboards_after(before: Mapping[int, Any], calls: Iterable[Call]) -> dict[int, Any]:
    """Return the reply keyboard of each chat after some requests: rows of texts and what they ask for."""
    found = dict(before)
    for call in calls:
        markup, where = call.params.get("reply_markup"), call.params.get("chat_id")
        if call.error is None and isinstance(markup, dict) and isinstance(where, int):
            if markup.get("remove_keyboard"):
                found.pop(where, None)
            elif "keyboard" in markup:
                rows = [[_key(key) for key in row] for row in markup["keyboard"]]
                once = bool(markup.get("one_time_keyboard"))
                hint = str(markup.get("input_field_placeholder") or "")
                found[where] = {"rows": rows, "once": once, "hint": hint}
    return found


def _key(key: Any) -> Shown:
    if isinstance(key, str):
        return {"text": key, "asks": None}
    asks = next((kind for kind in ("contact", "location", "poll") if key.get(f"request_{kind}")), None)
    return {"text": str(key["text"]), "asks": asks}


# -- what is stored ----------------------------------------------------------------------------------


def rows_in(store: Any) -> dict[Key, Row]:
    """Return all rows of a store in memory."""
    if not isinstance(store, FragileStore):
        return {}
    return {key: decode_row(record.row) for key, record in store.table.records.items() if record.row}


def key_name(key: Key) -> str:
    """Return a key in words."""
    thread = "" if key.thread is None else f", thread {key.thread}"
    if key.chat == key.user:
        return f"chat {key.chat}{thread}"
    return f"user {key.user} in chat {key.chat}{thread}"


def stored_of(row: Row, outbox: int) -> list[Shown]:
    """Return the conversations and drafts of a row, the one entered last first, as a tree."""
    found: list[Shown] = []
    for name, snapshot in reversed(row.snapshots.items()):
        found.append({"name": name, "active": snapshot.active, "tree": _conversation(snapshot)})
    if row.later:
        mails = [
            {"event": each.event, "data": _plain(each.body), "due": _time(each.due)} for each in row.later
        ]
        found.append({"name": "later", "active": False, "tree": {"later": mails}})
    if outbox:
        found.append({"name": "outbox", "active": False, "tree": {"undelivered": outbox}})
    return found


def _conversation(snapshot: Snapshot) -> Shown:
    shown = _frame(snapshot.frames[-1])
    shown["deadline"] = _time(timeout_at(snapshot))
    if snapshot.remind is not None:
        shown["reminder"] = _time(snapshot.remind)
    if snapshot.tries:
        shown["failed timeouts"] = snapshot.tries
    if len(snapshot.frames) > 1:
        shown["called by"] = [_frame(frame) for frame in reversed(snapshot.frames[:-1])]
    return shown


def _frame(frame: Frame) -> Shown:
    shown: Shown = {"flow": frame.flow, "state": frame.state, "data": _plain(frame.data)}
    if frame.history:
        shown["history"] = list(frame.history)
    return shown


def _time(at: float | None) -> Any:
    return None if at is None else {"$time": at}


def _plain(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)


def places_of(row: Row) -> list[list[str | None]]:
    """Return where a person stands: flow and state of each frame, the conversation entered last first."""
    return [
        [frame.flow, frame.state]
        for snapshot in reversed(row.snapshots.values())
        if snapshot.active
        for frame in reversed(snapshot.frames)
    ]


# -- which buttons can still be pressed --------------------------------------------------------------


def fresh_buttons(
    world: World, chat: int, engine: Engine, buttons: ButtonCodec, rows: Mapping[Key, Row]
) -> dict[int, list[int]]:
    """Return which buttons of a chat still do something, by message: their numbers under it.

    Buttons that are not fsmkit's are the bot's own business, and count as fresh.
    """
    found: dict[int, list[int]] = {}
    record = world.chats[chat]
    shown = [(number, record.messages[number]) for number in reversed(record.messages)]
    for number, message in [each for each in shown if "reply_markup" in each[1]][:MAX_LOOKED]:
        fresh = [
            place
            for place, button in enumerate(buttons_of(message))
            if _is_fresh(button.get("callback_data"), number, chat, engine, buttons, rows)
        ]
        if fresh:
            found[number] = fresh
    return found


def _is_fresh(
    data: str | None, message: int, chat: int, engine: Engine, buttons: ButtonCodec, rows: Mapping[Key, Row]
) -> bool:
    here = [key for key in rows if key.chat == chat or (chat > 0 and key.user == chat)]
    people = {key.user for key in here if isinstance(key.user, int)} or {chat}
    for user in people:
        try:
            pressed = buttons.decode(data, user)
        except Foreign:
            continue
        if pressed is None:
            return True
        if _does_something(pressed, message, [rows[key] for key in here if key.user == user], engine):
            return True
    return False


def _does_something(pressed: Pressed, message: int, rows: Iterable[Row], engine: Engine) -> bool:
    if pressed.menu:
        return pressed.flow in engine.flows.tables
    return any(pressed.flow in row.snapshots and value_of(row, pressed, message) is not None for row in rows)
