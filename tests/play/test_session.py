"""A session without a page: the tree of steps, going back, and what is written down of it."""

import gc
import time
from pathlib import Path
from textwrap import dedent

import httpx
import pytest

from fsmkit.play import session as session_module
from fsmkit.play.session import NotDone
from fsmkit.play.steps import EVERY, KEPT

EXAMPLES = Path(__file__).parents[2] / "examples"
SIGNUP = EXAMPLES / "signup.py"

COUNTING = """
from fsmkit import Flow
from fsmkit.telegram import command

seen = []
flow = Flow("count", ttl=600)
flow.state("open", prompt="Say something.")

@flow.defstate(None, on=command("start"))
def start(event, ctx):
    return ("transition", "open")

@flow.defstate("open")
def said(event, ctx):
    seen.append(event.text)
    ctx.reply(f"{len(seen)}: {' '.join(seen)}")
"""


def written(tmp_path, text, name="bot.py"):
    path = tmp_path / name
    path.write_text(dedent(text))
    return path


def test_a_step_without_a_checkpoint_is_reached_by_carrying_the_steps_after_the_nearest_out_again(serve):
    played = serve(SIGNUP)
    played.say("/start")
    for number in range(70):
        played.say("Ann" if number == 0 else f"{number} years")
    steps = played.session.tree.all
    assert sum(step.saved is not None for step in steps) <= KEPT + len(steps) // EVERY
    assert steps[17].saved is None
    before = {name: steps[17].shown[name] for name in ("shown", "stored", "at")}
    played.do(do="go", step=17)
    assert played.session.current is steps[17]
    assert {name: played.now[name] for name in before} == before
    played.say("44")
    assert played.now["shown"][0] == "Ann, aged 44. Is that right?"
    played.do(do="go", step=70)
    assert played.now["standing"] == {"1@": [["signup", "age"]]}


def test_what_flows_remember_beside_the_store_is_gone_when_one_goes_back(serve, tmp_path):
    played = serve(written(tmp_path, COUNTING))
    assert played.session.bot.remembers
    for text in ("/start", "a", "b", "c"):
        played.say(text)
    assert played.now["shown"] == ["3: a b c"]
    played.do(do="go", step=2)
    played.say("x")
    assert played.now["shown"] == ["2: a x"]
    played.do(do="go", step=4)
    played.say("d")
    assert played.now["shown"] == ["4: a b c d"]


def test_a_branch_knows_nothing_of_the_other(serve):
    played = serve(SIGNUP)
    for text in ("/start", "Ann", "31"):
        played.say(text)
    played.do(do="go", step=1)
    played.say("Bob")
    played.do(do="act", action={"do": "wait", "seconds": 60})
    assert played.now["at"] == 1_800_000_060
    played.do(do="go", step=3)
    assert played.now["at"] == 1_800_000_000
    played.do(do="act", action={"do": "press", "button": "Yes"})
    assert played.now["shown"] == ["Welcome, Ann!"]


def test_what_cannot_be_done_says_why_and_adds_no_step(serve):
    played = serve(SIGNUP)
    for command, why in (
        ({"do": "act", "action": {"do": "press", "button": "Yes"}}, "no button 'Yes' is on the screen"),
        ({"do": "act", "action": {"do": "fly"}}, "is not an action"),
        ({"do": "act", "action": "say"}, "a JSON object"),
        ({"do": "act", "action": {"do": "say", "text": "x"}, "user": -1}, "a number from 1"),
        ({"do": "act", "action": {"do": "say", "text": " "}}, "no text of blanks"),
        ({"do": "act", "action": {"do": "deadline"}}, "nothing is due"),
        ({"do": "press", "message": 9, "button": 0}, "not there any more"),
        ({"do": "go", "step": 99}, "no step 99"),
        ({"do": "source", "place": "/etc/passwd:1"}, "no handler stands there"),
        ({"do": "file", "file": "../../etc/passwd"}, "no such picture"),
        ({"do": "reach", "flow": "signup", "state": "nowhere"}, "no conversation that leads to"),
        ({"do": "nothing"}, "no command 'nothing'"),
    ):
        with pytest.raises(NotDone, match=why):
            played.do(**command)
    assert len(played.session.tree.all) == 1


def test_a_handler_that_never_comes_back_is_killed_and_the_bot_goes_on(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "PATIENCE", 0.2)
    bot = """
    import asyncio
    from fsmkit import Flow

    flow = Flow("stuck", ttl=600)

    @flow.defstate(None)
    async def said(event, ctx):
        if event.text == "hang":
            await asyncio.Event().wait()
        ctx.reply("fine")
    """
    played = serve(written(tmp_path, bot))
    with pytest.raises(NotDone, match="has not come back"):
        played.say("hang")
    played.say("well?")
    assert played.now["shown"] == ["fine"]


