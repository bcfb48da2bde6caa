"""Files of small bots, as text: `write` makes a file of one."""

ECHO = """
flow = Flow("echo")
flow.state("on", otherwise="Only text.")

@flow.defstate(None, "on")
def echo(event, ctx):
    ctx.reply(f"You said {event.text}.")
    return ("transition", "on")
"""

MENU = """
flow = Flow("menu")
flow.state("menu", prompt="What?", buttons=[["Tea", Button("Cake", "c")], [Button("More", url="https://example.org/")]])

@flow.defstate(None, ANY, on=command("start"))
def start(event, ctx):
    return ("transition", "menu")

@flow.defstate("menu", on=button())
def pressed(event, ctx):
    ctx.reply(f"Button {event.value}.")
    return ("stay",)

@flow.defstate("menu")
def said(event, ctx):
    ctx.reply(f"Text {event.text}.")
    return ("stay",)
"""
