"""The floors of the house: which module may import which, and what `import fsmkit` brings along."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import fsmkit
import fsmkit.errors

ROOT = Path(fsmkit.__file__).parent

FLOORS = {
    0: """access annotations boards context deadlines diagram edges effects errors events extras flow graph handlers
        interpreter jobrules keys markup matching model moves origin places results scope source states survey
        table targets times upgrade wishes work written""",
    1: "clock codec datatypes differences jobs lanes lines sameness serving stores values",
    2: """aborts albums attempt client commit defaults engine fanout gathering inbox jobcontext migration outbox
        outcome people process progress relocation remote rewrite sources statejobs sweeper turn""",
    3: "__init__ __main__ cli playground telegram testing",
}
"""Modules and packages by floor; a new one is put here knowingly."""

FLOOR_OF = {name: floor for floor, names in FLOORS.items() for name in names.split()}

PUBLIC = """Flow State StatesGroup ANY END Key KeyBy Context Event Timeout Reminder Done Failed Crashed DeliveryFailed
    Returned Reply Button Engine Outcome transition stay back call end pass_ error Result To Stay End
    FsmkitError __version__"""
"""The names that the module `fsmkit` has, beside the children of `FsmkitError`."""


def modules():
    """The library's files, as `engine` or `stores.memory`."""
    for file in sorted(ROOT.rglob("*.py")):
        yield ".".join(file.relative_to(ROOT).with_suffix("").parts), file


def imported(file):
    """What a file imports, wherever the import stands: under `TYPE_CHECKING` and in functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports are absolute"
            module = node.module or ""
            if module == "fsmkit":  # `from fsmkit import errors` or a name of the package itself
                for name in node.names:
                    yield (f"fsmkit.{name.name}" if name.name in FLOOR_OF else "fsmkit.__init__"), node.lineno
            else:
                yield module, node.lineno


def floor_of(module):
    """The floor of a module, by the first part of its name."""
    return FLOOR_OF.get(module.split(".")[0])


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_every_module_has_a_floor():
    assert [name for name, _ in modules() if floor_of(name) is None] == []


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_its_own_and_lower_ones(floor):
    wrong = [
        f"{file.relative_to(ROOT.parent)}:{line} imports {target}"
        for name, file in modules()
        if floor_of(name) == floor
        for target, line in imported(file)
        if target == "fsmkit" or target.startswith("fsmkit.")
        if (floor_of(target.removeprefix("fsmkit.")) or 0) > floor
    ]
    assert wrong == []


def test_only_the_package_for_telegram_imports_telegram():
    wrong = [
        f"{file.relative_to(ROOT.parent)}:{line}"
        for name, file in modules()
        if name.split(".")[0] != "telegram"
        for target, line in imported(file)
        if target.split(".")[0] == "telegram"
    ]
    assert wrong == []


def test_only_what_helps_with_tests_imports_hypothesis_and_pytest():
    wrong = [
        f"{file.relative_to(ROOT.parent)}:{line}"
        for name, file in modules()
        if name.split(".")[0] != "testing"
        for target, line in imported(file)
        if target.split(".")[0] in ("hypothesis", "pytest")
    ]
    assert wrong == []


def test_the_reader_of_imports_sees_all_of_them(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "import fsmkit.engine as e\nfrom fsmkit import Flow, errors\n"
        "if TYPE_CHECKING:\n    from fsmkit.turn import Turn\n"
        "def f():\n    from fsmkit.cli.main import main\n"
    )
    assert sorted(imported(file)) == [
        ("fsmkit.__init__", 2),
        ("fsmkit.cli.main", 6),
        ("fsmkit.engine", 1),
        ("fsmkit.errors", 2),
        ("fsmkit.turn", 4),
    ]


def test_import_fsmkit_brings_neither_telegram_nor_hypothesis():
    loaded = run("import sys, fsmkit; [getattr(fsmkit, n) for n in fsmkit.__all__]; print(*sys.modules)")
    assert "fsmkit.engine" in loaded
    assert {"telegram", "hypothesis", "pytest", "httpx", "starlette"} & set(loaded) == set()


def test_the_package_has_the_names_of_the_design_and_lists_them():
    names = set(PUBLIC.split())
    assert [name for name in sorted(names) if not hasattr(fsmkit, name)] == []
    assert names <= set(fsmkit.__all__)


def test_the_package_has_all_errors_that_a_program_may_want_to_catch():
    def children(kind):
        return {kind, *(each for child in kind.__subclasses__() for each in children(child))}

    errors = {
        kind.__name__ for kind in children(fsmkit.errors.FsmkitError) if kind.__module__ == "fsmkit.errors"
    }
    assert [name for name in sorted(errors) if not hasattr(fsmkit, name)] == []


def test_every_listed_name_is_there():
    assert [name for name in fsmkit.__all__ if not hasattr(fsmkit, name)] == []


def test_a_name_that_there_is_not_is_an_attribute_error():
    with pytest.raises(AttributeError):
        fsmkit.Flwo  # noqa: B018
