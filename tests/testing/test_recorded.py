"""Acts as JSON: what is written is read back, and what is none is refused."""

import json

import pytest
import remembering_bot

from fsmkit.testing.harness import actions as actions
from fsmkit.testing.harness.actions import KINDS, NotReadableError, action_from_json, action_to_json

EACH = [
    actions.Say("Ann", user=2),
    actions.Press("Yes"),
    actions.Press("Yes", stale=True, nth=2),
    actions.PressData("x"),
    actions.Content("photo", "Me", {"width": 3}),
    actions.Content("location"),
    actions.Album(("photo", "video"), "Us"),
    actions.Gesture("poll_answer", "1", {"poll_id": "7"}),
    actions.Deploy(1),
    actions.EditLast("Bob"),
    actions.Outside(remembering_bot.Rained(3)),
    actions.Begins(1_900_000_000.0),
    actions.Persona("Tom <b>", "tom", "de", 7),
    actions.Meanwhile(actions.Say("a"), actions.Press("b"), True),
    actions.Wait(2.5),
    actions.Deadline(-1.0),
    actions.Restart(),
    actions.Stored("garden", 1, "plant", {"do": "say"}),
    actions.SetData("garden", {"do": "say"}),
    actions.Duplicate(),
    actions.Swap(actions.Say("a"), actions.Press("b")),
    actions.Killed(actions.Outside(remembering_bot.Rained(3)), "reply", 2, False),
    actions.Refused(actions.Say("a"), 1, 3.0),
    actions.Together([actions.Say("a"), actions.Say("b", user=2)], [0, 1]),
]


@pytest.mark.parametrize("action", EACH, ids=lambda action: action.line())
def test_an_act_comes_back_as_it_was(action):
    shown = json.loads(json.dumps(action_to_json(action)))
    assert action_from_json(shown, [remembering_bot.garden]) == action


def test_every_kind_of_act_is_tried_here():
    assert {type(action) for action in EACH} == set(KINDS.values())


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        {"do": "fly"},
        {"do": "say"},
        {"do": "gesture", "kind": "wave"},
        {"do": "event", "event": {"class": "x.Y", "data": {}}},
    ],
)
def test_what_is_no_act_is_refused(shown):
    with pytest.raises(NotReadableError, match="is no"):
        action_from_json(shown, [remembering_bot.garden])
