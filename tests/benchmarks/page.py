"""Writes what was measured into a page: `python -m tests.benchmarks.page FIGURES.json [PAGE ...]`.

A page says where with `<!-- figures: NAME -->`; what stands between that and `<!-- end -->` is replaced. The
names are those of `TABLES`. By default the pages in docs/explanation.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import ROOT, Kind, Spread, shown
from tests.benchmarks.results import Results, verdict

PAGES = tuple(ROOT / "docs" / "explanation" / name for name in ("performance.md", "scale.md"))
PLACE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
Comparison = dict[str, Any]


def peers(results: Results) -> Iterator[str]:
    """Yield the table of what is compared with a peer."""
    yield "| work | fsmkit | peer | ratio, or difference | aim |"
    yield "|---|---|---|---|---|"
    for comparison in results.comparisons.values():
        mine, *others = comparison["values"]
        if comparison["kind"] == Kind.GROWTH.value or not others:
            continue
        figures = list(comparison["figures"].values())[-len(others) :]
        by_peer = comparison["kind"] in (Kind.RATIO.value, Kind.DIFFERENCE.value)
        for number, (other, figure) in enumerate(zip(others, figures, strict=True)):
            aim = verdict(comparison["goal"], figure) if number == 0 and by_peer else ""
            yield (
                f"| {_title(comparison) if number == 0 else ''} | {_cost(comparison, mine) if number == 0 else ''} "
                f"| {other}: {_cost(comparison, other)} | {_short(figure)} | {aim} |"
            )


def growth(results: Results) -> Iterator[str]:
    """Yield the table of what grows, or does not."""
    yield "| work | from, to | fsmkit | grows by | aim | peer grows by |"
    yield "|---|---|---|---|---|---|"
    for comparison in results.comparisons.values():
        if comparison["kind"] != Kind.GROWTH.value:
            continue
        mine, *others = comparison["values"]
        sizes = list(comparison["values"][mine])
        figure, *rest = list(comparison["figures"].values())
        peer = f"{others[0]}: {_short(rest[0])}" if others else ""
        yield (
            f"| {_title(comparison)} | {int(sizes[0]):,}, {int(sizes[-1]):,} {comparison['axis']} "
            f"| {_cost(comparison, mine, 0)}, {_cost(comparison, mine)} | {_short(figure)} "
            f"| {verdict(comparison['goal'], figure)} | {peer} |"
        )


def own(results: Results) -> Iterator[str]:
    """Yield the table of fsmkit's own values."""
    yield "| what | value | aim |"
    yield "|---|---|---|"
    for comparison in results.comparisons.values():
        mine = next(iter(comparison["values"]))
        alone = len(comparison["values"]) == 1 and comparison["kind"] != Kind.GROWTH.value
        if alone or comparison["kind"] == Kind.VALUE.value:
            value = list(comparison["values"][mine].values())[-1]
            yield f"| {_title(comparison)} | {_cost(comparison, mine)} | {verdict(comparison['goal'], value)} |"


def where(results: Results) -> Iterator[str]:
    """Yield the table of where the time of a text step goes."""
    whole = Spread.of(results.comparisons["text"]["values"]["fsmkit"]["0"]).median
    yield "| part of the program | share | µs |"
    yield "|---|---|---|"
    parts = {part: share for part, share in results.where.items() if share >= 1}
    parts["the rest"] = 100 - sum(parts.values())
    for part, share in parts.items():
        yield f"| {part} | {share:.0f} % | {share / 100 * whole:.1f} |"


def versions(results: Results) -> Iterator[str]:
    """Yield one line with what the figures were made with, and when."""
    dates = sorted({each["date"] for each in results.comparisons.values()})
    made_with = ", ".join(f"{name} {found}" for name, found in results.versions.items())
    yield f"Measured {' and '.join(dict.fromkeys((dates[0], dates[-1])))}: {made_with}."


BUSY = 0.7
"""The part of a core that is used at the busiest hour; beyond it, those who wait wait long."""
USERS = 10_000_000
DAYS, UPDATES = 4, 12
"""Days of a month on which a user comes, and updates on such a day."""
PEAK = 4
"""The busiest hour, by the average one."""
MESSAGES = 30
"""Messages a second that Telegram takes from a bot (https://core.telegram.org/bots/faq#broadcasting-to-users)."""
WRITES = 1.5
"""Steps of a store for an update that is answered: the step, and the note that the answer was sent."""


