"""A deploy of a changed flow: conversations that the old version began go on with the new one."""

import attrs
import pytest

from fsmkit import Flow
from fsmkit.telegram import button, command, text
from fsmkit.testing import Profile, check, flow_tests

QUICK = Profile(steps=2000, examples=30, length=15, seconds=20.0)


@attrs.frozen
class Old:
    name: str = ""
    age: int = 0


def old():
    """A form of two questions."""
    flow = Flow("form", data=Old, ttl=60)
    flow.state("name", prompt="Name?", otherwise="A text.")
    flow.state("age", prompt="Age?", otherwise="Digits.")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", Old())

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("transition", "age", ctx.evolve(name=event.text))

    @flow.defstate("age", on=text("[0-9]+"))
    def got_age(event, ctx):
        ctx.reply(f"{ctx.data.name}, {event.text}")
        return ("end",)

    return flow


@attrs.frozen
class New:
    name: str = ""
    age: int = 0
    email: str = ""


def new(migration=None, renamed_from=(), lost=None, age_of=lambda data: data.name):
    """The next version: the age is asked for in another state."""
    flow = Flow("form", data=New, version=1 if migration is None else 2, ttl=60)
    flow.state("name", prompt="Name?", otherwise="A text.")
    flow.state("years", prompt="How old?", otherwise="Digits.", renamed_from=renamed_from)
    if lost is not None:
        flow.texts(lost=lost)
    if migration is not None:
        flow.migrate(1)(migration)

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "name", New())

    @flow.defstate("name")
    def got_name(event, ctx):
        return ("transition", "years", ctx.evolve(name=event.text))

    @flow.defstate("years", on=text("[0-9]+"))
    def got_age(event, ctx):
        ctx.reply(f"{age_of(ctx.data)}, {event.text}")
        return ("end",)

    return flow


def found(*deploys, phases=("deploys",), flow=None):
    """Codes of what is wrong with deploys, and the actions that show it."""
    report = check(flow or old(), deploys=deploys, phases=phases, profile=QUICK, seed=1)
    return [(finding.code, [action.line() for action in finding.actions]) for finding in report.failures]


DEPLOYED = "(the new version is deployed)"


def test_a_version_that_fits_shows_nothing():
    assert found(new(renamed_from="age")) == []


def test_a_state_that_is_gone_is_found():
    assert found(new()) == [("orphaned", ["/start", "Ann", DEPLOYED])]


def test_one_that_is_meant_to_be_gone_is_not():
    assert found(new(lost="We have changed. /start begins anew.")) == []


def test_a_migration_that_loses_a_field_is_found_at_its_place():
    def forgetful(state, data):
        return state, {"age": data["age"]}

    report = check(old(), deploys=[new(forgetful, "age")], phases=["deploys"], profile=QUICK, seed=1)
    [finding] = report.failures
    assert (finding.code, finding.message) == (
        "lost-field",
        "the migration of 'form' from version 1 loses 'name', which was stored in state 'age': its default is left",
    )
    assert finding.where.endswith(f":{forgetful.__code__.co_firstlineno}")
    assert [action.line() for action in finding.actions] == ["/start", "Ann", DEPLOYED]


def test_a_migration_that_raises_is_found():
    assert [code for code, _ in found(new(lambda state, data: 1 / 0, "age"))] == ["orphaned"]


def test_a_migration_that_keeps_all_is_not():
    assert found(new(lambda state, data: (state, data), "age")) == []


def test_a_handler_that_cannot_bear_what_the_old_version_stored_is_found():
    assert found(new(lambda state, data: (state, data), "age", age_of=lambda data: data.email[0])) == [
        ("raised", ["/start", "Ann", DEPLOYED, "1"])
    ]


def test_older_flows_than_those_stored_are_found():
    newest = new(lambda state, data: (state, data), "age")
    assert [code for code, _ in found(old(), flow=newest)] == ["newer"]


