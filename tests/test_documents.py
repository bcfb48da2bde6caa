"""Every example in the README, the docs and the docstrings runs, and the flows on each page are right.

What a page shows in Python is one file, as a reader would write it, from top to bottom. Comments of the page, which
readers do not see, stand above a block that is different:

- `<!-- fsmkit: another file -->`: it is a file of its own, with the imports of the blocks above;
- `<!-- fsmkit: finds CODE CODE -->`: it shows a mistake; exactly these findings are expected of its file.

A page of mistakes has one file and many additions to it (```py), each below `<!-- fsmkit: mistake COMMAND -->`, and
what the command says to the file with that addition alone (```text).
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import subprocess
import sys
from doctest import ELLIPSIS
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
from click.testing import CliRunner
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

import fsmkit
from fsmkit.cli.commands import main
from fsmkit.cli.test import Outputs, check_file
from fsmkit.cli.test import test_file as search_file
from fsmkit.testing.report import PROFILES, Profile

ROOT = Path(__file__).parent.parent
TUTORIAL = ROOT / "docs" / "tutorial" / "first-wizard.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ONE_FILE = [
    page for page in PAGES if page != TUTORIAL
]  # whose blocks are one file; the tutorial has its reader
README = (ROOT / "README.md").read_text()
LINKED = [*PAGES, ROOT / "CHANGELOG.md"]
SKIPPED = ("fsmkit.__main__",)
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(fsmkit.__path__, "fsmkit.") if module.name not in SKIPPED
)


SHORT = Profile(steps=120, examples=2, length=8, seconds=2.0, overlaps=1)


@pytest.fixture
def short_searches(monkeypatch):
    """What an example searches for is near; it is the test of each kind of search that searches long."""
    monkeypatch.setitem(PROFILES, "dev", attrs.evolve(SHORT, seconds=10.0))


@pytest.mark.parametrize("page", ONE_FILE, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_runs_from_top_to_bottom(page, short_searches):
    document = Sybil(parsers=[PythonCodeBlockParser()]).parse(page)
    for example in document.examples():
        example.evaluate()
    for name, value in [*document.namespace.items()]:
        if name.startswith("test_") and inspect.isfunction(value):
            value()


BLOCK = re.compile(r"^(?:<!-- fsmkit: ([^\n]*) -->\n)?```python\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)


@attrs.frozen
class Snippet:
    """A file that a page shows, and the codes of what is to be found in it."""

    code: str
    codes: frozenset[str]


def snippets(text):
    """The files that a page shows."""
    files, code, codes = [], "", set()
    for remark, block in BLOCK.findall(text):
        what, _, rest = remark.partition(" ")
        assert what in ("", "another", "finds"), remark
        if what == "another":
            files.append(Snippet(imports_of(code) + block, frozenset()))
            continue
        if what == "finds":
            codes |= {*rest.split()}
        code += block + "\n"
    return [Snippet(code, frozenset(codes)), *files]


def test_a_block_of_its_own_has_the_imports_above_and_a_mistake_is_named():
    text = "```python\nimport attrs\nx = 1\n```\n<!-- fsmkit: another file -->\n```python\ny = 2\n```\n"
    text += "<!-- fsmkit: finds raised no-end -->\n```python\nz = 3\n```\n"
    whole, own = snippets(text)
    assert whole == Snippet("import attrs\nx = 1\n\nz = 3\n\n", frozenset({"raised", "no-end"}))
    assert own == Snippet("import attrs\ny = 2\n", frozenset())


def test_a_mistake_on_a_page_would_be_found(tmp_path):
    [snippet] = snippets(README.replace("evolve(name=", "evolve(nmae="))
    assert found_in(snippet.code, tmp_path, SHORT).keys() == {"raised", "unknown-field"}


def imports_of(code):
    statements = [each for each in ast.parse(code).body if isinstance(each, ast.Import | ast.ImportFrom)]
    return "".join(f"{ast.unparse(each)}\n" for each in statements)


def found_in(code, folder, profile):
    """What `fsmkit check` and `fsmkit test` find wrong in a file, by code; notes apart."""
    path, report = folder / "bot.py", folder / "report.json"
    path.write_text(code)
    checked = check_file(str(path))
    tested = search_file(
        str(path),
        profile=profile,
        seed=1,
        outputs=Outputs(json=str(report)),
        fail_under={},
        severity={"unreached": "off"},  # these searches are short
        replay=None,
        deploys=(),
        resources=None,
        mutate=False,
        stores=(),
    )
    findings = json.loads(report.read_text())["findings"]
    wrong = {finding["code"]: finding["message"] for finding in findings if not finding["note"]}
    assert tested == (not wrong)
    assert checked or wrong, "what `check` finds, `test` finds too"
    return wrong


def files_with_flows():
    for page in ONE_FILE:
        for number, snippet in enumerate(snippets(page.read_text()), 1):
            if re.search(r"^\w+ = Flow\(", snippet.code, flags=re.MULTILINE):
                yield pytest.param(snippet, id=f"{page.relative_to(ROOT)}:{number}")


@pytest.mark.parametrize("snippet", [*files_with_flows()])
def test_the_flows_of_a_page_pass_check_and_test(snippet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert found_in(snippet.code, tmp_path, SHORT).keys() == snippet.codes


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_texts_of_fluent_are_found_as_the_page_says(tmp_path, monkeypatch):
    pytest.importorskip("fluent.runtime")
    page = (ROOT / "docs" / "how-to" / "languages.md").read_text()
    [catalogue], [code] = (
        re.findall(r"(?s)```text\n# \S+\n(.*?)```", page),
        re.findall(r"(?s)```py\n(.*?)```", page),
    )
    monkeypatch.chdir(tmp_path)
    for language, text in (("pl", catalogue), ("en", "wake-in = In { $hours } hours.\n")):
        folder = tmp_path / "locales" / language
        folder.mkdir(parents=True)
        (folder / "bot.ftl").write_text(text)
    names = {}
    exec(code, names)
    # It leaves files open, hence the marks above.
    said = [names["say"](SimpleNamespace(lang=lang), "wake-in", hours=3) for lang in ("pl", "en-gb", None)]
    assert [each.translate({0x2068: None, 0x2069: None}) for each in said] == [
        "Za 3 godziny.",
        *["In 3 hours."] * 2,
    ]


MISTAKES = ROOT / "docs" / "how-to" / "common-mistakes.md"
MISTAKE = re.compile(
    r"^<!-- fsmkit: mistake (\w+) -->\n```py\n(.*?)^```\n\n```text\n(.*?)^```", flags=re.DOTALL | re.MULTILINE
)
TYPED = {"chat": "/start\nAnn\n"}


@pytest.mark.parametrize(("command", "code", "said"), MISTAKE.findall(MISTAKES.read_text()))
def test_a_mistake_is_answered_as_the_page_says(command, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOT_TOKEN", raising=False)
    [whole] = snippets(MISTAKES.read_text())
    Path("bot.py").write_text(f"{whole.code.rstrip()}\n\n\n{code}")
    assert said in CliRunner().invoke(main, [command, "bot.py"], input=TYPED.get(command)).output


def test_no_mistake_of_the_page_is_left_out():
    text = MISTAKES.read_text()
    assert len(MISTAKE.findall(text)) == text.count("```py\n") == text.count("```text\n") > 20


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(name, short_searches):
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


STEP = re.compile(
    r"^(?:<!-- fsmkit: into (\S+) -->\n)?```(python|sh|text)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE
)


class Reader:
    """Somebody who follows a page: writes its files as it says, and types its commands."""

    def __init__(self):
        self.said = ""
        self.done = []

    def write(self, name, block):
        """Add what a block declares to a file, in place of what has the same name, with what stands above that."""
        path = Path(name)
        if not path.exists():
            path.write_text(block)
            return
        new = []
        for part, source in parts_of(block).items():
            text = path.read_text()
            known = parts_of(text)
            if isinstance(ast.parse(source).body[0], ast.Import | ast.ImportFrom):
                path.write_text(text.replace(whole := next(iter(known.values())), f"{whole}{source}", 1))
            elif part in known:
                path.write_text(text.replace(known[part], "\n\n".join([*new, source]), 1))
                new = []
            else:
                new.append(source)
        path.write_text("\n\n".join([path.read_text(), *new]))

    def type(self, command, answer):
        """Run a command; what it asks is answered as the transcript shows."""
        program, *words = command.removeprefix(".venv/bin/").split()
        self.done.append(program if program == "pytest" else words[0])
        if program == "pytest":
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
            self.said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        else:
            typed = "".join(f"{line}\n" for line in re.findall(r"^> (.*)$", answer, flags=re.MULTILINE))
            self.said = CliRunner().invoke(main, words, input=typed).stdout


def parts_of(source):
    """The statements of a file, by what they declare: an import, a function, a class, a state, a variable."""
    tree, found = ast.parse(source), {}
    for statement in tree.body:
        start = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
        lines = source.splitlines()[start - 1 : statement.end_lineno]
        found[name_of(statement)] = "\n".join(lines) + "\n"
    return found


def name_of(statement):
    match statement:
        case ast.FunctionDef() | ast.ClassDef():
            return statement.name
        case ast.Expr(
            value=ast.Call(func=function, args=[*_, ast.Constant(value=name)] | [ast.Constant(value=name)])
        ):
            return f"{ast.unparse(function)} {name}"
        case ast.If():
            return "__main__"
        case _:
            return ast.unparse(statement)


def test_a_reader_who_follows_the_tutorial_sees_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    steps, reader = STEP.findall(TUTORIAL.read_text()), Reader()
    for (name, language, block), (_, _, answer) in zip(steps, [*steps[1:], ("", "", "")], strict=True):
        if language == "python":
            reader.write(name, block)
        elif language == "text":
            assert block.strip() in reader.said
        elif "fsmkit" in block or "pytest" in block:
            reader.type(block.strip(), answer)
    assert reader.done == ["chat", "check", "chat", "test", "pytest", "chat", "graph"]
    assert found_in(Path("lunch.py").read_text(), tmp_path, SHORT) == {}


def test_the_mistake_of_the_readme_is_found_as_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    right = (ROOT / "examples" / "signup.py").read_text()
    Path("mistake.py").write_text(re.sub(r'"age", on=text\(r".*"\)', r'"age", on=text(r"\\w{1,3}")', right))
    [told] = re.findall(r"^```text\n(mistake.*?)^coverage", README, flags=re.DOTALL | re.MULTILINE)
    assert told in CliRunner().invoke(main, ["test", "mistake.py"]).stdout


def _docstrings():
    from sybil.document import PythonDocStringDocument

    return PythonDocStringDocument
