"""The page in a browser: what every run of the tests looks at. The rest stands in `test_page`."""

from pathlib import Path
from textwrap import dedent

SIGNUP = Path(__file__).parents[2] / "examples" / "signup.py"


def test_the_signup_is_played_to_its_end_with_the_keyboard_only(opened):
    page = opened(SIGNUP)
    keys = page.page.keyboard
    keys.press("/")
    for text, state in (("/start", "name"), ("Ann", "age"), ("31", "confirm")):
        keys.type(text)
        keys.press("Enter")
        page.stands_in(state)
    keys.press("Alt+1")
    page.says("Welcome, Ann!")
    page.stands_in(None)
    assert page.all("step").count() == 4
    taken = [edge for edge in page.all("edge").all() if edge.get_attribute("data-taken") != "no"]
    assert [edge.get_attribute("data-edge") for edge in taken][-1] == "signup/confirm>signup/confirm●"
    keys.press("Escape")
    keys.press("ArrowLeft")
    page.stands_in("confirm")
    keys.press("ArrowRight")
    page.stands_in(None)
    keys.press("?")
    assert "Restart the bot" in page.one("help-dialog").inner_text()


def test_going_back_and_on_makes_a_branch(opened):
    page = opened(SIGNUP)
    for text in ("/start", "Ann", "31"):
        page.say(text)
    page.all("timeline-dot").nth(2).click()
    page.stands_in("age")
    assert "aged 31" not in page.one("chat").inner_text()
    page.say("44")
    page.says("Ann, aged 44. Is that right?")
    assert page.all("timeline-dot", branch="branch").count() == 1
    page.one("timeline-dot", branch="branch").click()
    page.says("Ann, aged 31. Is that right?")
    assert page.all("timeline-dot", branch="path").count() == 4


def test_nothing_that_a_bot_or_person_says_becomes_markup(opened, tmp_path):
    bot, evil = (
        tmp_path / "evil.py",
        "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>",
    )
    bot.write_text(
        dedent(f"""
        from fsmkit import Button, Flow, Reply
        from fsmkit.telegram import command

        EVIL = {evil!r}
        flow = Flow("evil", ttl=60)
        flow.state(EVIL, prompt=Reply(EVIL, buttons=[[Button(EVIL, "x")]]), otherwise=EVIL)

        @flow.defstate(None, on=command("start"))
        def start(event, ctx):
            return ("transition", EVIL, {{"text": EVIL}})

        @flow.defstate(EVIL)
        def said(event, ctx):
            raise ValueError(EVIL)
        """)
    )
    page = opened(bot)
    page.say("/start")
    page.say(evil)
    page.all("state").first.click()
    page.all("timeline-dot").last.hover()
    for name in ("chat", "stored", "step", "card", "button", "state"):
        assert "<img src=x" in page.one(name).text_content(), name
    found = page.page.evaluate(
        "() => [document.querySelectorAll('img[src=x]').length, document.title.includes('owned'), document.scripts.length]"
    )
    assert found == [0, False, 1]
