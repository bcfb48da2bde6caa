"""The page in a browser: what an author does there, and what comes of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

pytestmark = pytest.mark.thorough  # seconds each, with a browser

SIGNUP = Path(__file__).parents[2] / "examples" / "signup.py"

BROKEN = """
from fsmkit import Flow
from fsmkit.telegram import command

flow = Flow("divide", ttl=600)
flow.state("number", prompt="Which number?")

@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "number")

@flow.defstate("number")
def divided(event, ctx):
    ctx.reply(f"{100 / int(event.text):g}")
    return ("end",)
"""


def test_a_stale_button_is_dimmed_and_changes_nothing(opened):
    page = opened(SIGNUP)
    for text in ("/start", "Ann", "31"):
        page.say(text)
    assert page.all("button", stale="true").count() == 0
    page.press("Change name")
    page.stands_in("name")
    assert page.all("button", stale="true").count() == 3
    page.press("Yes")
    page.one("toast").wait_for()
    page.stands_in("name")
    assert page.served.now["calls"] == []


def test_the_clock_moves_to_the_deadline_and_by_hand(opened):
    page = opened(SIGNUP)
    page.say("/start")
    before = page.one("clock").inner_text()
    page.one("wait").click()
    page.one("wait-input").fill("30m")
    page.one("wait-input").press("Enter")
    page.steps(2)
    assert "30 m" in page.one("next-deadline").inner_text()
    page.one("next-deadline").click()
    page.stands_in(None)
    assert page.one("clock").inner_text() != before
    assert "Timeout fired" in page.one("step", current="true").inner_text()
    assert page.one("next-deadline").is_disabled()


def test_a_duplicate_runs_nothing_and_a_restart_keeps_what_is_stored(opened):
    page = opened(SIGNUP)
    page.say("/start")
    page.say("Ann")
    page.one("duplicate").click()
    page.steps(3)
    assert "Known already" in page.one("step", current="true").inner_text()
    page.one("restart").click()
    page.steps(4)
    page.stands_in("age")
    assert '"Ann"' in page.one("stored").inner_text()


def test_the_bot_is_killed_in_a_step_and_goes_on(opened):
    page = opened(SIGNUP)
    page.say("/start")
    page.one("kill").click()
    page.one("kill-nth").fill("2")
    page.one("kill-dialog").get_by_text("Do so in the next step").click()
    page.say("Ann")
    assert "killed before store operation 2" in page.one("step", current="true").inner_text()
    page.stands_in("age")
    page.say("31")
    assert "killed" not in page.one("step", current="true").inner_text()


def test_what_no_handler_took_says_who_was_asked_and_why_not(opened):
    page = opened(SIGNUP)
    for text in ("/start", "Ann", "no number"):
        page.say(text)
    asked = page.one("asked")
    assert asked.get_attribute("open") is not None
    assert "got_age" in asked.inner_text()
    assert "examples/signup.py" in asked.inner_text()
    page.says("Digits, please.")


def test_what_is_stored_says_what_has_changed(opened):
    page = opened(SIGNUP)
    page.say("/start")
    page.say("Ann")
    changed = page.page.locator(".tree .changed")
    assert changed.all_inner_texts() == ['state"age"was "name"', 'name"Ann"was ""']


def test_data_are_set_by_hand_as_a_step(opened):
    page = opened(SIGNUP)
    page.say("/start")
    page.say("Ann")
    page.one("edit-data").click()
    page.one("data-dialog").locator("textarea").fill('{"name": "Eve", "age": 0}')
    page.one("data-dialog").get_by_text("Store it").click()
    page.steps(3)
    page.say("31")
    page.says("Eve, aged 31. Is that right?")
    page.one("edit-data").click()
    page.one("data-dialog").locator("textarea").fill('{"age": "old"}')
    page.one("data-dialog").get_by_text("Store it").click()
    page.one("toast").wait_for()
    assert "no data of flow 'signup'" in page.one("toast").inner_text()
    assert page.all("step").count() == 4


def test_a_failing_conversation_is_replayed_and_shows_the_line_that_raised(opened, tmp_path):
    bot, report = tmp_path / "divide.py", tmp_path / "report.json"
    bot.write_text(BROKEN)
    command = [sys.executable, "-m", "fsmkit", "test", str(bot), "--json", str(report)]
    subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    from fsmkit.cli.test import stored_conversations
    from fsmkit.testing.loading import load

    had = next(
        each for each in stored_conversations(str(report), load(str(bot)).flows) if "raised" in each.about
    )
    page = opened(bot, replay=(had.acts, had.chat, had.about))
    step = page.one("step", status="error")
    step.wait_for()
    assert "Error: " in step.inner_text()
    assert 'ctx.reply(f"{100 / int(event.text):g}")' in step.inner_text()
    assert "divide.py:14" in step.inner_text()
    assert page.page.locator(".dot.wrong").count() == 1


def test_the_exported_test_passes(opened, tmp_path):
    page = opened(SIGNUP)
    for text in ("/start", "Ann", "x", "31"):
        page.say(text)
    page.press("Yes")
    page.steps(5)
    page.one("export").click()
    with page.page.expect_download() as download:
        page.one("export-test").click()
    test = tmp_path / download.value.suggested_filename
    download.value.save_as(test)
    assert "Welcome, Ann!" in test.read_text()
    run_exported(test)


def run_exported(test, here=SIGNUP.parents[1]):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "--rootdir",
            str(test.parent),
            str(test),
        ],
        capture_output=True,
        text=True,
        cwd=here,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_renamed_state_is_replayed_and_told_as_a_deploy(opened, tmp_path):
    bot = tmp_path / "renamed.py"
    text = SIGNUP.read_text()
    bot.write_text(text)
    page = opened(bot)
    page.say("/start")
    page.say("Ann")
    renamed = text.replace('"age"', '"years"')
    bot.write_text(renamed)
    status = page.one("reload-status")
    page.page.wait_for_function(
        "() => /reloaded/.test(document.querySelector('[data-testid=reload-status]')?.textContent)"
    )
    assert "a deploy would lose signup/age" in status.inner_text()
    assert "same up to step 1" in status.inner_text()
    page.stands_in("years")
    bot.write_text(renamed.replace('signup.state("years"', 'signup.state("years", renamed_from=["age"]'))
    page.page.wait_for_function(
        "() => /^reloaded · same$/.test(document.querySelector('[data-testid=reload-status]').textContent)"
    )


def test_a_mistake_in_the_file_leaves_the_old_bot_alone(opened, tmp_path):
    bot = tmp_path / "mistaken.py"
    bot.write_text(SIGNUP.read_text())
    page = opened(bot)
    page.say("/start")
    right = '@signup.defstate("name"'
    line = bot.read_text().splitlines().index(right + r', on=text(r".{1,40}"))') + 1
    for mistake, told in (
        ('@signup.defstate("nam"', "'nam'"),
        ('@signup.defstate("name"]', f"mistaken.py:{line}"),
    ):
        bot.write_text(SIGNUP.read_text().replace(right, mistake))
        page.page.locator("[data-testid=reload-status]", has_text=told).wait_for()
        assert "not reloaded: " in page.one("reload-status").inner_text()
    page.say("Ann")
    page.stands_in("age")


def test_people_talk_side_by_side_in_private_and_in_a_group(opened):
    page = opened(SIGNUP)
    page.say("/start")
    page.one("person-add").click()
    page.one("group-open").click()
    page.say("/start")
    page.say("Bob")
    page.stands_in("age")
    assert "user 2 in chat -100" in page.one("stored").inner_text()
    page.one("person-tab", user="1").click()
    page.stands_in(None)  # in the group
    page.all("input-other").click()  # the private chat
    page.stands_in("name")
    assert page.all("person-tab").all_inner_texts() == ["Youname", "User 2"]


def test_a_state_is_reached_by_the_shortest_conversation(opened):
    page = opened(SIGNUP)
    page.all("state", state="confirm").click()
    assert "(made by summary)" in page.one("card").inner_text()
    page.one("reach").click()
    page.stands_in("confirm")
    assert page.all("step").count() == 3


def test_an_arrow_shows_the_lines_of_its_handler(opened):
    page = opened(SIGNUP)
    page.page.locator('.arrow-label[data-edge="signup/name>signup/age"]').click()
    page.one("source").wait_for()
    assert "def got_name(event" in page.one("source").inner_text()


def test_everything_else_that_can_be_sent(opened, tmp_path):
    bot = tmp_path / "anything.py"
    bot.write_text(
        dedent("""
        import attrs
        from fsmkit import Flow, Reply
        from fsmkit.telegram import command, photo, location, contact

        @attrs.frozen
        class Paid:
            amount: int

        flow = Flow("anything", ttl=60)
        flow.state("open", prompt=Reply("Send anything.", keyboard=[["Yes", "No"]]))

        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", "open")

        @flow.defstate("open", on=photo() | location() | contact())
        def got(event, ctx):
            ctx.reply(f"got {event.kind}")

        @flow.defstate("open", on=Paid)
        def paid(event, ctx):
            ctx.reply(f"paid {event.amount}")

        @flow.defstate("open")
        def said(event, ctx):
            ctx.reply(f"said {event.text}")
        """)
    )
    page = opened(bot)
    page.say("/start")
    for choice, answer in (("Photo", "got photo"), ("Place", "got location"), ("Contact", "got contact")):
        page.one("attach").click()
        page.page.get_by_role("menuitem", name=choice, exact=True).click()
        page.says(answer)
    page.one("keyboard-button").click()
    page.says("said No")
    page.one("attach").click()
    page.page.locator('[data-event="Paid"]').click()
    page.one("event-dialog").locator("input").fill("29")
    page.one("event-dialog").locator("input").press("Enter")
    page.says("paid 29")


def test_the_theme_follows_the_system_and_can_be_changed(opened):
    page = opened(SIGNUP, dark=True)
    background = "() => getComputedStyle(document.body).backgroundColor"
    assert page.page.evaluate(background) == "rgb(18, 21, 28)"
    page.one("theme").click()
    assert page.page.evaluate(background) == "rgb(244, 246, 249)"
    page.page.reload()
    page.one("input").wait_for()
    assert page.page.evaluate(background) == "rgb(244, 246, 249)"


def test_on_a_narrow_screen_panes_are_tabs(opened):
    page = opened(SIGNUP, width=420, height=800)
    page.one("input").fill("/start")
    page.one("input").press("Enter")
    page.says("What's your name?")
    assert not page.one("diagram").is_visible()
    page.one("tab-diagram").click()
    page.stands_in("name")
    assert page.one("diagram").is_visible()
    assert not page.one("chat").is_visible()
    page.one("tab-side").click()
    assert page.one("stored").is_visible()
    assert page.all("timeline-dot").last.is_visible()
    wide = page.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= 420


def test_a_second_page_sees_the_same_and_a_lost_connection_comes_back(opened):
    page = opened(SIGNUP)
    page.say("/start")
    other = opened(SIGNUP, served=page.served)
    other.stands_in("name")
    other.say("Ann")
    page.stands_in("age")
    state = json.loads(json.dumps(page.served.now["standing"]))
    assert state == {"1@": [["signup", "age"]]}


def test_the_page_has_names_for_all_that_can_be_pressed(opened):
    page = opened(SIGNUP)
    page.say("/start")
    unnamed = page.page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, [role=button]')]
        .filter(each => !(each.textContent.trim() || each.getAttribute('aria-label') || each.placeholder))
        .map(each => each.outerHTML)"""
    )
    assert unnamed == []
    assert re.fullmatch(r".+signup\.py · fsmkit play", page.page.title())


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pictures_of_the_documentation_are_made(opened, tmp_path, theme):
    """With `FSMKIT_PICTURES=1` they are put into the documentation."""
    kept = Path(__file__).parents[2] / "docs" / "pictures"
    goal = (kept if os.environ.get("FSMKIT_PICTURES") else tmp_path) / f"play-{theme}.png"
    page = opened(SIGNUP if theme == "light" else SIGNUP.with_name("order.py"), dark=theme == "dark")
    if theme == "light":
        for text in ("/start", "Ann", "31"):
            page.say(text)
        page.all("timeline-dot").nth(2).click()
        page.stands_in("age")
        for text in ("no number", "44"):
            page.one("input").fill(text)
            page.one("input").press("Enter")
            page.page.locator('[data-testid="bubble"]', has_text=text).last.wait_for()
    else:
        page.say("/order")
        page.press("Tea, 3 €")
        page.steps(2)
        page.press("Check out")
        page.steps(3)
        page.say("Main St 1")
    page.page.mouse.move(700, 400)
    page.page.wait_for_timeout(300)
    page.shot(goal)
    assert goal.stat().st_size > 20_000
