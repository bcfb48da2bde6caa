"""What older versions of a flow have stored, as the examples of its migrations say."""

import attrs
import pytest

from fsmkit import DefinitionError, Flow
from fsmkit.telegram import command
from fsmkit.testing import Profile, check, lint
from fsmkit.testing.harness.actions import Say, Stored, action_from_json, action_to_json

QUICK = Profile(steps=500, examples=5, length=10, seconds=20.0)


@attrs.frozen
class Form:
    name: str = ""
    phone: str = ""


def upgraded(lift, *examples):
    """A flow in its second version."""
    flow = Flow("form", data=Form, version=2, ttl=60)
    flow.state("name", prompt="Name?", otherwise="?")
    flow.state("phone", prompt="Phone?", otherwise="?")
    flow.migrate(1, examples=examples)(lift)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", Form())

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("transition", "phone", ctx.evolve(name=event.text))

    @flow.defstate("phone")
    def got_phone(event, ctx):
        ctx.reply(f"Thanks, {ctx.data.name}.")
        return ("end",)

    return flow


def found(flow):
    report = check(flow, phases=["tours"], profile=QUICK, seed=1)
    return [(finding.code, finding.actions) for finding in report.failures]


OLD = Stored("form", 1, "phone", {"name": "Ann", "phone": "1"})


def test_a_field_of_both_versions_that_is_lost_is_found():
    flow = upgraded(lambda state, data: (state, {"name": data["name"]}), ("phone", OLD.data))
    assert found(flow) == [("migration", (OLD,))]


def test_a_field_that_has_another_name_or_value_now_is_no_finding():
    examples = [("phone", {"first": "Ann", "phone": "1"}), ("name", {"first": "", "phone": ""})]
    flow = upgraded(
        lambda state, data: (state, {"name": data["first"], "phone": f"+{data['phone']}"}), *examples
    )
    assert found(flow) == []


def test_a_migration_that_raises_or_does_not_fit_is_found():
    assert found(upgraded(lambda state, data: (state, {"name": 1}), ("phone", {}))) == [
        ("migration", (Stored("form", 1, "phone", {}),))
    ]
    assert [code for code, _ in found(upgraded(lambda state, data: data["x"], ("phone", {})))] == [
        "migration"
    ]


def test_conversations_go_on_from_what_was_stored():
    flow = upgraded(lambda state, data: (state, data), ("phone", {"name": "Ann"}))

    @flow.defstate("phone", on=command("secret"))
    def secret(event, ctx):
        if ctx.data.name == "Ann" and not ctx.data.phone:
            raise RuntimeError("only after a deploy")
        ctx.reply("No.")

    [(code, actions)] = found(flow)
    assert code == "raised"
    assert actions == (Stored("form", 1, "phone", {"name": "Ann"}), Say("/secret"))


def test_a_migration_without_examples_is_noted():
    notes = [finding.code for finding in lint(upgraded(lambda state, data: (state, data))) if finding.note]
    assert notes == ["untried-migration"]


def test_examples_are_pairs():
    with pytest.raises(DefinitionError, match="examples"):
        Flow("f", version=2).migrate(1, examples=["phone"])


def test_it_is_written_down_and_read_back():
    assert action_from_json(action_to_json(OLD), ()) == OLD


def test_nothing_goes_wrong_with_what_was_stored_before_the_bot_began():
    flow = upgraded(lambda state, data: (state, data), ("phone", {"name": "Ann", "phone": "1"}))
    many = Profile(steps=500, examples=1_000, length=2, seconds=60.0)
    report = check(flow, phases=["random"], profile=many, seed=1)
    assert report.failures == [], report
    assert report.coverage.kinds["stored"] > 0
