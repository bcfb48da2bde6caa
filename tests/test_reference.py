"""The reference names everything that users import, and every method of what they use most."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

import fsmkit
import fsmkit.testing
from fsmkit.testing.findings import CODES

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs" / "reference" / "api.md"
FAMILIES = ("fsmkit.stores", "fsmkit.sources", "fsmkit.testing", "fsmkit.telegram")
"""These have a section each, whatever module their names are in."""
WHOLE = (
    "fsmkit",
    "fsmkit.telegram",
    "fsmkit.telegram.widgets",
    "fsmkit.testing",
    "fsmkit.jobs",
    "fsmkit.sources",
)
PUBLIC = [
    *((module, name) for module in WHOLE for name in importlib.import_module(module).__all__),
    ("fsmkit.sources.webhook", "Webhook"),
    ("fsmkit.sources.redis_stream", "RedisStream"),
    ("fsmkit.sources.schedule", "Schedule"),
    ("fsmkit.stores.memory", "MemoryStore"),
    ("fsmkit.stores.sqlite", "SQLiteStore"),
    ("fsmkit.stores.redis", "RedisStore"),
    ("fsmkit.stores.postgres", "PostgresStore"),
    ("fsmkit.stores.mongo", "MongoStore"),
    ("fsmkit.stores.encrypted", "Encrypted"),
    ("fsmkit.stores", "open_store"),
]
"""Module and name of what users import."""


IMPORT = re.compile(r"^ *from (fsmkit[\w.]*) import (\([^)]*\)|.*)", re.MULTILINE)
USED = {
    (module, name)
    for pattern in ("README.md", "docs/**/*.md", "examples/**/*.py")
    for page in sorted(ROOT.glob(pattern))
    for module, names in IMPORT.findall(page.read_text())
    for name in re.findall(r"\w+", names.partition("#")[0])
}
"""What the docs and the examples import."""


def sections():
    """The page by heading, and the names in the first column of its tables."""
    found = {}
    for section in re.split(r"^##+ ", REFERENCE.read_text(), flags=re.MULTILINE)[1:]:
        rows = re.findall(r"^\| (.*?) \|", section, flags=re.MULTILINE)
        title = section.partition("\n")[0].strip("`")
        found[title] = {name for row in rows for name in re.findall(r"`@?(?:\w+\.)*(\w+)", row)}
    return found


@pytest.mark.parametrize("path", sorted(".".join(pair) for pair in {*PUBLIC, *USED}))
def test_a_public_name_is_in_the_section_of_its_module(path):
    module, _, name = path.rpartition(".")
    assert hasattr(importlib.import_module(module), name)
    family = next((family for family in FAMILIES if module.startswith(family)), module)
    assert name in sections()[family]


@pytest.mark.parametrize("module", [title for title in sections() if title.startswith("fsmkit")])
def test_every_name_in_a_section_is_in_its_module(module):
    section = REFERENCE.read_text().partition(f"## `{module}`")[2].partition("\n##")[0]
    names = [
        n
        for row in re.findall(r"^\| (.*?) \|", section, re.MULTILINE)
        for n in re.findall(r"`([\w.]+)`", row)
    ]
    assert names != []
    assert [name for name in names if not is_there(*f"{module}.{name}".rsplit(".", 1))] == []


def is_there(module, name):
    return hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize(
    ("title", "kind", "own"),
    [
        ("Flow", fsmkit.Flow, {"check_declared", "check_included", "error", "mark_filtered", "text_for"}),
        ("ctx", fsmkit.Context, {"over", "requests"}),
        (
            "Engine",
            fsmkit.Engine,
            {"find_run", "peek", "report", "resources", "start", "stop", "table_of"},
        ),
    ],
    ids=["Flow", "ctx", "Engine"],
)
def test_the_reference_has_every_method_but_those_that_fsmkit_itself_calls(title, kind, own):
    public = {name for name in dir(kind) if not name.startswith("_")}
    assert public - sections()[title] == own


def test_the_table_of_extras_is_that_of_the_project_file():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (ROOT / "docs" / "reference" / "extras.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE) == list(declared)


def test_the_table_of_findings_has_every_code():
    page = (REFERENCE.parent / "testing.md").read_text()
    table = page.partition("| `raised` |")[1] + page.partition("| `raised` |")[2].partition("\n\n")[0]
    listed = {
        code for row in table.splitlines() for code in re.findall(r"`([a-z][a-z-]+)`", row.split("|")[1])
    }
    assert listed == CODES
    folder = Path(fsmkit.testing.__file__).parent
    written = {
        code
        for path in folder.rglob("*.py")
        if "any_bot" not in path.parts
        for code in re.findall(r"\b(?:Problem|Finding)\(\s*\"([a-z-]+)\"", path.read_text())
    }
    assert written <= CODES
    assert len(written) > 20