def _answered(results: Results) -> dict[str, float]:
    """Return the µs of processor time of an update that is answered with a message, by where they are spent."""

    def cost(comparison: str) -> float:
        values = results.comparisons[comparison]["values"]["fsmkit"]
        return Spread.of(list(values.values())[-1]).median

    bot = cost("json") + cost("reply") - cost("text")
    return {
        "the bot's process, rows in its memory": bot,
        "the bot's process, rows in Redis": bot + WRITES * cost("redis-client"),
        "Redis itself": WRITES * cost("redis-server"),
        "the bot's process, rows in PostgreSQL": bot + WRITES * cost("postgres-client"),
        "PostgreSQL itself": WRITES * cost("postgres-server"),
    }


def capacity(results: Results) -> Iterator[str]:
    """Yield the table of what one core bears."""
    yield f"| one core of | µs an update | updates a second, {100 * BUSY:.0f} % busy | millions a day, evenly |"
    yield "|---|---|---|---|"
    for where_, cost in _answered(results).items():
        second = BUSY * 1e6 / cost
        yield f"| {where_} | {shown(cost)} | {second:,.0f} | {second * 86400 / 1e6:,.0f} |"


def ten_million(results: Results) -> Iterator[str]:
    """Yield the table of what ten million users a month need."""
    month = USERS * DAYS * UPDATES
    average = month / (30 * 86400)
    rows = USERS * DAYS / 30

    def size(comparison: str) -> float:
        return Spread.of(list(results.comparisons[comparison]["values"]["fsmkit"].values())[-1]).median

    yield "| what | arithmetic | needed |"
    yield "|---|---|---|"
    yield f"| updates a month | {USERS:,} × {DAYS} days × {UPDATES} | {month / 1e6:,.0f} million |"
    yield f"| updates a second, on average | {month / 1e6:,.0f} million / (30 × 86,400) | {average:,.0f} |"
    yield f"| updates a second, busiest hour | {average:,.0f} × {PEAK} | {average * PEAK:,.0f} |"
    for where_, cost in _answered(results).items():
        cores = average * PEAK * cost / 1e6 / BUSY
        yield f"| cores for {where_} | {average * PEAK:,.0f} × {shown(cost)} µs / {100 * BUSY:.0f} % | {cores:.2f} |"
    yield f"| conversations stored, each for a day | {USERS:,} × {DAYS} / 30 | {rows / 1e6:.2f} million |"
    for where_, comparison in (("Redis", "redis-bytes"), ("a SQLite file", "file"), ("a process", "memory")):
        taken = size(comparison)
        yield f"| their room in {where_} | {rows / 1e6:.2f} million × {taken:,.0f} bytes | {rows * taken / 1e9:.1f} GB |"
    yield (
        f"| messages that Telegram takes | {MESSAGES} a second × 30 × 86,400 "
        f"| {MESSAGES * 30 * 86400 / 1e6:,.0f} million a month, {MESSAGES * 30 * 86400 / USERS:.1f} a user |"
    )


TABLES: dict[str, Callable[[Results], Iterator[str]]] = {
    each.__name__: each for each in (peers, growth, own, where, versions, capacity, ten_million)
}


def filled(text: str, results: Results) -> str:
    """Return a page with the tables that it asks for."""
    return PLACE.sub(lambda found: found[1] + "\n".join(TABLES[found[2]](results)) + "\n" + found[3], text)


def _title(comparison: Comparison) -> str:
    """Return the title, with the number of chats where it was measured with several."""
    sizes = list(next(iter(comparison["values"].values())))
    several = comparison["axis"] == "chats at a time"
    return f"{comparison['title']}, {int(sizes[-1])} chats" if several else str(comparison["title"])


def _cost(comparison: Comparison, contender: str, at: int = -1) -> str:
    """Return a contender's median, with a short unit."""
    values = list(comparison["values"][contender].values())[at]
    return f"{shown(Spread.of(values).median)} {comparison['unit'].removesuffix(' of processor time')}"


def _short(figure: list[float]) -> str:
    found = Spread.of(figure)
    return f"**{shown(found.median)}** ({shown(found.low)} to {shown(found.high)})"


def main(figures: str, *pages: str) -> None:
    """Fill the pages."""
    results = Results.read(Path(figures))
    for page in map(Path, pages or map(str, PAGES)):
        page.write_text(filled(page.read_text(), results))


if __name__ == "__main__":
    main(*sys.argv[1:])
