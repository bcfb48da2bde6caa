"""Updates as JSON, made from the signatures of PTB's own classes: whatever PTB can build, some day arrives."""

import inspect
import re

import telegram
from hypothesis import strategies as st

NAME = re.compile(r"[A-Za-z_.]+")
SKIPPED = {"api_kwargs", "self"}
NEEDED = {"option_persistent_ids", "persistent_id", "allows_revoting", "members_only"}
"""Optional by their signature, but PTB wants them."""
JSON_NAMES = {"from_user": "from"}
SIMPLE = {
    "int": st.sampled_from([0, 1, -1, 2**31, -1001234567890, 2**52]),
    "float": st.floats(-90, 90),
    "bool": st.booleans(),
    "str": st.sampled_from(["", "a", "/start", "/start@offline_bot x", "~AAAA", "\ud83d", "é\n", "x" * 300]),
    "datetime": st.integers(0, 2**31),
    "timedelta": st.integers(0, 10**6),
    "TimePeriod": st.integers(0, 10**6),
}
TAGS = {
    "ChatMember": ("status", ["creator", "administrator", "member", "restricted", "left", "kicked", "new"]),
    "ReactionType": ("type", ["emoji", "custom_emoji", "paid", "new"]),
    "ChatBoostSource": ("source", ["premium", "gift_code", "giveaway", "new"]),
    "MessageOrigin": ("type", ["user", "hidden_user", "chat", "channel", "new"]),
    "PaidMedia": ("type", ["preview", "photo", "video", "new"]),
}
"""Fields by which PTB chooses a subclass, with a value that is not known yet."""
MAX_DEPTH = 4
MAX_OPTIONAL = 4


def _parameters(cls):
    """Names, types and whether they are needed, of what makes an object of a class."""
    signature = inspect.signature(cls.__init__)
    for name, parameter in signature.parameters.items():
        if name not in SKIPPED and parameter.kind in (
            parameter.POSITIONAL_OR_KEYWORD,
            parameter.KEYWORD_ONLY,
        ):
            yield name, str(parameter.annotation), name in NEEDED or parameter.default is parameter.empty


def _subclasses(cls):
    return [cls, *(found for child in cls.__subclasses__() for found in _subclasses(child))]


@st.composite
def value(draw, annotation, depth):
    """A value for an annotation, `None` if nothing is known of it."""
    words = [word.rpartition(".")[2] for word in NAME.findall(annotation.replace("'", ""))]
    several = any(word in ("Sequence", "tuple", "list") for word in words)
    for word in words:
        if word in SIMPLE:
            made = SIMPLE[word]
            return draw(st.lists(made, max_size=3)) if several else draw(made)
        cls = getattr(telegram, word, None)
        if word == "MaybeInaccessibleMessage":
            cls = telegram.Message
        if inspect.isclass(cls) and issubclass(cls, telegram.TelegramObject):
            one = object_of(cls, depth + 1)
            return draw(st.lists(one, max_size=2)) if several else draw(one)
    return None


@st.composite
def object_of(draw, cls, depth=0):
    """An object of a class as JSON: all that it needs, and a few other fields."""
    made = {}
    fields = {}
    for one in _subclasses(cls) if cls.__name__ in TAGS else [cls]:
        for name, annotation, needed in _parameters(one):
            fields[name] = (annotation, needed or fields.get(name, ("", False))[1])
    optional = [name for name, (_, needed) in fields.items() if not needed]
    chosen = set()
    if depth < MAX_DEPTH and optional:
        chosen = set(draw(st.lists(st.sampled_from(optional), max_size=MAX_OPTIONAL, unique=True)))
    for name, (annotation, needed) in fields.items():
        if needed or name in chosen:
            found = draw(value(annotation, depth))
            if found is not None:
                made[JSON_NAMES.get(name, name)] = found
    if cls.__name__ in TAGS:
        field, names = TAGS[cls.__name__]
        made[field] = draw(st.sampled_from(names))
    return made


FIELDS = {name: annotation for name, annotation, _ in _parameters(telegram.Update) if name != "update_id"}
"""What an update may bring, by PTB's own list."""


@st.composite
def updates(draw, field):
    """An update that brings one field."""
    return {"update_id": draw(st.integers(1, 2**31)), field: draw(value(FIELDS[field], 0))}
