"""A bot without flows that is played: its own program runs anew for each life, and gives its application.

There is no checkpoint but the beginning, since nobody knows where such a bot keeps what it remembers: the
steps that lead to where one goes are carried out again, in a directory that was put back as it was at first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fsmkit.botapi.offline import OfflineTelegram
from fsmkit.botapi.request import AnyApplication
from fsmkit.interpreter.row import Row
from fsmkit.play.bots import Live, Played
from fsmkit.play.recorder import brief
from fsmkit.testing.any_bot.bot_driver import BotDriver, BotObservation
from fsmkit.testing.any_bot.offers import Offers
from fsmkit.testing.any_bot.program import Program
from fsmkit.testing.any_bot.slots import Slot, state_name
from fsmkit.testing.any_bot.tree import Tree
from fsmkit.testing.clock import ManualClock
from fsmkit.testing.findings import seen_from_here
from fsmkit.testing.harness.actions import (
    Action,
    Deploy,
    Outside,
    PressData,
    Restart,
    Say,
    SetData,
    action_to_json,
)
from fsmkit.testing.harness.observation import Observation
from fsmkit.testing.harness.ptb_driver import Checkpoint, PTBDriver
from fsmkit.testing.harness.repeatable import repeatable

MAX_OFFERS = 14
"""Chips that are shown at once."""

Shown = dict[str, Any]


class PlayedProgram(Played):
    """A program of python-telegram-bot, as it is.

    Args:
        program: The program.
        tree: The directory in which it runs.
        name: What the page is headed with.
    """

    refused = (Restart, Deploy, Outside, SetData)

    def __init__(self, program: Program, tree: Tree, name: str) -> None:
        self.name = name
        self._program, self._tree = program, tree
        self._offers = Offers()

    def run(self, start: float, saved: Checkpoint | None, observers: Sequence[Any], live: Live) -> None:
        """Let the bot live; see `Played.run`."""
        del saved, observers
        self._tree.restore()
        clock = ManualClock(start)
        offline = OfflineTelegram(clock=clock)

        async def session(app: AnyApplication, started: bool) -> None:
            driver = BotDriver(app, clock=clock, offline=offline)
            await driver.begin(started)
            await live(driver)
            await driver.close()

        with repeatable(clock.now):
            self._program.run(offline, session)

    def calls(self, observation: Observation, results: Sequence[Shown]) -> list[Shown]:
        """Return the callbacks that ran; see `Played.calls`."""
        del results
        runs = observation.runs if isinstance(observation, BotObservation) else ()
        return [
            {
                "handler": run.slots[0].name,
                "place": seen_from_here(run.place),
                "flow": (run.conversation.name or "conversation") if run.conversation is not None else "",
                "state": None,
                "result": "raised" if run.raised is not None else _went(str(run)),
                "returned": brief(run.returned),
                "edge": None,
            }
            for run in runs
        ]

    def offers(self, driver: PTBDriver, user: int, row: Row) -> list[Shown]:
        """Return what the handlers would take that are asked where the person stands."""
        del row
        if not isinstance(driver, BotDriver):
            return []
        found: dict[Action, Shown] = {}
        stands = {id(conversation): state for conversation, state in driver.stands(user)}
        for slot in driver.slots:
            if _is_asked(slot, stands) and (action := self._plainest(slot, driver, user)) is not None:
                where = f"{slot.name}, {seen_from_here(slot.place)}"
                found.setdefault(
                    action, {"text": action.line(), "action": action_to_json(action), "about": where}
                )
        return list(found.values())[:MAX_OFFERS]

    def _plainest(self, slot: Slot, driver: BotDriver, user: int) -> Action | None:
        taken = self._offers.of(slot, user, driver.chat, driver.app)
        plain = (each for each in taken if not isinstance(each, PressData))
        return next((each for each in plain if not isinstance(each, Say) or len(each.text) <= 40), None)

    async def stored(self, driver: PTBDriver, people: Sequence[int]) -> Shown:
        """Return what PTB keeps for each person: states of ConversationHandlers, `user_data`, `chat_data`."""
        found: Shown = {}
        if not isinstance(driver, BotDriver):
            return found
        for user in people:
            states = {
                (conversation.name or f"conversation {number}"): state_name(conversation, state)
                for number, (conversation, state) in enumerate(driver.stands(user), 1)
            }
            data = {
                "user_data": driver.app.user_data.get(user),
                "chat_data": driver.app.chat_data.get(driver.where(user)),
            }
            tree = {**states, **{name: _plain(each) for name, each in data.items() if each}}
            if tree:
                shown = {"name": "bot", "active": bool(states), "tree": tree}
                found[f"user {user}"] = {"chat": user, "user": user, "conversations": [shown]}
        if driver.app.bot_data:
            shown = {"name": "bot", "active": False, "tree": {"bot_data": _plain(driver.app.bot_data)}}
            found["the bot"] = {"chat": 0, "user": 0, "conversations": [shown]}
        return found


def _is_asked(slot: Slot, stands: dict[int, Any]) -> bool:
    """Return whether a handler is asked, by where a person stands in the ConversationHandlers around it."""
    for around in slot.around[:-1]:
        if id(around) not in stands:
            return False
    if not slot.around:
        return True
    inner = slot.around[-1]
    if id(inner) not in stands:
        return slot.role == "entry"
    if slot.role == "state":
        return bool(stands[id(inner)] == slot.state)
    return slot.role == "fallback" or (slot.role == "entry" and bool(inner.allow_reentry))


def _went(said: str) -> str:
    _, arrow, state = said.partition(" -> ")
    return ("ends" if state == "END" else f"→ {state}") if arrow else "stays"


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON has not, by its `repr`."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=brief))


def program_of(job: dict[str, Any]) -> PlayedProgram:
    """Return what is played of a job, as `fsmkit.cli.test_bot.copied_bot` makes it."""
    root = Path(job["root"])
    setup = None if job["setup"] is None else Path(job["setup"])
    file = job["module"] if job["file"] is None else root / job["file"]
    program = Program(file, root, entry=job["entry"], setup=setup)
    return PlayedProgram(program, Tree(root, Path(job["spare"]), Path(job["temporary"])), job["name"])
