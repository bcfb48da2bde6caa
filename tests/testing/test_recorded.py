"""Acts as JSON: what is written is read back, and what is none is refused."""

import json

import pytest
import sprouts

from fsmkit.testing.harness import actions as acts
from fsmkit.testing.harness.actions import KINDS, NotReadableError, act_from_json, act_to_json

EACH = [
    acts.Say("Ann", user=2),
    acts.Press("Yes"),
    acts.Press("Yes", stale=True, nth=2),
    acts.PressData("x"),
    acts.Content("photo", "Me", {"width": 3}),
    acts.Content("location"),
    acts.Album(("photo", "video"), "Us"),
    acts.Gesture("poll_answer", "1", {"poll_id": "7"}),
    acts.Deploy(1),
    acts.Edit("Bob"),
    acts.Outside(sprouts.Rained(3)),
    acts.Wait(2.5),
    acts.Deadline(-1.0),
    acts.Restart(),
    acts.Stored("garden", 1, "plant", {"do": "say"}),
    acts.Duplicate(),
    acts.Swap(acts.Say("a"), acts.Press("b")),
    acts.Killed(acts.Outside(sprouts.Rained(3)), "reply", 2, False),
    acts.Refused(acts.Say("a"), 1, 3.0),
    acts.Together([acts.Say("a"), acts.Say("b", user=2)], [0, 1]),
]


@pytest.mark.parametrize("act", EACH, ids=lambda act: act.line())
def test_an_act_comes_back_as_it_was(act):
    shown = json.loads(json.dumps(act_to_json(act)))
    assert act_from_json(shown, [sprouts.garden]) == act


def test_every_kind_of_act_is_tried_here():
    assert {type(act) for act in EACH} == set(KINDS.values())


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
        act_from_json(shown, [sprouts.garden])
