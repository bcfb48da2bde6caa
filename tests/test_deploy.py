"""What the deploy pages give to systemd, Docker and a proxy: commands that exist, in files that can be read."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from fsmkit.cli.commands import main

HOW_TO = Path(__file__).parent.parent / "docs" / "how-to"
POLLING = (HOW_TO / "deploy-with-polling.md").read_text()
PROXY = (HOW_TO / "deploy-behind-a-proxy.md").read_text()


def blocks(language, page):
    return re.findall(rf"(?s)```{language}\n(.*?)```", page)


def commands():
    """Each command of the pages that starts a bot, in words."""
    for page in (POLLING, PROXY):
        for unit in blocks("ini", page):
            yield from (line.split()[1:] for line in re.findall(r"(?m)^ExecStart=(.*)$", unit))
        for shell in blocks("sh", page):
            yield from (line.split()[1:] for line in re.findall(r"(?m)^.*(fsmkit run .*)$", shell))
        for dockerfile in blocks("dockerfile", page):
            yield from (json.loads(line)[1:] for line in re.findall(r"(?m)^CMD (.*)$", dockerfile))
        for compose in blocks("yaml", page):
            for listed in re.findall(r"(?m)^    command:\n((?:      - .*\n)+)", compose):
                yield re.findall(r"- (.*)", listed)[1:]


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_a_command_of_the_pages_is_one_of_fsmkit(words):
    name, *rest = words
    command = main.get_command(click.Context(main), name)
    assert command.make_context(name, rest).params["store"] in (
        None,
        "sqlite:/var/lib/signup/signup.db",
        "sqlite:/data/signup.db",
    )


def test_no_command_is_left_out():
    assert len([*commands()]) == 5


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    if not (systemd := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd")
    unit = tmp_path / "signup.service"
    program = str(Path(shutil.which("true") or "/bin/true"))
    unit.write_text(blocks("ini", POLLING)[0].replace("/opt/signup/.venv/bin/fsmkit", program))
    found = subprocess.run([systemd, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, "")


def test_the_second_unit_is_the_first_one_with_a_webhook():
    [first], [second] = (
        re.findall(r"(?m)^ExecStart=(.*)$", "".join(blocks("ini", page))) for page in (POLLING, PROXY)
    )
    assert second == f"{first} --webhook https://bot.example.org/telegram"
