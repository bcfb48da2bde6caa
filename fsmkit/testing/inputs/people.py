"""Who talks to a bot, and when: people and times that its code may treat differently.

As with texts, the code says what matters: one that names `first_name` meets people with markup in their
names, one that names `now` meets nights, ends of months, leap days, and the days on which clocks are changed.
"""

import itertools
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from fsmkit.flow.matchers import parts_of
from fsmkit.testing.harness.actions import Begins, Persona
from fsmkit.testing.harness.engine_driver import START, Flows
from fsmkit.testing.inputs.reading import Clues, clues_of
from fsmkit.testing.loading import functions_of

MOST_IDS = 4
"""People whose ids a bot names."""

NAMING = frozenset({"first_name", "last_name", "full_name", "name", "mention_html", "user", "from_user"})
"""What code asks for a person's name by."""

PUBLIC = frozenset({"username", "mention_html", "mention_markdown", "mention_markdown_v2", "link"})

BY_ID = frozenset({"user_id", "chat_id", "effective_user", "from_user", "user", "id"})

TIMES = frozenset(
    {"now", "today", "utcnow", "time", "date", "weekday", "isoweekday", "fromtimestamp", "hour"}
)

NAMES = ("Tom & <b>Jerry", "a_b*c`[d", 'O\'Neil "X"', "👩‍👩‍👧", "x" * 64)
"""First names: markup of each parse mode, quotes, an emoji, as long as Telegram allows."""

LANGUAGES = ("de", "pt-br", "xx", "")
"""Codes of languages; an app may send none, which comes as an empty one here."""


def clues_in(flows: Flows, resources: Any = None) -> Clues:
    """Return what all functions of flows say of their inputs.

    Args:
        flows: The flows.
        resources: What they find in `ctx.resources`.
    """
    return clues_of(*functions_of(flows), resources=resources)


def named_people(flows: Flows, clues: Clues) -> list[Persona]:
    """Return people whom the code or a filter of PTB's names: an administrator, a chat.

    Args:
        flows: The flows.
        clues: What their code says.
    """
    ids = [*_filtered(flows)]
    if clues.names & BY_ID:
        ids += [number for number in clues.numbers if isinstance(number, int) and 2 < number < 2**52]
    found = [Persona(id=number) for number in list(dict.fromkeys(ids))[:MOST_IDS]]
    if "username" in clues.names:
        public = [text.removeprefix("@") for text in clues.texts]
        words = [text for text in public if text.replace("_", "a").isalnum() and text.isascii()]
        found += [Persona(username=word) for word in words[:MOST_IDS]]
    return found


def _filtered(flows: Flows) -> Iterator[int]:
    """Yield ids in filters of PTB's."""
    for flow in flows:
        for part in parts_of(handler.matcher for handler in flow.handlers):
            yield from _ids_in(vars(part).values() if hasattr(part, "__dict__") else ())


def _ids_in(values: Iterable[Any], deep: int = 4) -> Iterator[int]:
    for value in values if deep else ():
        for name in ("user_ids", "chat_ids"):
            found = getattr(value, name, None)
            if isinstance(found, frozenset | set):
                yield from sorted(number for number in found if isinstance(number, int) and number > 0)
        if type(value).__module__.startswith("telegram.ext"):
            inner = (
                getattr(value, name, None) for name in ("filters", "base_filter", "and_filter", "or_filter")
            )
            yield from _ids_in((each for each in inner if each is not None), deep - 1)


def other_people(clues: Clues) -> list[Persona]:
    """Return people who may be treated wrongly, as far as the code asks who they are.

    Args:
        clues: What it says.
    """
    found: list[Persona] = []
    if clues.names & NAMING:
        found += [Persona(name) for name in NAMES]
    if clues.names & PUBLIC:
        found += [Persona(username="ann_lee_"), Persona()]
    if clues.names & {"lang", "language_code"}:
        found += [Persona(lang=lang) for lang in LANGUAGES]
    return found


def other_times(clues: Clues) -> list[Begins]:
    """Return times at which conversations begin, as far as the code asks for the time.

    Args:
        clues: What it says.
    """
    if not clues.names & TIMES:
        return []
    start = datetime.fromtimestamp(START, UTC)
    midnight = start.replace(hour=0)
    week = [midnight + timedelta(days=day, hours=3 + 4 * day) for day in range(1, 8)]
    ends = [
        datetime(2027, 1, 31, 23, 30, tzinfo=UTC),
        datetime(2027, 2, 28, 12, tzinfo=UTC),
        datetime(2027, 12, 31, 23, 30, tzinfo=UTC),
        datetime(2028, 2, 29, 12, tzinfo=UTC),
        datetime(2028, 12, 31, 12, tzinfo=UTC),  # the 366th day of its year
    ]
    zones = [text for text in clues.texts if "/" in text and text in available_timezones()]
    moved = itertools.chain.from_iterable(map(_changes, zones[:3] or ["Europe/Berlin"]))
    return [Begins(moment.timestamp()) for moment in (*ends, *week, *moved)]


def _changes(zone: str) -> Iterator[datetime]:
    """Yield the times shortly before and after a zone's clocks are changed, and a day before that."""
    here, hour = ZoneInfo(zone), datetime.fromtimestamp(START, UTC)
    for _ in range(366 * 24):
        later = hour + timedelta(hours=1)
        if hour.astimezone(here).utcoffset() != later.astimezone(here).utcoffset():
            yield from (
                hour - timedelta(hours=24),
                hour - timedelta(minutes=30),
                later + timedelta(minutes=30),
            )
        hour = later
