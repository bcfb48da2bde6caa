"""Every example in the README, the docs and the docstrings runs."""

import importlib
import pkgutil
import re
from doctest import ELLIPSIS
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from sybil.parsers.rest import DocTestParser

import fsmkit

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    lost = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert lost == []


def _docstrings():
    from sybil.document import PythonDocStringDocument

    return PythonDocStringDocument
