"""The syntax of `fsmkit inspect`: `STORE` alone lists, `STORE show KEY` and the others look at one key."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fsmkit.cli.echo import echo
from fsmkit.cli.errors import NothingThere
from fsmkit.cli.output import print_json

T = TypeVar("T")


F = TypeVar("F", bound="Callable[..., Any] | click.Command")

_KEY = re.compile(r"-(\d+(:.*)?|:.*)", re.DOTALL)


class StoreFirst(click.Group):
    """A group whose argument stands before the command; without a command it lists."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the name of the command `list` where it was left out."""
        if args and not args[0].startswith("-") and args[1:2] != ["--help"] and args[1:2] != ["-h"]:
            named = len(args) > 1 and args[1] in self.commands
            args = args if named else [args[0], "list", *args[1:]]
        return super().parse_args(ctx, args)


class KeyCommand(click.Command):
    """A command whose first argument may be a key such as `-100:7:-:-:42`, which is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Guards the first such argument by a space, which is taken away again."""
        at = next((n for n, arg in enumerate(args) if _KEY.fullmatch(arg)), None)
        if at is not None:
            args = [*args[:at], f" {args[at]}", *args[at + 1 :]]
        return super().parse_args(ctx, args)


def _key(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    """Return a key from its text form."""
    from fsmkit.keys import Key

    return _parsed(Key.parse, value, ctx, param)


def _key_or_name(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    """Return a key, or the name of a dead letter, which has no colon in it."""
    return _key(ctx, param, value) if ":" in value else value


def _who(ctx: click.Context, param: click.Parameter, value: str) -> Any:
    """Return a key, or a user's id as it stands in keys."""
    from fsmkit.keys import Key

    if ":" in value:
        return _key(ctx, param, value)
    return _parsed(lambda text: Key.parse(f"{text}:{text}:-:-:-").user, value, ctx, param)


def _bot(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Return a bot's id as it stands in keys."""
    from fsmkit.keys import Key

    return (
        None if value is None else _parsed(lambda text: Key.parse(f"0:0:-:-:{text}").bot, value, ctx, param)
    )


def _duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return a duration such as `90s` or `2h`, in seconds."""
    from fsmkit.cli.chat.commands import parse_duration

    return None if value is None else _parsed(parse_duration, value, ctx, param)


def _parsed(parse: Callable[[str], T], value: str, ctx: click.Context, param: click.Parameter) -> T:
    try:
        return parse(value.strip())
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


KEY = click.argument("key", callback=_key, metavar="KEY")


def bot_option(text: str) -> Callable[[F], F]:
    """Return the option `--bot`, a bot's id as it stands in keys."""
    return click.option("--bot", callback=_bot, metavar="ID", help=text)


BOT = bot_option("Only conversations of this bot.")


REMEMBERED = click.option(
    "--dedupe-for",
    callback=_duration,
    default="25h",
    show_default=True,
    metavar="TIME",
    help="The dedupe_for of the bot's engine; needed to compute the time of the last event.",
)


@click.group(
    "inspect",
    cls=StoreFirst,
    subcommand_metavar="[COMMAND] [ARGS]...",
    short_help="Look at a store's conversations, and repair them.",
)
@click.argument("store", metavar="STORE")
@click.pass_context
def inspect_store(ctx: click.Context, store: str) -> None:
    """Look at the live conversations of a store, and repair them.

    STORE is a URL such as sqlite:bot.db. Without a command the conversations are listed; options of `list`
    may follow STORE directly. The bot may be running at the same time.
    """
    ctx.obj = store


@inspect_store.command("list")
@click.option("--flow", metavar="NAME", help="Only conversations in which this flow runs.")
@click.option("--state", metavar="NAME", help="Only conversations in this state.")
@click.option(
    "--older-than",
    callback=_duration,
    metavar="TIME",
    help="Only conversations without an event for this long.",
)
@click.option("--stuck", is_flag=True, help="Only conversations that need attention.")
@BOT
@REMEMBERED
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(store: str, /, dedupe_for: float, json: bool, older_than: float | None, **wanted: Any) -> None:
    """List live conversations by flow and state, the most overdue first."""
    from fsmkit.cli.inspection.listing import Wanted, as_json, as_text, live
    from fsmkit.cli.stores import use_store

    now = _now()
    which = Wanted(older=older_than, **wanted)
    found = use_store(store, lambda opened: live(opened, which, now, dedupe_for))
    if json:
        print_json(as_json(found, now))
        return
    for line in as_text(found, now):
        echo(line)


@inspect_store.command(cls=KeyCommand)
@click.argument("key", callback=_key_or_name, metavar="KEY")
@REMEMBERED
@bot_option("The bot of the dead letter, if KEY is the name of one.")
@click.pass_obj
def show(store: str, /, key: Any, dedupe_for: float, bot: int | str | None) -> None:
    """Show all that is stored for a key, or the dead letter of a name, as JSON."""
    from fsmkit.cli.inspection.dead import shown
    from fsmkit.cli.inspection.listing import stored_row
    from fsmkit.cli.stores import use_store

    if isinstance(key, str):
        try:
            print_json(use_store(store, lambda opened: shown(opened, key, bot)))
        except NothingThere as error:
            said = f"no key: {key!r}, and no dead letter of that name"
            raise click.BadParameter(said, param_hint="'KEY'") from error
    else:
        print_json(use_store(store, lambda opened: stored_row(opened, key, _now(), dedupe_for)))


@inspect_store.command()
@bot_option("Only dead letters of this bot.")
@click.option("--json", "json", is_flag=True, help="Print JSON.")
@click.pass_obj
def dead(store: str, /, bot: int | str | None, json: bool) -> None:
    """List dead letters: updates that could not be read, and were set aside."""
    from fsmkit.cli.inspection.dead import as_json, as_text, dead_letters
    from fsmkit.cli.stores import use_store

    found = use_store(store, lambda opened: dead_letters(opened, bot))
    if json:
        print_json({"dead": [as_json(*letter) for letter in found]})
        return
    for line in as_text(found):
        echo(line)


@inspect_store.command()
@click.argument("name")
@bot_option("The bot, if several have a dead letter of that name.")
@click.pass_obj
def requeue(store: str, /, name: str, bot: int | str | None) -> None:
    """Put the dead letter NAME back into the inbox, for a bot that can read it now."""
    from fsmkit.cli.inspection.dead import requeue as put_back
    from fsmkit.cli.stores import use_store

    echo(use_store(store, lambda opened: put_back(opened, name, bot)))


@inspect_store.command()
@click.argument("name")
@bot_option("The bot, if several have a dead letter of that name.")
@click.pass_obj
def drop(store: str, /, name: str, bot: int | str | None) -> None:
    """Remove the dead letter NAME."""
    from fsmkit.cli.inspection.dead import drop as remove
    from fsmkit.cli.stores import use_store

    echo(use_store(store, lambda opened: remove(opened, name, bot)))


@inspect_store.command(cls=KeyCommand)
@KEY
@click.option("--flow", metavar="NAME", help="Only conversations that contain this flow.")
@click.pass_obj
def reset(store: str, /, key: Any, flow: str | None) -> None:
    """Drop the conversations and drafts of KEY; no handler runs, no message is sent."""
    from fsmkit.cli.inspection.repair import reset as drop
    from fsmkit.cli.stores import use_store

    echo(use_store(store, lambda opened: drop(opened, key, flow, _now())))


@inspect_store.command(cls=KeyCommand)
@KEY
@click.argument("state")
@click.option("--file", "target", required=True, metavar="FILE[:FLOW]", help="Where the flows are declared.")
@click.option("--flow", metavar="NAME", help="Which flow; by default the one that runs.")
@click.pass_obj
def move(store: str, /, key: Any, state: str, target: str, flow: str | None) -> None:
    """Put a conversation of KEY into STATE; its data stay, no prompt is sent, no hook runs."""
    from fsmkit.cli.inspection.repair import flows_of
    from fsmkit.cli.inspection.repair import move as put
    from fsmkit.cli.stores import use_store

    flows = flows_of(target)
    echo(use_store(store, lambda opened: put(opened, key, state, flows, flow, _now())))


@inspect_store.command(cls=KeyCommand)
@click.argument("who", callback=_who, metavar="KEY_OR_USER")
@BOT
@click.pass_obj
def forget(store: str, /, who: Any, bot: int | str | None) -> None:
    """Remove all that is stored for a key, or for a user in all chats."""
    from fsmkit.cli.inspection.repair import forget as remove
    from fsmkit.cli.stores import use_store

    echo(use_store(store, lambda opened: remove(opened, who, bot)))


def _now() -> float:
    from fsmkit.clock import SystemClock

    return SystemClock().now()