@pytest.mark.thorough
def test_random_conversations_go_on_after_a_deploy_too():
    many = Profile(steps=0, examples=300, length=25, seconds=600.0)
    report = check(old(), deploys=[new()], phases=["random"], profile=many, seed=1)
    assert [(finding.code, [action.line() for action in finding.actions]) for finding in report.failures] == [
        ("orphaned", ["/start", "Ann", DEPLOYED])
    ]


def test_without_another_version_nothing_is_deployed():
    report = check(old(), profile=QUICK, seed=1)
    assert report.ok
    assert "deploys" not in report.steps


def test_flows_that_stay_as_they_are_need_not_be_given_again():
    side = Flow("side", ttl=60)
    side.state("on", prompt="On?", buttons=["Off"], otherwise="Press.")

    @side.defstate(None, on=command("side"))
    def begin(event, ctx):
        return ("transition", "on")

    @side.defstate("on", on=button("Off"))
    def off(event, ctx):
        ctx.reply("Off.")
        return ("end",)

    report = check(old(), side, deploys=[new(renamed_from="age")], phases=["deploys"], profile=QUICK, seed=1)
    assert report.ok, report


@pytest.mark.parametrize("phase", ["deploys", "random"])
def test_coverage_counts_what_the_tested_version_takes(phase):
    report = check(old(), deploys=[new(renamed_from="age")], phases=[phase], profile=QUICK, seed=1)
    of = check(old(), phases=["tours"], profile=QUICK, seed=1).coverage.numbers()
    assert {name: total for name, (_, total) in report.coverage.numbers().items()} == {
        name: total for name, (_, total) in of.items()
    }


def test_a_class_of_tests_has_one_for_deploys_where_later_versions_are_given():
    broken = flow_tests(old(), deploys=[new()], profile=QUICK, seed=1)
    with pytest.raises(AssertionError, match="orphaned"):
        broken().test_deploys()
    flow_tests(old(), deploys=[new(renamed_from="age")], profile=QUICK, seed=1)().test_deploys()
    assert not hasattr(flow_tests(old()), "test_deploys")


@attrs.frozen
class Street:
    name: str = ""
    number: int = 0


@attrs.frozen
class Renamed:
    street_name: str = ""


@attrs.frozen
class Address:
    street: Street = Street()
    town: str = ""


@attrs.frozen
class LaterAddress:
    street: Renamed = Renamed()
    town: str = ""


@attrs.frozen
class Demanding:
    must: list[int]
    town: str = ""


def addressed(data, made, version=1):
    """A flow that stores an address when it begins."""
    flow = Flow("address", data=data, ttl=60, version=version)
    flow.state("a", prompt="A?", otherwise="?")

    @flow.defstate(None, on=command("start"))
    def start(event, ctx):
        return ("transition", "a", made)

    @flow.defstate("a", on=command("bye"))
    def bye(event, ctx):
        ctx.reply("Bye.")
        return ("end",)

    return flow


OLD_ADDRESS = Address(Street("High Street", 4), "Linz")


def test_a_field_of_a_nested_class_that_is_gone_is_reported():
    later = addressed(LaterAddress, LaterAddress())
    report = check(addressed(Address, OLD_ADDRESS), phases=["deploys"], deploys=[later], seed=1)
    said = {
        finding.message.partition(".  ")[0] for finding in report.failures if finding.code == "lost-field"
    }
    assert any("stored field `street.name` is not in LaterAddress any more" in each for each in said)


def test_a_field_that_a_migration_has_moved_is_not_lost():
    later = addressed(LaterAddress, LaterAddress(), version=2)

    @later.migrate(1)
    def lift(state, data):
        return state, {"street": {"street_name": data["street"]["name"]}, "town": data["town"]}

    report = check(addressed(Address, OLD_ADDRESS), phases=["deploys"], deploys=[later], seed=1)
    assert [finding.code for finding in report.failures] == []


def test_a_new_field_without_a_default_is_a_finding():
    later = addressed(Demanding, Demanding([1]))
    report = check(addressed(Address, OLD_ADDRESS), phases=["deploys"], deploys=[later], seed=1)
    assert "orphaned" in {finding.code for finding in report.failures}
