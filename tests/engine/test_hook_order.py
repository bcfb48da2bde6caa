"""Which hooks run for each kind of step, in which order, and that one that raises changes nothing."""

import pytest
from bench import KEY, START, Bench, returns
from chat_events import Command, Word

from fsmkit import ANY, Flow, Returned, Timeout
from fsmkit.flow.messages import Address


def watched(ran, name, *states, **options):
    """A flow whose hooks and prompts note themselves in `ran`, as `-state`, `+state` and `?state`."""
    flow = Flow(name, **options)
    for state in states:
        flow.state(state, prompt=lambda ctx: ran.append(f"?{ctx.state}"))
    flow.on_enter()(lambda ctx: ran.append(f"+{ctx.state}"))
    flow.on_exit()(lambda ctx: ran.append(f"-{ctx.state}"))
    return flow


def world():
    ran = []
    one, two, sub = (
        watched(ran, "one", "a", "b", ttl=60),
        watched(ran, "two", "t"),
        watched(ran, "sub", "i", "j", ttl=60),
    )
    returns(one, None, on=Word("begin"))(("transition", "a"))
    for word, result in {
        "go": ("transition", "b"),
        "same": ("transition", "a"),
        "stay": ("stay", {"n": 1}),
        "back": ("back",),
        "call": ("call", sub),
        "cross": ("transition", two["t"]),
        "end": ("end",),
        "fail": ("error", "no"),
        "pass": ("pass",),
    }.items():
        returns(one, "a", "b", on=Word(word))(result)
    returns(one, ANY, on=Command("b"))(("transition", "b"))
    returns(one, ANY, on=Command("cancel"))(("end",))
    returns(sub, "i", on=Word("in"))(("transition", "j"))
    returns(sub, ANY, on=Word("return"))(("end",))
    return ran, one, two, sub


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["begin"], ["+a", "?a"]),
        (["begin", "go"], ["-a", "+b", "?b"]),
        (["begin", "same"], ["-a", "+a", "?a"]),
        (["begin", "stay"], []),
        (["begin", "fail"], []),
        (["begin", "pass"], []),
        (["begin", "go", "back"], ["-b", "+a", "?a"]),
        (["begin", "back"], ["?a"]),
        (["begin", "call"], ["+i", "?i"]),
        (["begin", "call", "in"], ["-i", "+j", "?j"]),
        (["begin", "call", "return"], ["-i", "?a"]),
        (["begin", "call", "/b"], ["-i", "-a", "+b", "?b"]),
        (["begin", "call", "/cancel"], ["-i", "-a"]),
        (["begin", "cross"], ["-a", "+t", "?t"]),
        (["begin", "end"], ["-a"]),
    ],
)
async def test_each_kind_of_step_runs_its_hooks_in_order(words, expected):
    ran, *flows = world()
    bench = Bench(*flows)
    for word in words:
        ran.clear()
        await bench.say(word)
    assert ran == expected


async def test_a_return_that_moves_on_leaves_the_callers_state_then():
    ran, one, two, sub = world()
    returns(one, "a", on=Returned)(("transition", "b"))
    bench = Bench(one, two, sub)
    for word in ("begin", "call"):
        await bench.say(word)
    ran.clear()
    await bench.say("return")
    assert ran == ["-i", "-a", "+b", "?b"]


async def test_a_timeout_that_nobody_handles_leaves_all_states_the_innermost_first():
    ran, *flows = world()
    bench = Bench(*flows)
    for word in ("begin", "call"):
        await bench.say(word)
    ran.clear()
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert ran == ["-i", "-a"]


async def test_what_is_said_at_a_quiet_end_follows_what_the_hooks_say():
    flow = Flow("f", ttl=60)
    flow.texts(expired="Too late.")
    flow.on_exit("a")(lambda ctx: ctx.reply(f"Left at {ctx.event.deadline - START:g}."))
    bench = Bench(flow)
    await bench.engine.set_state(flow, KEY, "a")
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert bench.texts == ["Left at 60.", "Too late."]


