"""The commands and their options; what each does stands in a module of its own, imported when it runs.

That keeps `fsmkit --help` fast, and a missing extra from breaking the commands that do without it.
"""

import click

from fsmkit import __version__

FLOW_FILE = click.argument("target", metavar="FILE[:FLOW]")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fsmkit")
def main() -> None:
    """Conversations for Telegram bots: talk to them, run them, draw them.

    FILE is a Python file, or a module such as package.module. All the flows at its top level are taken, or
    the one that is named after a colon.
    """


@main.command()
@FLOW_FILE
@click.option("--lang", default="en", metavar="CODE", help="The language code of the person who talks.")
def chat(target: str, lang: str) -> None:
    """Talk to a bot in the terminal, without a token.

    Reads standard input, so a script of lines can be piped in. :help lists what else can be typed.
    """
    from fsmkit.cli.chat.talk import talk

    talk(target, lang=lang)


@main.command()
@FLOW_FILE
def run(target: str) -> None:
    """Run a bot on Telegram until it gets SIGINT or SIGTERM.

    BOT_TOKEN has the token. BOT_API_BASE_URL and BOT_API_BASE_FILE_URL name another Bot API server, as in
    http://127.0.0.1:8081/bot and http://127.0.0.1:8081/file/bot.
    """
    from fsmkit.cli.running import run as run_bot

    run_bot(target)


@main.command()
@FLOW_FILE
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="What to print.",
)
def graph(target: str, form: str) -> None:
    """Print the graph of a bot's flows, for Mermaid or Graphviz."""
    from fsmkit.cli.drawing import draw

    click.echo(draw(target, form), nl=False)
