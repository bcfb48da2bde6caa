"""`fsmkit run`: a file's flows on Telegram, as `fsmkit.telegram.run` does it for the file itself."""

from pathlib import Path

from fsmkit.cli.errors import CommandError
from fsmkit.telegram.run import CannotRunError, WebhookPlace, serve
from fsmkit.testing.loading import load, split_target


def run(
    target: str, url: str | None = None, *, command_menu: bool = False, webhook: WebhookPlace | None = None
) -> None:
    """Take updates until SIGINT or SIGTERM.

    Args:
        target: `FILE[:FLOW]`.
        url: Where conversations are kept; by default in a SQLite file in the working directory.
        command_menu: Whether Telegram's command menu is set.
        webhook: Where Telegram posts updates; by default they are fetched.

    Raises:
        CommandError: If the flows cannot be loaded, there is no token, or Telegram does not take it.
    """
    loaded = load(target)
    default, instead = default_store(target), f", or try `fsmkit chat {target}`, which needs none"
    try:
        serve(
            *loaded.flows,
            store=url,
            sources=loaded.sources,
            default=default,
            elsewhere="--store URL",
            instead=instead,
            command_menu=command_menu,
            webhook=webhook,
        )
    except CannotRunError as error:
        raise CommandError(str(error)) from error


def default_store(target: str) -> str:
    """Return the URL of the SQLite file of a bot: named after its file, in the working directory.

    Example:
        >>> default_store("bots/signup.py:signup"), default_store("package.module")
        ('sqlite:signup.db', 'sqlite:module.db')
    """
    name, _ = split_target(target)
    path = Path(name)
    stem = path.stem if path.suffix == ".py" or path.exists() else name.rpartition(".")[2]
    return f"sqlite:{stem}.db"