async def test_a_handled_timeout_runs_the_hooks_of_its_step():
    ran, one, *others = world()
    returns(one, ANY, on=Timeout)(("transition", "b"))
    bench = Bench(one, *others)
    for word in ("begin", "call"):
        await bench.say(word)
    ran.clear()
    bench.clock.advance(60)
    await bench.engine.sweep()
    assert ran == ["-i", "-a", "+b", "?b"]


async def test_who_is_not_there_any_more_leaves_all_conversations_and_nothing_is_sent():
    ran, one, two, sub = world()
    two.on_exit()(lambda ctx: ctx.reply("Nobody reads this."))

    bench = Bench(one, two, sub)
    await bench.engine.set_state(two, KEY, "t")
    for word in ("begin", "call"):
        await bench.say(word)
    ran.clear()
    await bench.engine._dispatcher.end_all(KEY)
    assert (ran, bench.sent, await bench.stored()) == (["-t", "-i", "-a"], [], None)


async def test_written_by_hand_no_hook_runs():
    ran, one, *others = world()
    bench = Bench(one, *others)
    await bench.engine.set_state(one, KEY, "a")
    await bench.engine.set_state(one, KEY, "b")
    await bench.engine.reset_state(one, KEY)
    assert ran == []


async def test_what_hooks_do_by_ctx_is_in_the_same_commit():
    _ran, one, two, sub = world()
    one.on_exit("a")(lambda ctx: ctx.at(two).set_data({"left": ctx.state}))
    one.on_enter("b")(lambda ctx: ctx.reply("Entered.") or ctx.send(ctx.key, "later", after=5))
    two.defstate(None, on=str)(lambda event, ctx: None)
    bench = Bench(one, two, sub)
    await bench.engine.set_state(one, KEY, "a")
    writes, write = [], bench.store.write
    bench.store.write = lambda *args: writes.append(args[0]) or write(*args)
    await bench.say("go")
    assert (len(writes), bench.texts) == (1, ["Entered."])
    assert await bench.engine.get_state(two, KEY) == (None, {"left": "a"})
    assert [mail.due for mail in (await bench.row()).later] == [START + 5]


HOOKS = {
    "exit": lambda flow, hook: flow.on_exit("a")(hook),
    "enter": lambda flow, hook: flow.on_enter("b")(hook),
    "prompt": lambda flow, hook: setattr(flow["b"], "prompt", hook),
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("where", HOOKS)
async def test_one_that_raises_changes_nothing(where, is_async):
    _ran, one, two, sub = world()
    started = []
    one["b"].job = lambda data: started.append(data)

    def hook(ctx):
        ctx.reply("never")
        ctx.at(two).set_data({"never": True})
        raise ValueError(where)

    async def slowly(ctx):
        hook(ctx)

    HOOKS[where](one, slowly if is_async else hook)
    one.defstate("a", on=Word("speak"))(lambda event, ctx: ctx.reply("never") or ("transition", "b"))
    bench = Bench(one, two, sub)
    await bench.say("begin")
    before = await bench.stored()
    bench.sent.clear()
    with pytest.raises(ValueError, match=where) as caught:
        await bench.say("speak", id=1)
    assert (await bench.stored(), bench.sent, started) == (before, [], [])
    assert "flow 'one', state 'a'" in caught.value.__notes__[0]


async def test_hooks_say_what_they_say_where_the_person_wrote():
    _ran, one, *others = world()
    one.on_exit("a")(lambda ctx: ctx.reply(f"Bye ({ctx.lang})."))
    bench = Bench(one, *others)
    await bench.say("begin")
    await bench.say("end", address=Address(33, user=7, lang="de"))
    assert [(effect.text, effect.to) for effect in bench.sent] == [
        ("Bye (de).", Address(33, user=7, lang="de"))
    ]
