"""Every example in the README, the docs and the docstrings runs."""

import importlib
import pkgutil
import re
from doctest import ELLIPSIS
from pathlib import Path

import pytest
from click.testing import CliRunner
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

import fsmkit
from fsmkit.cli.commands import main

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
LINKED = [*PAGES, ROOT / "CHANGELOG.md"]
SKIPPED = ("fsmkit.__main__",)
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(fsmkit.__path__, "fsmkit.") if module.name not in SKIPPED
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom(page):
    for example in Sybil(parsers=[PythonCodeBlockParser()]).parse(page).examples():
        example.evaluate()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name):
    module = importlib.import_module(name)
    sybil = Sybil(parsers=[DocTestParser(optionflags=ELLIPSIS)], document_types={".py": _docstrings()})
    document = sybil.parse(Path(module.__file__ or ""))
    document.namespace.update({key: value for key, value in vars(module).items() if not key.startswith("__")})
    for example in document.examples():
        example.evaluate()


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    assert [link for link in links if "://" not in link and not leads_somewhere(page, link)] == []


def test_every_page_is_in_the_index_and_no_page_twice():
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")]
    counts = {page: index.count(f"]({page})") for page in pages if page != "README.md"}
    assert counts == dict.fromkeys(counts, 1)


def leads_somewhere(page, link):
    """Whether the file is there, and in it the heading after the `#`."""
    path, _, anchor = link.partition("#")
    goal = (page.parent / path) if path else page
    return goal.exists() and (not anchor or anchor in anchors(goal))


def anchors(page):
    """The headings of a page as a link names them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_tutorial_says_what_the_commands_say(tmp_path, monkeypatch):
    text = (ROOT / "docs" / "tutorial" / "first-wizard.md").read_text()
    blocks = re.findall(r"^```(python|text)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    code, told = "", 0
    for language, block in blocks:
        if language == "python":
            code += ("\n\n" if code else "") + block
            continue
        Path("lunch.py").write_text(code)
        command = "chat" if block.startswith("> ") else "check"
        typed = "".join(f"{line}\n" for line in re.findall(r"^> (.*)$", block, flags=re.MULTILINE))
        said = CliRunner().invoke(main, [command, "lunch.py"], input=typed).stdout
        assert block in said
        told += 1
    assert told == 2


def test_the_mistake_of_the_readme_is_found_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = (ROOT / "examples" / "signup.py").read_text()
    Path("mistake.py").write_text(re.sub(r'"age", on=text\(r".*"\)', r'"age", on=text(r"\\w{1,3}")', right))
    [told] = re.findall(r"^```text\n(mistake.*?)^coverage", README, flags=re.DOTALL | re.MULTILINE)
    assert told in CliRunner().invoke(main, ["test", "mistake.py"]).stdout


def _docstrings():
    from sybil.document import PythonDocStringDocument

    return PythonDocStringDocument