@pytest.mark.parametrize("name", ["signup", "order", "shop", "registration"])
def test_the_test_that_is_written_down_passes(name, serve):
    played = serve(EXAMPLES / f"{name}.py")
    played.do(do="person")
    for command in CONVERSATIONS[name]:
        played.do(**command)
    assert_passes(played.do(do="export")["text"])


def said(*texts, **more):
    return [{"do": "act", "action": {"do": "say", "text": text}, **more} for text in texts]


def done(what, /, **fields):
    return {"do": "act", "action": {"do": what, **fields}}


CONVERSATIONS = {
    "signup": [
        *said("/start", "Ann"),
        *said("/start", user=2, place=-100),
        done("duplicate"),
        done("restart"),
        *said("Bob", user=2, place=-100),
        {**done("say", text="31"), "mishap": {"at": "store", "nth": 2}},
        done("wait", seconds=600),
        done("press", button="Change name"),
        {**done("say", text="Eve"), "mishap": {"at": "refused", "nth": 1, "wait": 30}},
        done("set-data", flow="signup", data={"name": "Ada", "age": 36}),
        done("deadline"),
    ],
    "order": [
        *said("/order"),
        done("press", button="Tea, 3 €"),
        done("press", button="Check out"),
        *said("Main St 1", "/back", "Main St 2", "Vienna"),
        done("content", kind="photo", caption="?"),
        done("edit", text="Graz"),
    ],
    "shop": [
        *said("/start"),
        done("press", button="Pay"),
        done("gesture", kind="message_reaction", what="\N{THUMBS UP SIGN}"),
    ],
    "registration": said("/start", "x", "/cancel"),
}


def assert_passes(text):
    module = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), module)
    module["test_played"]()
    gc.collect()  # its bot ends here, where no loop runs


def test_a_conversation_that_fails_is_written_down_as_one_that_raises(serve, tmp_path):
    bot = """
    import attrs
    from fsmkit import Flow

    @attrs.frozen
    class Paid:
        amount: int

    flow = Flow("fails", ttl=600)

    @flow.defstate(None)
    def said(event, ctx):
        raise ValueError(event.text)

    @flow.defstate(None, on=Paid)
    def paid(event, ctx):
        ctx.reply(f"paid {event.amount}")
    """
    played = serve(written(tmp_path, bot))
    played.say("no")
    event = {"class": _class_of(played), "data": {"amount": 29}}
    played.do(do="act", action={"do": "event", "event": event})
    text = played.do(do="export")["text"]
    assert "with pytest.raises(ValueError):" in text
    assert "paid 29" in text
    assert_passes(text)


def _class_of(played):
    heard = []
    forget = played.session.listen(heard.append)
    played.do(do="hello")
    forget()
    return heard[0]["bot"]["events"][0]["class"]


def test_a_bot_that_cannot_begin_says_why_and_leaves_nobody_waiting(serve, tmp_path):
    bot = """
    from pathlib import Path
    from fsmkit import Flow

    class Database:
        def __init__(self):
            raise OSError("no database")

    flow = Flow("fine", ttl=600)

    @flow.defstate(None)
    def said(event, ctx): ...
    """
    played = serve(written(tmp_path, bot), resources="Database")
    for _ in range(2):
        with pytest.raises(NotDone, match="OSError: no database"):
            played.say("hello")
    with httpx.stream("GET", f"{played.url}events") as stream:
        assert next(stream.iter_lines()) == 'data: {"type":"failed","text":"OSError: no database"}'


def test_only_what_has_changed_is_told_of_a_step(serve):
    played = serve(SIGNUP)
    for text in ("/start", "Ann", "31"):
        played.say(text)
    heard = []
    played.session.listen(heard.append)
    played.do(do="act", action={"do": "press", "button": "Yes"})
    [step] = heard
    assert step["type"] == "step"
    changed = {each["id"]: each["text"] for each in step["chats"]["1"]["new"]}
    assert changed == {7: "Welcome, Ann!"}


@pytest.mark.thorough
def test_the_three_hundredth_step_is_shown_as_fast_as_the_first(serve):
    played = serve(SIGNUP)
    played.say("/start")
    for number in range(300):
        played.say(f"text {number}")
    began = time.process_time()
    for number in range(20):
        played.say(f"more {number}")
    assert (time.process_time() - began) / 20 < 0.05
