"""The commands and their options; what each does stands in a module of its own, imported when it runs.

That keeps `fsmkit --help` fast, and a missing extra from breaking the commands that do without it.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from fsmkit import __version__
from fsmkit.cli.echo import echo
from fsmkit.cli.errors import Commands
from fsmkit.cli.inspection.commands import BOT, bot_option, inspect_store
from fsmkit.cli.output import print_json

F = TypeVar("F", bound=Callable[..., Any])

FLOW_FILE = click.argument("target", metavar="FILE[:FLOW]")


_FOR_BOTS = (
    click.option(
        "--env",
        "env",
        multiple=True,
        metavar="NAME[=VALUE]",
        help="An environment variable for a bot without flows; credentials are hidden from it otherwise.",
    ),
    click.option(
        "--setup", metavar="FILE", help="Runs before a bot without flows, to fake the services that it calls."
    ),
    click.option(
        "--stub",
        "stubs",
        multiple=True,
        metavar="MODULE",
        help="Replaces a module by one that does nothing, for a bot without flows.",
    ),
    click.option(
        "--allow-net",
        "hosts",
        multiple=True,
        metavar="HOST",
        help="A host that a bot without flows may connect to.",
    ),
    click.option(
        "--user",
        "users",
        multiple=True,
        type=int,
        metavar="ID",
        help="Another user who talks to a bot without flows.",
    ),
    click.option(
        "--chat",
        "chat",
        type=int,
        metavar="ID",
        help="The group in which people talk to a bot without flows.",
    ),
)


def for_bots(command: F) -> F:
    """Give a command the options for a bot without flows."""
    for option in reversed(_FOR_BOTS):
        command = option(command)
    return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fsmkit")
def main() -> None:
    """Conversations for Telegram bots: talk to them, run them, draw them.

    FILE is a Python file, or a module such as package.module. A command uses all flows at its top level, or
    the one named after a colon.
    """


@main.command()
@FLOW_FILE
@click.option("--lang", default="en", metavar="CODE", help="The language code of the person.")
@click.option(
    "--store", default="memory:", show_default=True, metavar="URL", help="Where conversations are stored."
)
@click.option(
    "--replay",
    metavar="JSON[:N]",
    help="Replays the first (or N-th) conversation of a report of `fsmkit test --json`; go on from there.",
)
def chat(target: str, lang: str, store: str, replay: str | None) -> None:
    """Talk to a bot in the terminal, without a token.

    Reads standard input, so a script of lines can be piped in. :help lists the commands.
    """
    from fsmkit.cli.chat.terminal import talk

    talk(target, lang=lang, url=store, replay=replay)


@main.command(short_help="Play a bot in the browser.")
@FLOW_FILE
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where the page is served.  [default: a free port]",
)
@click.option("--no-open", "quiet", is_flag=True, help="Only prints the page's address.")
@click.option(
    "--replay",
    metavar="JSON[:N]",
    help="Replays the first (or N-th) conversation of a report of `fsmkit test --json`; go on from there.",
)
@click.option("--resources", metavar="NAME", help="A class or function of FILE that makes ctx.resources.")
@click.option("--lang", default="en", metavar="CODE", help="The language code of the people who talk.")
@for_bots
def play(
    target: str,
    port: int,
    quiet: bool,
    replay: str | None,
    resources: str | None,
    lang: str,
    env: tuple[str, ...],
    setup: str | None,
    stubs: tuple[str, ...],
    hosts: tuple[str, ...],
    users: tuple[int, ...],
    chat: int | None,
) -> None:
    """Play a bot in the browser, without a token: chat, diagram, what is stored, a time line to go back on.

    The page is served on this machine only, at the address that is printed. When a file of the bot changes,
    the conversation is had again on the new version.

    A file of python-telegram-bot without flows is played as it is, in a copy and behind walls.
    """
    from fsmkit.cli.play import play as play_flows
    from fsmkit.cli.play import play_bot
    from fsmkit.cli.test_bot import BotOptions, is_plain_bot

    if is_plain_bot(target):
        play_bot(target, BotOptions(env, setup, stubs, hosts, users, chat), port=port, opens=not quiet)
        return
    play_flows(target, port=port, opens=not quiet, replay=replay, resources=resources, lang=lang)


@main.command(short_help="Run a bot on Telegram.")
@FLOW_FILE
@click.option(
    "--store",
    metavar="URL",
    help="Where conversations are stored: sqlite:FILE, redis://…, postgresql://…, mongodb://… or memory:.  "
    "[default: sqlite:NAME.db in the working directory, with the name of FILE]",
)
@click.option(
    "--command-menu", is_flag=True, help="Sets Telegram's command menu from the descriptions of the commands."
)
@click.option("--webhook", metavar="URL", help="Telegram sends updates to this URL, that of a reverse proxy.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port on which the webhook listens.  [default: 8443]"
)
@click.option("--host", metavar="ADDRESS", help="Address on which the webhook listens.  [default: 127.0.0.1]")
def run(
    target: str,
    store: str | None,
    command_menu: bool,
    webhook: str | None,
    port: int | None,
    host: str | None,
) -> None:
    """Run a bot on Telegram until it gets SIGINT or SIGTERM.

    Set BOT_TOKEN to the bot's token. BOT_API_BASE_URL and BOT_API_BASE_FILE_URL name another Bot API server,
    for example http://127.0.0.1:8081/bot and http://127.0.0.1:8081/file/bot. WEBHOOK_SECRET is the secret
    that Telegram sends with each update to the webhook; by default each start makes a new one.
    """
    from fsmkit.cli.run import run as run_bot
    from fsmkit.telegram.run import WebhookPlace

    if webhook is None and (port is not None or host is not None):
        raise click.UsageError("--port and --host belong to --webhook URL.")
    place = None if webhook is None else WebhookPlace(webhook, port, host)
    run_bot(target, store, command_menu=command_menu, webhook=place)


@main.command(short_help="Draw a bot's flows.")
@FLOW_FILE
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot", "svg", "png"]),
    help="The format.  [default: by the name of --out, else mermaid]",
)
@click.option("--out", metavar="FILE", help="Writes to a file instead of printing.")
@click.option(
    "--store", metavar="URL", help="Shows beside each state how many conversations of this store are in it."
)
def graph(target: str, form: str | None, out: str | None, store: str | None) -> None:
    """Draw a bot's flows as Mermaid, Graphviz (DOT), SVG or PNG.

    SVG and PNG need the extra `diagrams`.
    """
    from fsmkit.cli.graph import draw

    drawn = draw(target, form, out, store)
    if drawn is not None:
        echo(drawn, nl=False)


@main.command(short_help="Find mistakes in the declarations of a bot's flows.")
@FLOW_FILE
@click.pass_context
def check(ctx: click.Context, target: str) -> None:
    """Find mistakes in the declarations of a bot's flows, without running them.

    The exit status is 1 if there are any. Notes do not count.
    """
    from fsmkit.cli.test import check_file

    ctx.exit(0 if check_file(target) else 1)


@main.command(short_help="Test a bot's flows, without test code.")
@FLOW_FILE
@click.option(
    "--profile",
    type=click.Choice(["dev", "ci", "thorough"]),
    default="dev",
    show_default=True,
    help="How long to search: seconds, up to a minute, up to an hour.",
)
@click.option("--seed", type=int, metavar="N", help="Repeats the random phase of an earlier run.")
@click.option("--json", "out", metavar="OUT", help="Writes the report as JSON; - is standard output.")
@click.option(
    "--graph", metavar="OUT", help="Draws what the tests reached: *.md, *.mmd, *.dot, *.svg, *.png."
)
@click.option("--fail-under", metavar="edges=100,pairs=80", help="Fails if less is covered, in percent.")
@click.option(
    "--severity",
    multiple=True,
    metavar="CODE=note",
    help="What findings of a code are: failure, note or off.  May be given several times.",
)
@click.option("--resources", metavar="NAME", help="A class or function in FILE that makes ctx.resources.")
@click.option("--replay", metavar="JSON", help="Runs only the conversations of an earlier report.")
@click.option(
    "--recorded", metavar="FILE", help="Runs only the conversations that a running bot has recorded."
)
@click.option(
    "--deploy",
    "deploys",
    multiple=True,
    metavar="FILE",
    help="A later version of FILE, with which conversations go on.  May be repeated.",
)
@click.option("--store", metavar="URL", help="Tries the flows on a copy of the conversations in this store.")
@BOT
@click.option(
    "--also-in",
    "stores",
    multiple=True,
    metavar="URL",
    help="Runs the conversation to each edge in this store too; sqlite: is a temporary file.",
)
@click.option(
    "--mutate", is_flag=True, help="Also breaks the flows on purpose, and reports what no test notices."
)
@click.option(
    "--moved",
    is_flag=True,
    help="Holds a bot without flows against the flows that move() makes of its ConversationHandlers.",
)
@for_bots
@click.pass_context
def test(
    ctx: click.Context,
    target: str,
    profile: str,
    seed: int | None,
    out: str | None,
    graph: str | None,
    fail_under: str | None,
    severity: tuple[str, ...],
    resources: str | None,
    replay: str | None,
    recorded: str | None,
    deploys: tuple[str, ...],
    store: str | None,
    bot: int | str | None,
    stores: tuple[str, ...],
    mutate: bool,
    env: tuple[str, ...],
    setup: str | None,
    stubs: tuple[str, ...],
    hosts: tuple[str, ...],
    users: tuple[int, ...],
    chat: int | None,
    moved: bool,
) -> None:
    """Test a bot's flows without test code, with thousands of conversations that are generated from them.

    A python-telegram-bot file without flows is tested as it is, in a copy that reaches no network.

    The exit status is 1 if something was found, or if less was covered or noticed than required.
    """
    from fsmkit.cli.test import (
        Outputs,
        read_fail_under,
        read_severity,
        test_file,
        test_recorded,
        test_store,
    )
    from fsmkit.cli.test_bot import BotOptions, is_plain_bot, test_bot

    for_flows = {
        "--graph": graph,
        "--fail-under": fail_under,
        "--severity": severity,
        "--resources": resources,
        "--recorded": recorded,
        "--deploy": deploys,
        "--store": store,
        "--bot": bot,
        "--also-in": stores,
        "--mutate": mutate,
    }
    for_bots = {
        "--env": env,
        "--setup": setup,
        "--stub": stubs,
        "--allow-net": hosts,
        "--user": users,
        "--chat": chat,
        "--moved": moved,
    }
    plain = is_plain_bot(target)
    for name, given in (for_flows if plain else for_bots).items():
        if given:
            raise click.UsageError(f"{name} is for {'flows' if plain else 'bots without flows'}: {target}.")
    if plain:
        options = BotOptions(env, setup, stubs, hosts, users, chat)
        done = test_bot(target, options, profile=profile, seed=seed, out=out, replay=replay, moved=moved)
        ctx.exit(0 if done else 1)
    if recorded is not None:
        ctx.exit(0 if test_recorded(target, recorded, out=out) else 1)
    if store is not None:
        ctx.exit(0 if test_store(target, store, bot=bot, profile=profile, out=out) else 1)
    outputs = Outputs(out, graph)
    wanted = read_fail_under(fail_under) if fail_under else {}
    done = test_file(
        target,
        profile=profile,
        seed=seed,
        outputs=outputs,
        fail_under=wanted,
        severity=read_severity(severity),
        replay=replay,
        deploys=deploys,
        resources=resources,
        mutate=mutate,
        stores=stores,
    )
    ctx.exit(0 if done else 1)


main.add_command(inspect_store)


@main.command(short_help="Convert stored conversations to the present flows.")
@click.argument("store", metavar="STORE")
@FLOW_FILE
@click.option("--dry-run", is_flag=True, help="Report only; write nothing.")
@BOT
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@click.pass_context
def migrate(
    ctx: click.Context, store: str, target: str, dry_run: bool, bot: int | str | None, json: bool
) -> None:
    """Convert the conversations of a store to the flows of FILE, and report those that do not fit.

    A bot does this by itself when it next reads a conversation; the command shows beforehand what will
    happen. The exit status is 1 if a conversation is orphaned, unreadable, or stored by a newer version.
    """
    from fsmkit.cli.migrate import as_json, as_lines
    from fsmkit.cli.migrate import migrate as carry_out

    done = carry_out(store, target, bot=bot, dry_run=dry_run)
    if json:
        print_json(as_json(done))
    else:
        echo("\n".join(as_lines(done)))
    ctx.exit(0 if done.clean else 1)


@main.command("import-persistence", short_help="Import conversations of PicklePersistence.")
@click.argument("file", metavar="PERSISTENCE")
@FLOW_FILE
@click.option("--store", metavar="URL", help="The store to write to.  [default: that of `fsmkit run`]")
@click.option("--dry-run", is_flag=True, help="Report only; write nothing.")
@bot_option("The bot's id, the number before the colon of its token.  [default: that of BOT_TOKEN]")
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@click.pass_context
def import_persistence(
    ctx: click.Context,
    file: str,
    target: str,
    store: str | None,
    dry_run: bool,
    bot: int | str | None,
    json: bool,
) -> None:
    """Import the conversations of PTB's PicklePersistence into a store.

    FILE has the flows, made by from_conversation_handler(...). PERSISTENCE is the file of
    PicklePersistence; it is read without running any code in it. The exit status is 1 if a conversation
    could not be imported.
    """
    from fsmkit.cli.import_persistence.converting import as_json, as_lines
    from fsmkit.cli.import_persistence.converting import import_persistence as carry_out

    report = carry_out(file, target, store, bot=bot, dry_run=dry_run)
    if json:
        print_json(as_json(report))
    else:
        echo("\n".join(as_lines(report)))
    ctx.exit(0 if report.clean else 1)
