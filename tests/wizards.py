"""Flows of many states, made up: for how far and how fast the tours get."""

from fsmkit import ANY, Flow
from fsmkit.telegram import button, command, text


def wizard(steps):
    """One question after the other; `/back` goes back, `/cancel` ends it."""
    flow = Flow("wizard", data=dict)
    names = [f"step {n}" for n in range(1, steps + 1)]
    for name in names:
        flow.state(name, prompt=f"{name}?", otherwise="Once more, please.")

    @flow.defstate(None, on=command("start"), to=names[0])
    def start(event, ctx):
        return ("transition", names[0], {})

    for number, name in enumerate(names):
        _step(flow, names, number, name)

    @flow.defstate(*names, on=command("back"))
    def back(event, ctx):
        return ("back",)

    @flow.defstate(ANY, on=command("cancel"))
    def cancel(event, ctx):
        ctx.reply("Cancelled.")
        return ("end",)

    return flow


def _step(flow, names, number, name):
    last = number == len(names) - 1

    if last:

        @flow.defstate(name)
        def done(event, ctx):
            ctx.reply("Done.")
            return ("end",)

        return
    following = names[number + 1]

    @flow.defstate(name, to=following)
    def go_on(event, ctx):
        return ("transition", following, ctx.evolve(**{name: event.text}))


def maze(states, ways):
    """States in a ring, each with several buttons; the first goes on, the others lead all over the place."""
    flow = Flow("maze", data=dict, ttl=None)
    names = [f"room {n}" for n in range(states)]
    for name in names:
        flow.state(name, prompt=f"This is {name}.", buttons=[str(way) for way in range(ways - 1)])

    @flow.defstate(None, on=command("start"), to=names[0])
    def start(event, ctx):
        return ("transition", names[0], {})

    for number, name in enumerate(names):
        for way in range(ways - 1):
            goal = names[(number + 1 + way * 17) % states]
            _door(flow, name, str(way), goal)

        @flow.defstate(name, on=text("out"))
        def out(event, ctx):
            ctx.reply("Out.")
            return ("end",)

    return flow


def _door(flow, name, value, goal):
    @flow.defstate(name, on=button(value), to=goal)
    def door(event, ctx):
        return ("transition", goal)
